"""Images are read as numpy would read them, measured in full, and label files hold what was computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_exactile.geometry.frame import Frame
from napari_exactile.geometry.interval import Interval, full_box, slices
from napari_exactile.images.framed import FramedSource
from napari_exactile.images.normalize import statistics
from napari_exactile.images.normalize.steps import Affine, Normalization
from napari_exactile.images.planes import planes_of, source_of
from napari_exactile.images.read.open import open_image
from napari_exactile.images.source import ArraySource
from napari_exactile.images.store.tiff import open_tiff, save_labels
from proofs import many

ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": lambda array: array,
    "dask": lambda array: da.from_array(array, chunks=(5,) * array.ndim),
    "zarr": lambda array: zarr.array(array, chunks=(4,) * array.ndim),
}
BOX = (Interval(2, 9), Interval(3, 5))


@pytest.fixture(params=ARRAYS)
def wrap(request: pytest.FixtureRequest) -> Callable[[np.ndarray], Any]:
    """Return what makes an array of one kind from a numpy array."""
    return ARRAYS[request.param]


def counting(*shape: int) -> np.ndarray:
    """An array in which every pixel is different."""
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


# --- sources ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes", "channels", "expected"),
    [
        ((12, 7), None, 1, np.s_[None, 2:9, 3:5]),
        ((3, 12, 7), None, 3, np.s_[:, 2:9, 3:5]),
        ((2, 12, 7), "cyx", 2, np.s_[:, 2:9, 3:5]),
    ],
)
def test_reads_what_slicing_reads(
    wrap: Callable, shape: tuple[int, ...], axes: str | None, channels: int, expected: Any
) -> None:
    """Any box of an array of any kind is that slice of it, channels first."""
    array = counting(*shape)
    source = source_of(wrap(array), channels, axes)
    assert (source.shape, source.channels) == ((12, 7), channels)
    np.testing.assert_array_equal(source.read(BOX), array[expected])


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_come_first_and_alpha_is_dropped(wrap: Callable, samples: int) -> None:
    """Of RGB and RGBA with the colours last, a model for RGB gets the three colours first."""
    array = counting(12, 7, samples)
    source = source_of(wrap(array), 3)
    assert (source.shape, source.channels) == ((12, 7), 3)
    np.testing.assert_array_equal(source.read(BOX), np.moveaxis(array[2:9, 3:5, :3], -1, 0))


@pytest.mark.parametrize(
    ("axes", "shape"), [("tzyx", (2, 3, 12, 7)), ("tyxc", (2, 12, 7, 3)), ("ctyx", (3, 2, 12, 7)),
                        ("tczyx", (2, 3, 4, 12, 7)), ("zyx", (3, 12, 7)), ("cyx", (3, 12, 7))]
)  # fmt: skip
def test_planes_of_stacks(wrap: Callable, axes: str, shape: tuple[int, ...]) -> None:
    """Wherever the channels stand, the planes of a stack come in order, each with its channels first."""
    array = counting(*shape)
    channels = 3 if "c" in axes else 1
    planes = planes_of(wrap(array), axes, channels)
    stack = axes.replace("c", "")
    ordered = array if "c" in axes else array[..., None]
    ordered = np.moveaxis(ordered, axes.find("c"), -3).reshape(-1, channels, 12, 7)
    assert planes.axes == stack
    assert planes.shape == tuple(shape[axes.index(axis)] for axis in stack[:-2])
    assert len(planes.sources) == len(ordered)
    for source, plane in zip(planes.sources, ordered, strict=True):
        np.testing.assert_array_equal(source.read(BOX), plane[:, 2:9, 3:5])


def test_planes_are_named() -> None:
    """A plane's name says which plane it is, so that messages about its pixels do."""
    sources = planes_of(counting(2, 3, 4, 4), "tzyx", 1, "cells.tif").sources
    assert sources[4].name == "cells.tif, t 1, z 1"


