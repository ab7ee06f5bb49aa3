"""Images of every format are opened with what their files say, and read window by window as numpy reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
from command_line import MODEL, assert_refused, call, summary
from image_files import assert_windows, pixels, write_ngff
from napari_exactile.images.about.opened import version_of
from napari_exactile.images.read import from_tiff

# --- TIFF ------------------------------------------------------------------------------------------------

FILES: dict[str, dict[str, Any]] = {
    "one strip": {},
    "other byte order": {"byteorder": ">"},
    "strips": {"rowsperstrip": 7},
    "compressed strips": {"rowsperstrip": 7, "compression": "zlib"},
    "one compressed strip": {"rowsperstrip": 120, "compression": "lzw", "predictor": True},
    "tiles": {"tile": (32, 48)},
    "compressed tiles": {"tile": (32, 32), "compression": "zstd"},
    "BigTIFF": {"bigtiff": True, "tile": (64, 64), "compression": "zlib"},
    "OME-TIFF": {"ome": True, "tile": (32, 32)},
    "ImageJ": {"imagej": True},
}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", FILES)
def test_windows_of_tiffs_are_numpys(tmp_path: Path, kind: str, dtype: str) -> None:
    """However a plane lies in a TIFF, its windows are those of the array that was written."""
    image, path = pixels(120, 160, dtype=dtype), tmp_path / "image.tif"
    tifffile.imwrite(path, image, **FILES[kind])
    opened = ex.open_image(path)
    assert (opened.axes, opened.array.dtype.newbyteorder("="), opened.notes) == ("yx", image.dtype, ())
    assert_windows(opened.array, image)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("ZYX", (3, 120, 160)), ("CYX", (2, 120, 160)), ("TZCYX", (2, 2, 3, 120, 160)), ("YXS", (120, 160, 3))],
)
@pytest.mark.parametrize("kind", [{}, {"tile": (32, 32), "compression": "zlib"}])
def test_windows_of_stacks_are_numpys(
    tmp_path: Path, axes: str, shape: tuple[int, ...], kind: dict[str, Any]
) -> None:
    """Stacks, channels and colours keep the order that the file gives them."""
    image, path = pixels(*shape, dtype="uint8"), tmp_path / "image.ome.tif"
    tifffile.imwrite(
        path, image, metadata={"axes": axes}, photometric="rgb" if "S" in axes else "minisblack", **kind
    )
    opened = ex.open_image(path)
    assert opened.axes == axes.lower().replace("s", "c")
    assert_windows(opened.array, image)


def test_pages_apart_are_a_stack(tmp_path: Path) -> None:
    """Pages that were written one by one are the planes of a stack."""
    image, path = pixels(3, 120, 160), tmp_path / "image.tif"
    with tifffile.TiffWriter(path) as file:
        for plane in image:
            file.write(plane, contiguous=False, metadata=None)
    opened = ex.open_image(path)
    assert opened.axes == "iyx"
    assert_windows(opened.array, image)


def ome_pyramid(path: Path, image: Any) -> None:
    sizes = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 500, "PhysicalSizeYUnit": "nm"}
    with tifffile.TiffWriter(path) as file:
        file.write(image, subifds=2, tile=(32, 32), metadata=sizes)
        for step in (2, 4):
            file.write(image[::step, ::step], subfiletype=1, tile=(32, 32))


def page_pyramid(path: Path, image: Any) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        size: dict[str, Any] = {"resolution": (40000, 20000), "resolutionunit": "CENTIMETER"}
        file.write(image, tile=(32, 32), metadata=None, **size)
        for step in (2, 4):
            file.write(image[::step, ::step], subfiletype=1, tile=(32, 32), metadata=None)


@pytest.mark.parametrize("write", [ome_pyramid, page_pyramid])
def test_pyramids_have_levels(tmp_path: Path, write: Callable[[Path, Any], None]) -> None:
    """Sub-images and reduced pages are the coarser levels of the first image, in the pixels of level 0."""
    image, path = pixels(120, 160), tmp_path / ("a.ome.tif" if write is ome_pyramid else "a.tif")
    write(path, image)
    opened = ex.open_image(path)
    assert (opened.axes, opened.pixel_size) == ("yx", pytest.approx((0.5, 0.25)))
    assert_windows(opened.array, image)
    assert [level.shape for level in opened.levels] == [(120, 160), (60, 80), (30, 40)]
    np.testing.assert_array_equal(opened.levels[2][:], image[::4, ::4])


def test_ome_names_channels_and_sizes_volumes(tmp_path: Path) -> None:
    """Channel names and the size of a pixel along z, y and x come from the OME header."""
    path = tmp_path / "image.ome.tif"
    sizes = {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", (2.0, 0.5, 0.25), strict=True)}
    named = {"axes": "CZYX", "Channel": {"Name": ["DAPI", "GFP"]}, **sizes}
    tifffile.imwrite(path, pixels(2, 3, 20, 30), metadata=named)
    opened = ex.open_image(path)
    assert (opened.channels, opened.pixel_size) == (("DAPI", "GFP"), (2.0, 0.5, 0.25))


# --- numpy -----------------------------------------------------------------------------------------------


def test_windows_of_npy_files_are_numpys(tmp_path: Path) -> None:
    """Of a .npy file, what a window touches is read; it names no axes."""
    image, path = pixels(120, 160), tmp_path / "image.npy"
    np.save(path, image)
    opened = ex.open_image(str(path))
    assert opened.axes is None
    assert_windows(opened.array, image)


# --- what cannot be opened -------------------------------------------------------------------------------


def unknown_compression(path: Path) -> None:
    tifffile.imwrite(path, pixels(120, 160), compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(34888)


def unknown_codec(path: Path) -> None:
    zarr.create_array(path, data=pixels(9, 9), zarr_format=3)
    about = path / "zarr.json"
    about.write_text(about.read_text().replace('"zstd"', '"crunched"'))


def other_zip(path: Path) -> None:
    with ZipFile(path, "w") as file:
        file.writestr("word/document.xml", "text")


def broken_zip(path: Path) -> None:
    other_zip(path)
    path.write_bytes(path.read_bytes()[:-30])


def starting(start: bytes) -> Callable[[Path], Any]:
    """Write a file that begins like one of another format."""
    return lambda path: path.write_bytes(start + bytes(100))


def several_arrays(path: Path) -> None:
    group = zarr.create_group(path)
    group.create_array("a", data=pixels(9, 9))
    group.create_array("b", data=pixels(9, 9))


def plate(path: Path) -> None:
    zarr.create_group(path).attrs["ome"] = {"plate": {}}


def cut_off(path: Path) -> None:
    np.save(path, pixels(120, 160))
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("image.tif", unknown_compression, "cannot be opened as a TIFF file: no codec for .*34888"),
        ("image.zarr", unknown_codec, "cannot be opened as zarr: .*crunched"),
        ("image.zarr", several_arrays, "is a zarr group without an image: name one of its members, a, b"),
        ("image.zarr", plate, "is a plate of many images"),
        ("image.zarr", zarr.create_group, "is a zarr group without an image: choose"),
        ("folder", Path.mkdir, "is a folder without a zarr array or an OME-Zarr image"),
        ("image.npy", cut_off, "cannot be opened as a numpy array: it ends before its pixels do"),
        ("image.npy", lambda path: path.write_bytes(b"no"), "cannot be opened as a numpy array: .+"),
        ("image.png", starting(b"\x89PNG"), "is no image that can be opened: TIFF .*save it as OME-TIFF or"),
        ("slide.czi", starting(b"ZISRAWFILE"), "is no image that can be opened: TIFF .*"),
        ("slide.mrxs", starting(b"\xff\xd8\xff\xe0"), "is no image that can be opened: TIFF .*"),
        ("slide.dcm", starting(bytes(128) + b"DICM"), "is no image that can be opened: TIFF .*"),
        (
            "slide.vsi",
            lambda path: tifffile.imwrite(path, pixels(9, 9)),
            "holds a thumbnail only, and its slide",
        ),
        ("slide.ndpi", starting(b"II*\0"), "cannot be opened as a TIFF file: .+"),
        ("image.zip", other_zip, "is a zip file without a zarr array or an OME-Zarr image"),
        (
            "image.zarr.zip",
            broken_zip,
            "cannot be opened as zarr: it is damaged, or was cut off; copy it again",
        ),
        ("image.tif", lambda path: path.write_bytes(b"text"), "cannot be opened as a TIFF file: .+"),
        ("image.tif", lambda path: None, "cannot be opened as a TIFF file: there is no such file"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, name: str, make: Callable[[Path], Any], message: str) -> None:
    """What is no image, is cut off or has no codec is refused in one sentence that begins with the file."""
    make(tmp_path / name)
    with pytest.raises(ValueError, match=rf"^{tmp_path / name} {message}") as caught:
        ex.open_image(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["https://example.org/a.zarr", "s3://bucket/a.zarr", "file:///a.tif"])
@pytest.mark.parametrize("kind", [str, Path])
def test_addresses_are_refused(address: str, kind: type) -> None:
    """Images on other machines are not opened, whether the address is a text or has become a path."""
    with pytest.raises(ValueError, match="is a remote address, which cannot be opened: copy the image"):
        ex.open_image(kind(address))


# --- memory ----------------------------------------------------------------------------------------------


class Meter:
    """Adds up the bytes that are read from a file."""

    def __init__(self, file: Any) -> None:
        self._file, self.bytes = file, 0

    def read(self, count: int = -1) -> bytes:
        data: bytes = self._file.read(count)
        self.bytes += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        count: int = self._file.readinto(buffer)
        self.bytes += count
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("kind", [{"tile": (256, 256)}, {"rowsperstrip": 64, "compression": "zstd"}])
def test_windows_read_little_of_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any]
) -> None:
    """Three windows of a 60 MB image read a tenth of its file at most, header included."""
    image, path = pixels(5000, 6000), tmp_path / "image.tif"
    tifffile.imwrite(path, image, **kind)
    assert image.nbytes == 6e7
    meters = []

    def metered(self: Any) -> None:
        opening(self)
        meters.append(Meter(self._fh))
        self._fh = meters[-1]

    opening = tifffile.FileHandle.open
    monkeypatch.setattr(tifffile.FileHandle, "open", metered)
    opened = ex.open_image(path)
    for window in (np.s_[0:100, 0:100], np.s_[2500:2600, 3000:3100], np.s_[4900:, 5900:]):
        np.testing.assert_array_equal(opened.array[window], image[window])
    read = sum(meter.bytes for meter in meters)
    assert 0 < read < path.stat().st_size / 10


def test_what_cannot_be_read_in_windows_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large compressed strip is decoded at the first window, not before, and only once; a note tells."""
    image, path = pixels(120, 160), tmp_path / "image.tif"
    tifffile.imwrite(path, image, rowsperstrip=120, compression="zlib")
    monkeypatch.setattr(from_tiff, "LARGEST_SEGMENT", 1000)
    opened = ex.open_image(path)
    decoded = []
    decode = tifffile.TiffFile.asarray
    monkeypatch.setattr(
        tifffile.TiffFile, "asarray", lambda self, **kw: decoded.append(1) or decode(self, **kw)
    )
    assert (opened.notes[0].startswith("'image.tif' has strips"), decoded) == (True, [])
    assert_windows(opened.array, image)
    assert decoded == [1]


