"""Files with several images: they are named, the largest is read by default, any can be chosen, or all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from torch import nn

import napari_exactile as ex
import ome_files
from command_line import MODEL, assert_refused, call, summary
from converted_files import converted
from image_files import pixels, write_ngff, zipped
from napari_exactile.images.about.chosen import NoSuchImageError
from ome_files import planes
from slow_run import network

pytestmark = pytest.mark.usefixtures("one_thread")


def positions(folder: Path) -> tuple[Path, list[Any]]:
    """Write an OME-TIFF of three images that are as large."""
    images = list(planes(3))
    with tifffile.TiffWriter(folder / "a.ome.tif", ome=True) as file:
        for number, image in enumerate(images):
            file.write(image, metadata={"Name": f"Pos {number}", "axes": "YX"})
    return folder / "a.ome.tif", images


def positions_in_files(folder: Path) -> tuple[Path, list[Any]]:
    return ome_files.positions(folder, planes(3)), list(planes(3))


def thumbnail_first(folder: Path) -> tuple[Path, list[Any]]:
    """Write a TIFF whose first page is a small picture in colours, more values than its image has pixels."""
    images = [pixels(40, 50, 3, dtype="uint8"), pixels(60, 70)]
    with tifffile.TiffWriter(folder / "a.tif") as file:
        for image in images:
            file.write(image, photometric="rgb" if image.ndim > 2 else "minisblack", metadata=None)
    return folder / "a.tif", images


def converted_with_names(folder: Path) -> tuple[Path, list[Any]]:
    path, images = converted(folder, "0.5")
    (path / "OME").mkdir()
    xml = "".join(ome_files.image(name, "") for name in ("overview", "slide", "label"))
    (path / "OME" / "METADATA.ome.xml").write_bytes(ome_files.ome(xml, "all"))
    return path, images


def converted_and_zipped(folder: Path) -> tuple[Path, list[Any]]:
    path, images = converted(folder)
    return zipped(path), images


POSITIONS = "3 images: 0 'Pos 0' (64 x 72), 1 'Pos 1' (64 x 72), 2 'Pos 2' (64 x 72); the first"
SERIES = "3 images: 0 '0' (1 x 40 x 50), 1 '1' (1 x 60 x 70), 2 '2' (1 x 20 x 30); the largest"
KINDS: dict[str, tuple[Callable[[Path], tuple[Path, list[Any]]], int, str]] = {
    "positions": (positions, 0, POSITIONS),
    "files": (positions_in_files, 0, POSITIONS),
    "thumbnail": (thumbnail_first, 1, "2 images: 0 (40 x 50 x 3), 1 (60 x 70); the largest"),
    "converted": (converted, 1, SERIES),
    "named": (converted_with_names, 1, "3 images: 0 'overview' (1 x 40 x 50), 1 'slide' (1 x 60 x 70), 2 "),
    "zipped": (converted_and_zipped, 1, SERIES),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_named_and_the_largest_is_read(tmp_path: Path, kind: str) -> None:
    """A note names the images of a file and says which one is read: the largest, of equals the first."""
    make, default, words = KINDS[kind]
    path, images = make(tmp_path)
    opened = ex.open_image(path)
    assert opened.notes[0].startswith(f"'{path.name}' holds {words}")
    assert f", {default}, is read; series chooses another" in opened.notes[0]
    assert opened.number == default
    np.testing.assert_array_equal(opened.array[...], images[default])


@pytest.mark.parametrize("kind", KINDS)
def test_any_image_can_be_chosen(tmp_path: Path, kind: str) -> None:
    """By its number or by its name, any image opens, with its own name and without a note; or all of them."""
    path, images = KINDS[kind][0](tmp_path)
    for number, image in enumerate(images):
        opened = ex.open_image(path, series=number)
        np.testing.assert_array_equal(opened.array[...], image)
        assert (opened.number, opened.notes) == (number, ())
        assert opened.images is not None
        names = opened.images.names
        for name in {str(number), names[number] or str(number)}:
            np.testing.assert_array_equal(ex.open_image(path, series=name).array[...], image)
    every = ex.open_image(path, series="all")
    assert len({opened.name for opened in every}) == len(images)
    for opened, image in zip(every, images, strict=True):
        np.testing.assert_array_equal(opened.array[...], image)


@pytest.mark.parametrize("wanted", [3, -1, "3", "Pos 7", "", "²", "9" * 5000, True, 1.5])
def test_another_image_is_refused(tmp_path: Path, wanted: Any) -> None:
    """An image that is not there is refused with a sentence that names those that are."""
    path, _images = positions(tmp_path)
    words = rf"^'a\.ome\.tif' has no image {wanted}: it holds 3 images: 0 'Pos 0' \(64 x 72\)"
    with pytest.raises(NoSuchImageError, match=words):
        ex.open_image(path, series=wanted)


@pytest.mark.parametrize("name", ["a.npy", "a.zarr", "a.tif"])
def test_files_of_one_image_have_no_other(tmp_path: Path, name: str) -> None:
    """A file of a single image opens as number 0 and in a tuple of one; there is no number 1."""
    path, image = tmp_path / name, pixels(20, 30)
    if name == "a.npy":
        np.save(path, image)
    elif name == "a.zarr":
        zarr.create_array(path, data=image + 1)
        image = image + 1
    else:
        tifffile.imwrite(path, image)
    assert ex.open_image(path, series=0).notes == ()
    (only,) = ex.open_image(path, series="all")
    np.testing.assert_array_equal(only.array[...], image)
    with pytest.raises(NoSuchImageError, match=r"has no image 1: it holds 1 image: 0 \(20 x 30\)"):
        ex.open_image(path, series=1)


def test_forms_of_one_image_are_no_several(tmp_path: Path) -> None:
    """Of several multiscale images in a group, the format means the first; others can be chosen."""
    write_ngff(tmp_path / "a.zarr", pixels(2, 120, 160), "0.5")
    assert ex.open_image(tmp_path / "a.zarr").notes == ()
    assert ex.open_image(tmp_path / "a.zarr", series=1).array.shape == (2, 3, 3)


def test_a_member_of_a_group_can_be_named(tmp_path: Path) -> None:
    """Of a group of arrays that says nothing of images, one must be named, in the path or by `series`."""
    group = zarr.create_group(tmp_path / "a.zarr")
    for number, name in enumerate("ab"):
        group.create_array(name, data=pixels(20, 30) + number + 1)
    with pytest.raises(ValueError, match="name one of its members, a, b"):
        ex.open_image(tmp_path / "a.zarr")
    opened = ex.open_image(tmp_path / "a.zarr", series="b")
    np.testing.assert_array_equal(opened.array[...], pixels(20, 30) + 2)
    assert ex.open_image(zipped(tmp_path / "a.zarr"), series="b").array.shape == (20, 30)
    with pytest.raises(ValueError, match="name one of its members, a, b"):
        ex.open_image(tmp_path / "a.zarr", series="c")


def test_a_comparison_says_what_it_reads(tmp_path: Path) -> None:
    """`exactile compare` notes that a file holds several images, and which of them it takes."""
    path, _images = thumbnail_first(tmp_path)
    done = call("compare", path, path)
    assert "Note: 'a.tif' holds 2 images: 0 (40 x 50 x 3), 1 (60 x 70); the largest" in done.stderr


def test_each_image_has_its_own_sizes_and_channels(tmp_path: Path) -> None:
    """The size of a pixel and the names of channels are those of the image that is read."""
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for size, names in ((0.5, ["a", "b"]), (2.0, ["c", "d"])):
            about: dict[str, Any] = {"axes": "CYX", "PhysicalSizeX": size, "PhysicalSizeY": size}
            file.write(
                pixels(2, 20, 30), metadata={**about, "Channel": {"Name": names}}, photometric="minisblack"
            )
    first, second = ex.open_image(tmp_path / "a.ome.tif", series="all")
    assert (first.pixel_size, first.channels) == ((0.5, 0.5), ("a", "b"))
    assert (second.pixel_size, second.channels) == ((2.0, 2.0), ("c", "d"))


def test_a_run_takes_the_image_of_ones_choice(tmp_path: Path) -> None:
    """`segment` takes the default with a warning, any other by `series`, or gives a result for each."""
    path, images = positions(tmp_path)
    expected = [ex.segment(image, network()).labels for image in images]
    with pytest.warns(UserWarning, match=r"holds 3 images: .*; the first one, 0, is read"):
        np.testing.assert_array_equal(ex.segment(path, network()).labels, expected[0])
    np.testing.assert_array_equal(ex.segment(path, network(), series="Pos 2").labels, expected[2])
    every = ex.segment(path, network(), series="all")
    for result, labels in zip(every, expected, strict=True):
        np.testing.assert_array_equal(result.labels, labels)


def growing(folder: Path, last: Any) -> Path:
    """Write two images of a channel, and one that is something else."""
    with tifffile.TiffWriter(folder / "a.tif") as file:
        for image in (pixels(80, 90), pixels(70, 90), last):
            rgb = image.ndim == 3 and image.shape[-1] == 3
            file.write(image, photometric="rgb" if rgb else "minisblack", metadata=None)
    return folder / "a.tif"


UNFIT = {
    "colours": (pixels(40, 50, 3, dtype="uint8"), "'a.tif: 2' has 3 channels, but the model takes 1 channel"),
    "complex": (pixels(40, 50) * np.complex64(1j), "'a.tif: 2' has pixels of type complex64: only real"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_nothing_is_computed_where_one_image_does_not_fit(tmp_path: Path, kind: str) -> None:
    """All images are looked at before the first one is run, in scripts and by the command; one is named."""
    last, words = UNFIT[kind]
    path, heard = growing(tmp_path, last), list[Any]()
    for output in (None, tmp_path / "labels.ome.zarr"):
        with pytest.raises(ValueError, match=words):
            ex.segment(path, network(), series="all", on_event=heard.append, output=output)
    assert heard == []
    for name in ("labels.tif", "labels.ome.zarr"):
        options = ("--model", MODEL, "--device", "cpu", "--series", "all", "--out", tmp_path / name)
        assert_refused(call("segment", path, *options), words)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_one_image_of_several_names_it(tmp_path: Path) -> None:
    """Also where what is wrong is its size, which nobody else would say of which image it is."""
    path, heard = growing(tmp_path, pixels(2, 90)), list[Any]()
    net = nn.Sequential(nn.Conv2d(1, 2, 5)).eval()
    with pytest.raises(ValueError, match=r"^'a\.tif: 2' cannot be segmented: "):
        ex.segment(path, net, series="all", on_event=heard.append)
    assert heard == []


def test_each_image_has_a_store(tmp_path: Path) -> None:
    """All images of a file go to stores of their own, each of which knows which one it is of."""
    path, images = positions(tmp_path)
    ex.segment(path, network(), series="all", output=tmp_path / "labels.ome.zarr")
    for number, image in enumerate(images):
        store = tmp_path / f"labels_{number}.ome.zarr"
        labels = zarr.open_group(store, mode="r")["0"][...]
        np.testing.assert_array_equal(labels, ex.segment(image, network()).labels)
        assert ex.verify(store, model=network()).agrees
    with pytest.raises(ValueError, match="was made from another image"):
        ex.verify(tmp_path / "labels_1.ome.zarr", ex.open_image(path, series=0), network())


def test_stores_of_zipped_series_are_verified(tmp_path: Path) -> None:
    """A store remembers which image of a zip file it is of."""
    path, images = converted_and_zipped(tmp_path)
    ex.segment(path, network(), axes="tyx", series=2, output=tmp_path / "labels.ome.zarr")
    assert ex.verify(tmp_path / "labels.ome.zarr", model=network()).agrees
    assert len(images) == 3


def test_series_is_of_files(tmp_path: Path) -> None:
    """An array has no series: that is said, not left out."""
    for chosen in (0, "all"):
        with pytest.raises(ValueError, match="series chooses an image of a file: give the file's path"):
            ex.segment(pixels(20, 30), network(), series=chosen)
    assert isinstance(tmp_path, Path)


def test_many_images_are_counted(tmp_path: Path) -> None:
    """Of many images, the first are named."""
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for _ in range(12):
            file.write(pixels(20, 30), metadata={"axes": "YX"})
    note = ex.open_image(tmp_path / "a.ome.tif").notes[0]
    assert "holds 12 images: 0 'Image0' (20 x 30), " in note
    assert "7 'Image7' (20 x 30), and 4 more; the first one" in note


# --- the command line ---------------------------------------------------------------------------------------


def three_images(path: Path) -> Path:
    with tifffile.TiffWriter(path, ome=True) as file:
        for number, side in enumerate((90, 100, 80)):
            file.write(pixels(side, 90), metadata={"Name": f"Pos {number}", "axes": "YX"})
    return path


def test_the_command_line_names_images(tmp_path: Path) -> None:
    """`exactile segment` takes the largest with a note, or the one of --series; `preview` likewise."""
    path, model = three_images(tmp_path / "a.ome.tif"), ("--model", MODEL, "--device", "cpu")
    done = call("segment", path, *model)
    assert "Note: 'a.ome.tif' holds 3 images: 0 'Pos 0' (90 x 90), 1 'Pos 1' (100 x 90)" in done.stderr
    assert summary(done)["image"].startswith("a.ome.tif: Pos 1, 100 x 90 px")
    done = call("segment", path, *model, "--series", "Pos 2", "--out", tmp_path / "two.tif")
    assert (summary(done)["image"], "Note" in done.stderr) == ("a.ome.tif: Pos 2, 80 x 90 px", False)
    done = call("preview", path, *model, "--series", 0, "--radius", 16, "--tile", 64)
    assert summary(done)["image"].startswith("a.ome.tif: Pos 0, 90 x 90 px")
    refused = call("preview", path, *model, "--series", "all", "--radius", 16)
    assert_refused(refused, "only segment takes all images of a file: choose one")
    refused = call("segment", path, *model, "--series", 3, "--out", tmp_path / "three.tif")
    assert_refused(refused, "'a.ome.tif' has no image 3: it holds 3 images")


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
def test_the_command_line_takes_all_images(tmp_path: Path, suffix: str) -> None:
    """With --series all, every image gets files of its own, whose names have its number."""
    path = three_images(tmp_path / "a.ome.tif")
    out, table = tmp_path / f"labels{suffix}", tmp_path / "objects.csv"
    options = ("--model", MODEL, "--device", "cpu", "--out", out, "--table", table)
    done = call("segment", path, *options, "--series", "all")
    assert done.exit_code == 0, done.stderr
    for number in range(3):
        assert (tmp_path / f"labels_{number}{suffix}").exists()
        assert (tmp_path / f"objects_{number}.csv").exists()
    again = call("segment", path, *options, "--series", "all")
    if suffix == ".tif":
        assert_refused(again, r"labels_0\.tif exists already")


def test_the_command_line_allows_what_is_missing(tmp_path: Path) -> None:
    """--allow-missing takes what there is, and a line says what was missing; without it, nothing is done."""
    path = ome_files.one_file(tmp_path / "a.ome.tif", planes(1), SizeT=3)
    options = ("--model", MODEL, "--device", "cpu")
    assert_refused(
        call("segment", path, *options), r"2 of 3 planes \(t 1, t 2\) are missing.*--allow-missing"
    )
    done = call("segment", path, *options, "--allow-missing", columns=300)
    assert "2 of 3 planes (t 1, t 2) are missing; they read as 0" in summary(done)["note"]