@pytest.mark.parametrize(
    ("array", "channels", "axes", "message"),
    [
        (np.zeros((4, 4), complex), 1, None, "pixels of type complex128: only real numbers"),
        (np.zeros((4, 4), "U1"), 1, None, "pixels of type <U1: only real numbers"),
        (np.zeros((0, 4)), 1, None, r"'image' is empty: its shape is \(0, 4\)"),
        (np.zeros((2, 4, 4)), 1, None, r"axes of 'image' of shape \(2, 4, 4\) are not clear: give axes="),
        (np.zeros((4, 4, 3)), 1, None, "not clear"),
        (np.zeros(4), 1, None, "not clear"),
        (np.zeros((4, 4)), 1, "cyx", r"axes 'cyx' do not fit 'image' of shape \(4, 4\)"),
        (np.zeros((4, 4)), 1, "tz", "axes 'tz' do not fit"),
        (np.zeros((4, 4)), 3, None, "'image' has 1 channel, but the model takes 3 channels"),
        (np.zeros((3, 4, 4)), 1, "cyx", "'image' has 3 channels, but the model takes 1 channel"),
    ],
)
def test_what_holds_no_image_is_refused(
    array: np.ndarray, channels: int, axes: str | None, message: str
) -> None:
    """Arrays that hold no image for the model are refused in one sentence with the offending value."""
    with pytest.raises(ValueError, match=message):
        source_of(array, channels, axes)


@pytest.mark.parametrize("axes", ["yxz", "xy", "zyx", "yyx", "x"])
def test_axes_without_y_and_x_at_the_end_are_refused(axes: str) -> None:
    """Planes need y and x as the last axes, each name once, and as many names as the array has axes."""
    with pytest.raises(ValueError, match=f"axes '{axes}' do not fit 'image'"):
        planes_of(np.zeros((5, 5, 5) if axes in {"yxz", "yyx"} else (5, 5)), axes, 1)


def test_unreadable_pixels_are_an_error_of_the_image() -> None:
    """Whatever goes wrong while pixels are read comes out as one kind of error that names the image."""

    def broken(block: np.ndarray) -> np.ndarray:
        raise RuntimeError("bad checksum")

    lazy = da.zeros((8, 8), chunks=4).map_blocks(broken, dtype=float, meta=np.zeros((0, 0)))
    with pytest.raises(OSError, match="the pixels of 'cells' cannot be read: bad checksum"):
        ArraySource(lazy, name="cells").read(full_box((8, 8)))


# --- padding ---------------------------------------------------------------------------------------------


@settings(max_examples=many(200), deadline=None)
@given(st.data())
def test_padded_reads_equal_numpy_pad(data: st.DataObject) -> None:
    """Any box of the reflected image is that box of numpy.pad: any padding, 1-pixel images too."""
    shape = tuple(data.draw(st.integers(1, 6), "shape") for _ in range(data.draw(st.integers(1, 3), "axes")))
    padding = [(0, data.draw(st.integers(0, 20), "padding")) for _ in shape]
    image = counting(*shape)
    padded = np.pad(image, padding, mode="reflect")
    box = []
    for length in padded.shape:
        start = data.draw(st.integers(0, length - 1), "start")
        box.append(Interval(start, data.draw(st.integers(start + 1, length), "stop")))
    result = FramedSource(ArraySource(image), Frame(shape, padded.shape)).read(tuple(box))
    np.testing.assert_array_equal(result[0], padded[slices(tuple(box))])


