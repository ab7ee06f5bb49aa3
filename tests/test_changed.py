"""An image that is changed under a run: labels of two versions are never mixed without a word."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
from napari_exactile.images.fingerprint import ChangedError
from napari_exactile.run.events import Event, TileFinished
from napari_exactile.run.report_file import earlier_report
from slow_run import TILE, image, network

pytestmark = pytest.mark.usefixtures("one_thread")


def write_tiff(path: Path, pixels: np.ndarray) -> None:
    tifffile.imwrite(path, pixels)


def write_zarr(path: Path, pixels: np.ndarray) -> None:
    array = zarr.create_array(path, shape=pixels.shape, chunks=(64, 64), dtype=pixels.dtype, overwrite=True)
    array[...] = pixels


KINDS = {"image.tif": write_tiff, "image.npy": np.save, "image.zarr": write_zarr}


@pytest.fixture(params=KINDS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    KINDS[path.name](path, image())
    return path


def change(path: Path) -> None:
    """Write one pixel anew that is none of those by which the content of an image is known."""
    KINDS[path.name](path, changed())
    for one in path.rglob("*") if path.is_dir() else [path]:
        os.utime(one, (1e9, 1e9))


def changed() -> np.ndarray:
    pixels = image().copy()
    pixels[-1, -1] += 1
    return pixels


def after(tiles: int, act: Callable[[], Any]) -> Callable[[Event], None]:
    """Return what hears events and acts once, when so many tiles are done."""
    done: list[Event] = []

    def hear(event: Event) -> None:
        if isinstance(event, TileFinished):
            done.append(event)
            if len(done) == tiles:
                act()

    return hear


def begun(file: Path, folder: Path) -> Path:
    """Return a store with two finished tiles of the image in a file."""
    out, stop = folder / "labels.ome.zarr", [False]
    hear = after(2, lambda: stop.append(True))
    ex.segment(file, network(), tile=TILE, output=out, on_event=hear, cancel=lambda: stop[-1])
    return out


@pytest.mark.parametrize("stored", [True, False])
def test_a_change_during_a_run_is_told(file: Path, tmp_path: Path, stored: bool) -> None:
    """A run over an image that changes meanwhile fails, and its report does not call the labels exact."""
    out = tmp_path / "labels.ome.zarr"
    more = {"output": out} if stored else {}
    with pytest.raises(ChangedError, match=r"was changed during the run.*begin anew"):
        ex.segment(file, network(), tile=TILE, on_event=after(2, lambda: change(file)), **more)
    if stored:
        report = earlier_report(out)
        assert not report["exact"]
        assert report["result"].startswith("NOT EXACT: 'image")


def test_a_changed_image_does_not_continue(file: Path, tmp_path: Path) -> None:
    """A store is not continued with an image of which anything was written anew, wherever that is."""
    out = begun(file, tmp_path)
    change(file)
    with pytest.raises(ValueError, match="begun with another image file"):
        ex.segment(file, network(), tile=TILE, output=out)


def test_what_was_opened_before_a_change_is_refused(tmp_path: Path) -> None:
    """An array that was opened from a file is not segmented once the file is another one."""
    path = tmp_path / "image.tif"
    write_tiff(path, image())
    opened = ex.open_image(path)
    change(path)
    with pytest.raises(ChangedError, match=r"image\.tif has been changed since it was opened: open it again"):
        ex.segment(opened, network(), tile=TILE, output=tmp_path / "labels.ome.zarr")


def test_a_deleted_file_that_is_open_can_be_read(tmp_path: Path) -> None:
    """A TIFF that is deleted during a run is read to its end, to the labels of one pass."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, image(), tile=(64, 64), compression="zlib")
    labels = ex.segment(path, network(), tile=TILE, on_event=after(2, path.unlink)).labels
    np.testing.assert_array_equal(labels, ex.segment_whole(image(), network()).labels)


def test_a_moved_image_continues(file: Path, tmp_path: Path) -> None:
    """A store goes on with the same files in another folder: times and sizes count, not places."""
    out = begun(file, tmp_path)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    file.rename(moved / file.name)
    result = ex.segment(moved / file.name, network(), tile=TILE, output=out)
    np.testing.assert_array_equal(result.labels[...], ex.segment_whole(image(), network()).labels)
