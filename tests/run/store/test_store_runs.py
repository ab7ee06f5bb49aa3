"""Runs into a store: objects of what lies on disk, faults on the way, and memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import napari_exactile as ex
from command_line import MODEL, assert_refused, call, summary
from napari_exactile.geometry.interval import Box
from napari_exactile.images.objects import components
from napari_exactile.images.source import ArraySource
from napari_exactile.run.engine.events import Event, TileError, TileFinished
from slow_run import TILE, TILES, image, network

pytestmark = pytest.mark.usefixtures("one_thread")


def labels_in(path: Path) -> np.ndarray:
    group: Any = zarr.open_group(path, mode="r")
    return np.asarray(group["0"][:])


@pytest.mark.parametrize("axes", ["yx", "tyx"])
def test_objects_of_a_store_are_those_of_a_tiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: str
) -> None:
    """Numbers and table are the same whether labels lie on disk or in memory, and nothing else is left."""
    monkeypatch.setattr(components, "BLOCK_PIXELS", 2**14)
    monkeypatch.setattr("napari_exactile.images.store.tiff.FILE_TILE", 64)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([image()] * 2) if axes[0] == "t" else image())

    def objects(out: str, name: str) -> dict[str, str]:
        files = ("--objects", tmp_path / f"{name}.tif", "--table", tmp_path / f"{name}.csv")
        where = ("--axes", axes, "--pixel-size", 0.5, "--out", tmp_path / out)
        return summary(call("segment", tmp_path / "a.tif", "--model", "slow_run:network", *where, *files))

    kept, plain = objects("a.ome.zarr", "kept"), objects("labels.tif", "plain")
    assert kept["objects"] == plain["objects"]
    assert "µm²" in kept["objects"]
    found, expected = (tifffile.imread(tmp_path / f"{name}.tif") for name in ("kept", "plain"))
    np.testing.assert_array_equal(found, expected)
    assert expected.max() > 1000
    assert (tmp_path / "kept.csv").read_text() == (tmp_path / "plain.csv").read_text()
    assert not list(tmp_path.glob(".objects-*"))
    with tifffile.TiffFile(tmp_path / "kept.tif") as file:
        assert file.ome_metadata is not None
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
        assert file.series[0].axes == axes.upper()


def test_the_command_line_keeps_probabilities(tmp_path: Path) -> None:
    """`--probabilities` says their type, `--pixel-size` that of pixels; TIFF has no place for the former."""
    tifffile.imwrite(tmp_path / "a.tif", image())
    start = ("segment", tmp_path / "a.tif", "--model", MODEL, "--probabilities", "float16")
    call(*start, "--out", tmp_path / "a.ome.zarr", "--pixel-size", "0.5, 0.25")
    group: Any = zarr.open_group(tmp_path / "a.ome.zarr" / "probabilities", mode="r")
    expected = ex.segment(image(), MODEL, probabilities="float16").probabilities
    assert group["0"].dtype == np.float16
    np.testing.assert_array_equal(group["0"][:], expected)
    (scales,) = group.attrs["ome"]["multiscales"]
    assert scales["datasets"][0]["coordinateTransformations"][0]["scale"] == [1.0, 0.5, 0.25]
    assert_refused(call(*start), r"probabilities are kept in a store: let --out end in \.ome\.zarr")
    assert_refused(call(*start[:-1], "half", "--out", tmp_path / "b.ome.zarr"), "one of float32, float16")
    start = (*start, "--out", tmp_path / "b.ome.zarr")
    assert_refused(call(*start, "--pixel-size", "big"), "micrometres such as 0.5, not 'big'", code=2)


class Torn:
    """An image whose pixels cannot be read any more from some moment on."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._source, self.torn = ArraySource(pixels), False
        self.shape, self.channels = self._source.shape, 1

    def read(self, box: Box) -> np.ndarray:
        """Return the pixels in a box, or fail."""
        if self.torn:
            raise OSError("the pixels of 'torn' cannot be read: bad block")
        return self._source.read(box)


def test_a_tile_that_cannot_be_read_ends_a_run_which_continues_later(tmp_path: Path) -> None:
    """The error names the tile and why; finished ones are kept, and labels become those of one pass."""
    path, source, done = tmp_path / "a.ome.zarr", Torn(image()), list[int]()

    def count(event: Event) -> None:
        done.extend([event.index] if isinstance(event, TileFinished) else [])
        source.torn = len(done) >= 4

    words = r"tile \d+ \(pixels .*\) failed: the pixels of 'torn' cannot be read"
    with pytest.raises(TileError, match=words):
        ex.segment(source, network(), tile=TILE, method="trimmed", output=path, on_event=count)
    assert 4 <= len(done) < TILES
    source = Torn(image())
    ex.segment(ArraySource(image()), network(), tile=TILE, output=path, on_event=count)
    assert sorted(done) == list(range(TILES))
    np.testing.assert_array_equal(labels_in(path), ex.segment_whole(image(), network()).labels)


def most_memory(folder: Path, side: int) -> int:
    """Return the kilobytes that a process took at most."""
    folder.mkdir()
    program = [sys.executable, Path(__file__).parents[2] / "support" / "large_run.py", folder, str(side)]
    told = subprocess.run(program, capture_output=True, text=True, check=True)
    assert labels_in(folder / "a.ome.zarr").max() == 1
    return int(told.stdout.split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="others count memory in other units, or not at all")
def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    """Labels, probabilities, objects and their table of four times the pixels take no more memory.

    In memory, they would take 240 MB more.
    """
    small, large = (most_memory(tmp_path / str(side), side) for side in (2048, 4096))
    assert large < small + 60_000