class Watched:
    """An image that notes which boxes are read."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.channels, self.boxes = shape, 1, []

    def read(self, box: tuple[Interval, ...]) -> np.ndarray:
        self.boxes.append(box)
        return counting(*self.shape)[None][(slice(None), *slices(box))]


def test_padded_reads_read_no_more_than_they_show() -> None:
    """Of a box in the corner of the padding, only the pixels that it mirrors are read."""
    image = Watched(100, 100)
    FramedSource(image, Frame((100, 100), (112, 100))).read((Interval(90, 112), Interval(0, 5)))
    assert image.boxes == [(Interval(87, 100), Interval(0, 5))]


# --- statistics ------------------------------------------------------------------------------------------


def measured(array: Any, channels: int = 1) -> Normalization:
    """Run a measurement to its end."""
    measuring = statistics.measure(source_of(array, channels))
    while True:
        try:
            next(measuring)
        except StopIteration as result:
            return result.value


def random_image(dtype: str, *shape: int) -> np.ndarray:
    values = np.random.default_rng(3).random(shape)
    return values > 0.3 if dtype == "bool" else (values * 100 + 20).astype(dtype)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in blocks of a few rows, as a large image is."""
    monkeypatch.setattr(statistics, "BLOCK_PIXELS", 70)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "uint16", "int32", "float16", "float32", "float64"]
)
def test_statistics_are_numpys(dtype: str) -> None:
    """Mean and standard deviation, merged from blocks, are numpy's in float64, channel by channel."""
    image = random_image(dtype, 2, 53, 21)
    found, exact = measured(image, 2), image.astype(np.float64)
    np.testing.assert_allclose(found.steps[0].mean, exact.mean(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.steps[0].std, exact.std(axis=(1, 2)), rtol=1e-12)


@pytest.mark.usefixtures("small_blocks")
def test_statistics_of_small_differences_on_a_large_offset() -> None:
    """A variation of one part in a million is measured: nothing is lost to the squares of large numbers."""
    image = 1e6 + np.random.default_rng(0).random((64, 50))
    assert measured(image).steps[0].std[0] == pytest.approx(image.std(), rel=1e-9)


@pytest.mark.usefixtures("small_blocks")
def test_statistics_do_not_depend_on_the_kind_of_array() -> None:
    """The same pixels give the same numbers to the last bit, whatever holds them."""
    image = random_image("float32", 53, 21)
    found = {measured(wrap(image)) for wrap in ARRAYS.values()}
    assert len(found) == 1


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("value", [7, 0.1, -1 / 3, 123456.789, 1e-30, 0])
def test_a_constant_image_is_divided_by_one(value: float) -> None:
    """A constant channel has no spread, also where its mean is rounded: it becomes zero, not noise."""
    image = np.full((53, 21), value)
    found = measured(image)
    assert found.steps[0].std == (1.0,)
    assert np.abs(found.apply(image[None], np.float64)).max() <= 1e-14 * abs(value)


def test_measuring_tells_how_far_it_is(small_blocks: None) -> None:
    """The fractions rise to one, one for each block, in measuring as in checking."""
    source = source_of(np.zeros((10, 35)), 1)
    assert list(statistics.measure(source)) == list(statistics.check(source)) == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_normalised_pixels_do_not_depend_on_the_cut() -> None:
    """A box of the normalised image is the normalised box, to the bit."""
    image, normalization = (
        random_image("float32", 2, 40, 30),
        Normalization((Affine((3.1, 0.7), (17.3, 0.03)),)),
    )
    whole = normalization.apply(image)
    np.testing.assert_array_equal(normalization.apply(image[:, 7:19, 3:]), whole[:, 7:19, 3:])
    assert whole.dtype == np.float32


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
@pytest.mark.parametrize("examine", [statistics.measure, statistics.check])
def test_pixels_that_are_no_numbers_are_named(value: float, name: str, examine: Callable) -> None:
    """The first NaN or infinite pixel is named with its place in the whole image."""
    image = np.zeros((20, 35))
    image[13, 30] = image[19, 2] = value
    message = f"'image' has {name} pixels, first at y 13, x 30. Nothing was created."
    with pytest.raises(ValueError, match=message):
        list(examine(source_of(image, 1)))


# --- TIFF ------------------------------------------------------------------------------------------------


def some_labels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)


