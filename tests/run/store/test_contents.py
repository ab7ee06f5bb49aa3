"""Stores hold probabilities beside the labels, or values alone, which resume and are read like the labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from torch import nn

import napari_exactile as ex
from napari_exactile.images.about.opened import OpenedImage
from napari_exactile.images.store.journal import Journal
from napari_exactile.run.engine.events import TileError, TileFinished
from slow_run import TILE, image, network
from stored_kinds import EVERY, stack

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _several_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 2**10)


def files(path: Path) -> dict[str, bytes]:
    """Return all that other programs read."""
    found = (file for file in path.rglob("*") if file.is_file() and "exactile" not in file.parts)
    return {str(file.relative_to(path)): file.read_bytes() for file in found}


def levels(path: Path) -> list[np.ndarray]:
    group: Any = zarr.open_group(path, mode="r")
    return [group[entry["path"]][:] for entry in group.attrs["ome"]["multiscales"][0]["datasets"]]


def assert_thinned(path: Path, whole: np.ndarray) -> None:
    """Level 0 is `whole`, and the others are every second, fourth, ... of its pixels."""
    found = levels(path)
    assert len(found) > 1
    for level, pixels in enumerate(found):
        assert pixels.dtype == whole.dtype
        np.testing.assert_array_equal(pixels, whole[..., :: 2**level, :: 2**level])


@EVERY
def test_a_store_holds_what_memory_would(
    tmp_path: Path, model: Callable[[], Any], pixels: Callable[[], np.ndarray], settings: dict[str, Any]
) -> None:
    """Labels, probabilities and values are those of a run in memory, to the bit, and so are all levels."""
    path = tmp_path / "a.ome.zarr"
    result = ex.segment(pixels(), model(), tile=TILE, output=path, **settings)
    memory = ex.segment(pixels(), model(), tile=TILE, **settings)
    early = settings.get("axes") == "tyx"  # OME-Zarr's time comes before channels
    numbers = np.moveaxis(memory.probabilities, 0, 1) if early else memory.probabilities
    np.testing.assert_array_equal(result.probabilities[:], numbers)
    if memory.labels is None:
        assert result.labels is None
        assert_thinned(path, numbers)
        return
    labels = np.moveaxis(memory.labels, 0, 1) if early and memory.labels.ndim > 3 else memory.labels
    np.testing.assert_array_equal(result.labels[:], labels)
    assert_thinned(path, labels)
    assert_thinned(path / "probabilities", numbers)


@EVERY
def test_an_interrupted_run_continues_to_the_same_files(
    tmp_path: Path, model: Callable[[], Any], pixels: Callable[[], np.ndarray], settings: dict[str, Any]
) -> None:
    """Stopped after some tiles, of which one is then damaged, a run ends with the files of a whole one."""
    done: list[int] = []

    def count(event: Any) -> None:
        done.extend([event.index] if isinstance(event, TileFinished) else [])

    def run(path: Path, **more: Any) -> None:
        path.parent.mkdir(exist_ok=True)
        ex.segment(pixels(), model(), tile=TILE, output=path, on_event=count, **settings, **more)

    path, whole = tmp_path / "a.ome.zarr", tmp_path / "whole" / "a.ome.zarr"
    run(whole)
    tiles = len(done)
    done.clear()
    run(path, cancel=lambda: len(done) >= 3)
    assert 3 <= len(done) < tiles
    damaged = max(file for file in path.rglob("0/c/**/0") if file.is_file())
    damaged.write_bytes(damaged.read_bytes()[:-9])
    run(path)
    assert tiles < len(done) < 2 * tiles
    assert files(path) == files(whole)


def test_a_crash_between_the_images_of_a_zone_costs_that_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a run wrote that the journal did not hear of, the files become those of one run."""
    write, calls = Journal.append, []

    def dying(self: Journal, record: dict[str, Any]) -> None:
        calls.append(record)
        if len(calls) > 4:
            raise OSError("the machine is gone")
        write(self, record)

    arguments: dict[str, Any] = {"tile": TILE, "probabilities": True}
    path, whole = tmp_path / "a.ome.zarr", tmp_path / "whole" / "a.ome.zarr"
    whole.parent.mkdir()
    ex.segment(image(), network(), output=whole, **arguments)
    monkeypatch.setattr(Journal, "append", dying)
    with pytest.raises(TileError, match="the machine is gone"):
        ex.segment(image(), network(), output=path, **arguments)
    monkeypatch.setattr(Journal, "append", write)
    shutil.rmtree(path / "probabilities" / "1" / "c")
    ex.segment(image(), network(), output=path, **arguments)
    assert files(path) == files(whole)


