"""Zarr arrays and OME-Zarr images of all versions, in folders and zip files, are read window by window."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED

import pytest
import zarr

import napari_exactile as ex
from image_files import assert_windows, pixels, write_ngff, zipped
from napari_exactile.images.about.opened import file_of, version_of


@pytest.mark.parametrize("version", [2, 3])
def test_windows_of_zarr_arrays_are_numpys(tmp_path: Path, version: Any) -> None:
    """Plain arrays of both versions open; only version 3 can name its axes without help."""
    image, path = pixels(2, 120, 160), tmp_path / "image.zarr"
    names = ("channel", "y", "x") if version == 3 else None
    zarr.create_array(
        path, data=image, chunks=(1, 50, 50), zarr_format=version, dimension_names=names
    )  # fmt: skip
    opened = ex.open_image(path)
    assert (opened.axes, opened.pixel_size) == ("cyx" if version == 3 else None, None)
    assert_windows(opened.array, image)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path: Path, version: str) -> None:
    """Level 0 of the first multiscale image opens with its axes, channels and scale; labels are no image."""
    image, path = pixels(2, 120, 160), tmp_path / "image.ome.zarr"
    write_ngff(path, image, version)
    opened = ex.open_image(path)
    assert (opened.name, opened.axes, opened.channels) == ("image.ome.zarr", "cyx", ("red", "green"))
    assert opened.pixel_size == (1.0, 0.5)
    assert [level.shape for level in opened.levels] == [(2, 120, 160), (2, 60, 80)]
    assert_windows(opened.array, image)
    with pytest.raises(ValueError, match=r"image.ome.zarr/labels/cells holds labels, not an image: open"):
        ex.open_image(path / "labels" / "cells")


def test_scales_without_units_are_none(tmp_path: Path) -> None:
    """A scale that has no unit of length says nothing of micrometres."""
    write_ngff(tmp_path / "a.zarr", pixels(2, 120, 160), "0.5", unit=None)
    assert ex.open_image(tmp_path / "a.zarr").pixel_size is None


def test_converted_series_open_with_the_first(tmp_path: Path) -> None:
    """Of a folder as bioformats2raw writes it, the image is series 0."""
    image, path = pixels(2, 120, 160), tmp_path / "converted.zarr"
    group = zarr.create_group(path, zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    write_ngff(path / "0", image, "0.4")
    write_ngff(path / "1", image[:, :60, :60], "0.4")
    assert_windows(ex.open_image(path).array, image)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("inside", ["", "image.ome.zarr"])
@pytest.mark.parametrize("compression", [ZIP_STORED, ZIP_DEFLATED])
def test_zipped_ome_zarr(tmp_path: Path, version: str, inside: str, compression: int) -> None:
    """A zip file of an OME-Zarr folder, or of what is in it, opens as the folder does, by its windows."""
    image, folder = pixels(2, 120, 160), tmp_path / "image.ome.zarr"
    write_ngff(folder, image, version)
    path = zipped(folder, inside, compression)
    opened, same = ex.open_image(path), ex.open_image(folder)
    assert opened.name == "image.ome.zarr.zip"
    assert (opened.axes, opened.channels, opened.pixel_size) == (same.axes, same.channels, same.pixel_size)
    assert [level.shape for level in opened.levels] == [(2, 120, 160), (2, 60, 80)]
    assert_windows(opened.array, image)
    assert file_of(opened.array) == path


@pytest.mark.parametrize("version", [2, 3])
def test_zipped_arrays_and_series(tmp_path: Path, version: Any) -> None:
    """So do a plain array and the first of a converter's series; a zip file is known again by its date."""
    image = pixels(2, 120, 160)
    zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(1, 50, 50), zarr_format=version)
    array = ex.open_image(zipped(tmp_path / "a.zarr")).array
    assert_windows(array, image)
    assert version_of(array) is not None
    zarr.create_group(tmp_path / "b.zarr", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    write_ngff(tmp_path / "b.zarr" / "0", image, "0.4")
    assert_windows(ex.open_image(zipped(tmp_path / "b.zarr", "b")).array, image)


@pytest.mark.parametrize("text", ["null", "[]", '"a"', "5"])
@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zgroup"])
def test_descriptions_of_another_kind_are_damaged(tmp_path: Path, name: str, text: str) -> None:
    """What is JSON and describes nothing is said to be damaged, not how Python stumbles over it."""
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / name).write_text(text)
    with pytest.raises(
        ValueError, match=r"a\.zarr cannot be opened as zarr: its zarr\.json .* is damaged; copy it again"
    ):
        ex.open_image(tmp_path / "a.zarr")


def test_an_image_larger_than_any_disk_is_refused(tmp_path: Path) -> None:
    """Its chunks are not even counted, which would take the memory of a list of them."""
    zarr.create_array(tmp_path / "a.zarr", shape=(10**15, 10**15), chunks=(512, 512), dtype="u1")
    with pytest.raises(ValueError, match=r"10{15} x 10{15} px are more than any disk holds"):
        ex.open_image(tmp_path / "a.zarr")