def test_saved_labels_come_back(tmp_path: Path) -> None:
    """Labels and their pixel size come back; the file is tiled, compressed, and names the classes."""
    labels, path = some_labels(700, 300), tmp_path / "labels.tif"
    save_labels(path, labels, ["background", "cell"], (0.65, 0.325))
    opened = open_tiff(path)
    np.testing.assert_array_equal(opened.array[:], labels)
    assert (opened.axes, opened.pixel_size) == ("yx", (0.65, 0.325))
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled
        assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert "0 = background; 1 = cell" in file.ome_metadata
        assert not any(".part" in str(name) for name in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("axes", "shape", "kept"), [("tyx", (2, 20, 30), "tyx"), ("zyx", (2, 20, 30), "zyx"),
                                ("tzyx", (2, 3, 20, 30), "tzyx"), ("iyx", (2, 20, 30), "zyx"),
                                (None, (2, 20, 30), "zyx")]
)  # fmt: skip
def test_stacks_keep_their_axes(tmp_path: Path, axes: str | None, shape: tuple[int, ...], kept: str) -> None:
    """A stack over time comes back as one over time; axes that OME does not know become z."""
    labels, path = some_labels(*shape), tmp_path / "stack.tif"
    save_labels(path, labels, ["a", "b", "c"], axes=axes)
    opened = open_tiff(path)
    assert (opened.axes, opened.pixel_size) == (kept, None)
    np.testing.assert_array_equal(opened.array[:], labels)


def test_too_many_axes_are_refused(tmp_path: Path) -> None:
    """A stack that OME cannot describe is refused, and no file is made."""
    with pytest.raises(ValueError, match="at most three axes beside y and x, not 'abdeyx'"):
        save_labels(tmp_path / "labels.tif", some_labels(1, 1, 1, 1, 4, 4), [], axes="abdeyx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(1100, 700), (2, 3, 600, 520)])
@pytest.mark.parametrize("known", [False, True])
def test_large_labels_have_levels(tmp_path: Path, shape: tuple[int, ...], known: bool) -> None:
    """Each level holds every second pixel of the one before, read tile by tile from any array."""
    path, labels = tmp_path / "labels.ome.tif", some_labels(*shape)
    stored = zarr.create_array(tmp_path / "labels", data=labels)
    coarser = (labels[..., ::2, ::2],) if known else ()
    save_labels(path, stored, ["a", "b"], (0.5, 0.5), coarser=coarser)
    with tifffile.TiffFile(path) as file:
        levels = file.series[0].levels
        assert len(levels) > 1
        for number, level in enumerate(levels):
            assert np.array_equal(level.asarray(), labels[..., :: 2**number, :: 2**number])
    opened = open_image(path)
    assert [one.shape for one in opened.levels] == [one.shape for one in levels]
    assert opened.pixel_size == (0.5, 0.5)


@pytest.mark.parametrize(("shape", "when"), [((1100, 600), 0.4), ((1100, 600), 1.0), ((40, 30), 1.0)])
def test_a_failed_write_leaves_no_file(tmp_path: Path, shape: tuple[int, int], when: float) -> None:
    """Where writing fails, even at the end, the file from before stays, and no part of the new one does."""

    def full_disk(fraction: float) -> None:
        assert (tmp_path / "labels.tif.part").exists()
        if fraction >= when:
            raise OSError("No space left on device")

    path = tmp_path / "labels.tif"
    path.write_bytes(b"from before")
    with pytest.raises(OSError, match="No space left"):
        save_labels(path, some_labels(*shape), ["a", "b"], on_progress=full_disk)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("labels.tif", b"from before")]