def test_probabilities_are_not_added_to_a_store_without(tmp_path: Path) -> None:
    """Their type belongs to what a store was begun with."""
    ex.segment(image(), network(), tile=TILE, output=tmp_path / "a.ome.zarr")
    with pytest.raises(ValueError, match=r"another type of probabilities or values \(none, now float16\)"):
        ex.segment(image(), network(), tile=TILE, output=tmp_path / "a.ome.zarr", probabilities="float16")


def test_the_room_for_probabilities_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room for the labels alone is refused where probabilities are wanted too."""
    usage = shutil.disk_usage(tmp_path)._replace(free=4 * image().size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    ex.segment(image(), network(), tile=TILE, output=tmp_path / "a.ome.zarr")
    with pytest.raises(OSError, match=r"can take up to .* but only .* are free"):
        ex.segment(image(), network(), tile=TILE, output=tmp_path / "b.ome.zarr", probabilities=True)


def test_values_too_large_for_float16_are_not_lost(tmp_path: Path) -> None:
    """They would become infinite: the run ends with a sentence that names the largest."""
    net = nn.Conv2d(1, 1, 1)
    nn.init.constant_(net.weight, 100.0)
    model = ex.load_model(net.eval(), kind="values", normalization="none")
    with pytest.raises(TileError, match=r"values up to 9.99\d?e\+04 do not fit into float16"):
        ex.segment(image(), model, tile=TILE, output=tmp_path / "a.ome.zarr", probabilities="float16")


def scales(path: Path) -> tuple[list[float], list[str | None]]:
    group: Any = zarr.open_group(path, mode="r")
    (about,) = group.attrs["ome"]["multiscales"]
    return about["datasets"][0]["coordinateTransformations"][0]["scale"], [
        axis.get("unit") for axis in about["axes"]
    ]


def test_the_size_of_pixels_comes_from_the_image_or_is_given(tmp_path: Path) -> None:
    """A store has the pixel size of an opened image, in micrometres along the axes that it is known for."""
    um = "micrometer"
    opened = OpenedImage("stack", stack(), "zyx", (2.5, 0.5, 0.25))
    ex.segment(opened, network(), output=tmp_path / "z.ome.zarr")
    assert scales(tmp_path / "z.ome.zarr") == ([2.5, 0.5, 0.25], [um] * 3)
    ex.segment(opened, network(), output=tmp_path / "y.ome.zarr", pixel_size=(3.0, 4.0), probabilities=True)
    assert scales(tmp_path / "y.ome.zarr") == ([1.0, 3.0, 4.0], [None, um, um])
    assert scales(tmp_path / "y.ome.zarr/probabilities") == ([1.0, 1.0, 3.0, 4.0], [None, None, um, um])
    ex.segment(stack(), network(), axes="tyx", output=tmp_path / "t.ome.zarr", pixel_size=(9.0, 3.0, 4.0))
    assert scales(tmp_path / "t.ome.zarr") == ([1.0, 3.0, 4.0], [None, um, um])
    ex.segment(image(), network(), output=tmp_path / "n.ome.zarr")
    assert scales(tmp_path / "n.ome.zarr") == ([1.0, 1.0], [None, None])
    with pytest.raises(ValueError, match=r"a pixel size is .* not \(0,\)"):
        ex.segment(image(), network(), output=tmp_path / "o.ome.zarr", pixel_size=(0,))