def test_no_room_to_decode_is_an_error_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the temporary file would not fit, reading says how much it takes, and nothing is decoded."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels(120, 160), rowsperstrip=120, compression="zlib")
    monkeypatch.setattr(from_tiff, "LARGEST_SEGMENT", 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 38_000}))
    with pytest.raises(OSError, match=r"decoding takes 38,400 bytes in \S+, which has 38,000"):
        ex.open_image(path).array[0]


def test_versions_tell_files_apart(tmp_path: Path) -> None:
    """An opened file is known by its path and time; once it is written again, its pixels are unknown."""
    path = tmp_path / "image.npy"
    np.save(path, pixels(9, 9))
    one, again = ex.open_image(path).array, ex.open_image(path).array
    assert version_of(one) == version_of(again) is not None
    assert version_of(pixels(9, 9)) is None
    np.save(path, pixels(9, 10))
    assert version_of(one) is None


# --- segmentation ----------------------------------------------------------------------------------------


def edges() -> ex.Model:
    """A network of two channels that finds two classes by differences of neighbours."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1)
    return ex.load_model(nn.Sequential(*layers).eval(), channels=2)


def test_files_are_segmented_as_arrays_are(tmp_path: Path) -> None:
    """Labels of a tiled BigTIFF, an OME-Zarr and a .npy, by path or opened, are those of the numpy array."""
    image = pixels(2, 120, 160)
    kind: dict[str, Any] = {"tile": (32, 32), "compression": "zlib", "metadata": {"axes": "CYX"}}
    tifffile.imwrite(tmp_path / "a.tif", image, bigtiff=True, photometric="minisblack", **kind)
    write_ngff(tmp_path / "a.zarr", image, "0.5")
    np.save(tmp_path / "a.npy", image)
    model = edges()
    expected = ex.segment(image, model, tile=64, device="cpu").labels
    assert len(np.unique(expected)) > 1
    for name in ("a.tif", "a.zarr", "a.npy"):
        found = ex.segment(tmp_path / name, model, tile=64, device="cpu")
        np.testing.assert_array_equal(found.labels, expected)
    opened = ex.open_image(tmp_path / "a.zarr")
    np.testing.assert_array_equal(ex.segment_whole(opened, model, device="cpu").labels, expected)


def test_scripts_are_warned_of_what_costs_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is decoded as a whole is segmented all the same, with a warning that says so."""
    image, path = pixels(2, 40, 48), tmp_path / "image.tif"
    tifffile.imwrite(
        path, image, rowsperstrip=40, compression="zlib", metadata={"axes": "CYX"}, photometric="minisblack"
    )
    monkeypatch.setattr(from_tiff, "LARGEST_SEGMENT", 1000)
    model = edges()
    with pytest.warns(UserWarning, match="can only be decoded as a whole"):
        found = ex.segment(path, model, device="cpu")
    np.testing.assert_array_equal(found.labels, ex.segment(image, model, device="cpu").labels)


def test_the_command_line_takes_folders(tmp_path: Path) -> None:
    """`exactile segment` and `preview` take an OME-Zarr; the labels get its pixel size. A folder of images
    is one of many, whose labels need a place."""
    path = tmp_path / "image.ome.zarr"
    write_ngff(path, pixels(90, 100), "0.5", axes="yx")
    call_ok = summary(call("segment", path, "--model", MODEL, "--device", "cpu"))
    assert call_ok["labels"] == str(tmp_path / "image.ome_labels.tif")
    assert ex.open_image(tmp_path / "image.ome_labels.tif").pixel_size == (1.0, 0.5)
    options = ("--model", MODEL, "--radius", 16, "--tile", 64, "--device", "cpu")
    assert "image.ome.zarr" in summary(call("preview", path, *options))["image"]
    assert_refused(call("preview", tmp_path, *options), "is a folder without a zarr array")
    assert_refused(call("segment", tmp_path, "--model", MODEL), "many images go to a folder: pass --out")