@pytest.mark.parametrize(
    ("metadata", "kwargs", "size"),
    [
        ({"PhysicalSizeX": 325, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 2}, {"ome": True}, (2, 0.325)),
        ({"PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0, "PhysicalSizeYUnit": "pixel"}, {"ome": True}, None),
        ({"PhysicalSizeX": 1.0}, {"ome": True}, None),
        ({"unit": "um"}, {"imagej": True, "resolution": (4, 2)}, (0.5, 0.25)),
        ({"unit": r"\u00B5m"}, {"imagej": True, "resolution": (4, 2)}, (0.5, 0.25)),
        ({"unit": "inch"}, {"imagej": True, "resolution": (4, 2)}, None),
        ({}, {"imagej": True}, None),
        (None, {}, None),
    ],
)  # fmt: skip
def test_pixel_sizes_are_micrometres(
    tmp_path: Path, metadata: dict[str, Any] | None, kwargs: dict[str, Any], size: tuple[float, float] | None
) -> None:
    """Sizes that OME or ImageJ wrote come out in micrometres; where the unit is not known, there is none."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((8, 9), np.uint16), metadata=metadata, **kwargs)
    assert open_tiff(path).pixel_size == (size and pytest.approx(size))


@pytest.mark.parametrize(
    ("shape", "kwargs", "axes"),
    [
        ((20, 30, 3), {"photometric": "rgb"}, "yxc"),
        ((2, 20, 30), {"imagej": True}, "cyx"),
        ((2, 20, 30), {"ome": True, "metadata": {"axes": "TYX"}}, "tyx"),
        ((1, 30), {}, "yx"),
        ((1, 1), {}, "yx"),
    ],
)
def test_tiff_axes(tmp_path: Path, shape: tuple[int, ...], kwargs: dict[str, Any], axes: str) -> None:
    """An opened file says what its axes are; y and x stay, however short; a slice of it is numpy's."""
    image, path = counting(*shape), tmp_path / "image.tif"
    tifffile.imwrite(path, image, **({"photometric": "minisblack"} | kwargs))
    opened = open_tiff(path)
    assert (opened.axes, opened.array.shape) == (axes, shape)
    np.testing.assert_array_equal(opened.array[:], image)


@pytest.mark.parametrize("content", [b"", b"hello", b"II*\0\x08\0\0\0", b"II*\0\x08\0\0\0\x01\0"])
def test_what_is_no_tiff_is_refused(tmp_path: Path, content: bytes) -> None:
    """Files that are not TIFF or hold no image are refused in one sentence that names them."""
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^\S+image.tif cannot be opened as a TIFF file: .+$"):
        open_tiff(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A file that is not there, and a folder, are refused in the same words."""
    for path in (tmp_path / "none.tif", tmp_path):
        with pytest.raises(ValueError, match=f"{path.name} cannot be opened as a TIFF file: .+ directory$"):
            open_tiff(path)


@pytest.mark.parametrize("kwargs", [{}, {"tile": (32, 32)}, {"compression": "zlib"}])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, kwargs: dict[str, Any], share: float) -> None:
    """A file that was cut off is refused when it is opened, not after hours of computing."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 999, (100, 100)), **kwargs)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match="as if it had been cut off"):
        open_tiff(path)


def test_the_file_is_closed_with_its_array(tmp_path: Path) -> None:
    """Once nobody has the array, the file can be replaced: no handle stays open."""
    import gc
    import os

    path = tmp_path / "image.tif"
    tifffile.imwrite(path, counting(9, 9))
    handles = Path("/proc/self/fd")
    if not handles.exists():
        pytest.skip("this system does not list open files")
    opened = open_tiff(path)
    assert str(path) in open_files(handles, os.readlink)
    del opened
    gc.collect()
    assert str(path) not in open_files(handles, os.readlink)


def open_files(handles: Path, target: Callable[[Path], str]) -> set[str]:
    """Return the paths of all open files; those that close meanwhile are left out."""
    found = set()
    for handle in handles.iterdir():
        try:
            found.add(target(handle))
        except OSError:
            continue
    return found
