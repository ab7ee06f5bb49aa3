"""What is walked comes where the person looks: a tile at once, and the bands in view before the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from at_the_door import meet
from docks import WAIT, Brake, pixels, to_disk
from napari_exactile.geometry.interval import slices
from napari_exactile.run.plan import walks
from napari_exactile.run.plan.bands import Bands
from napari_exactile.widget.draw.stored_levels import Level
from napari_exactile.widget.draw.tile_shapes import TileStatus
from napari_exactile.widget.run import runs
from napari_exactile.widget.run.view_order import LOOK_MS

SHAPE = (420, 390)


def look(qtbot: QtBot, viewer: Any, centre: tuple[float, float], zoom: float) -> None:
    """Move the camera and let the run learn of it."""
    viewer.scene.camera.center, viewer.scene.camera.zoom = centre, zoom
    qtbot.wait(3 * LOOK_MS)


def labels_of(layer: Any) -> Any:
    data = layer.data[0] if layer.multiscale else layer.data
    return np.asarray(data[:, :])


def status(dock: Any, index: int) -> int:
    return int(dock.overlay._states.part(index, 1)[0])


def test_bands_in_view_come_first(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """Moved during a run, the next band is the one in view; the labels are those of a script, to the bit."""
    monkeypatch.setattr(walks, "SHORT_WORK", 0)
    taken, data = list[int](), pixels(SHAPE)
    expected = ex.segment(data, model, tile=92, stream=True).labels
    meet(monkeypatch, started=taken.append)
    viewer, dock = opened(data, show=True)
    plan = dock.plan
    bands = Bands(plan.tiling, lambda zone: zone, SHAPE, walked=plan.walked)
    assert len(bands) == 4
    look(qtbot, viewer, (400, 370), 6)
    brake = Brake(monkeypatch)
    dock.start()
    qtbot.waitUntil(lambda: bool(taken), timeout=WAIT)
    assert bands.of_tile(taken[0]) == 3
    look(qtbot, viewer, (20, 370), 6)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    order = list(dict.fromkeys(map(bands.of_tile, taken)))
    assert order[:2] == [3, 1]
    assert sorted(order) == [0, 1, 2, 3]
    assert sorted(taken) == list(range(len(plan)))
    np.testing.assert_array_equal(dock.run.layer.data, expected)


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_tile_in_view_is_shown_before_anything_is_done(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model, tmp_path: Path, where: str
) -> None:
    """It counts as waiting; cancelled, its labels are gone, and nothing was written of them."""
    data = pixels((700, 900))
    by_itself, expected = (
        ex.segment(data, model, tile=172, **how).labels for how in ({"method": "trimmed"}, {"stream": True})
    )
    monkeypatch.setattr("napari_exactile.widget.draw.stored_levels.IN_MEMORY", 0)
    viewer, dock = opened(data, tile=172, show=True)
    monkeypatch.setattr(runs, "ask_about", lambda *_question: False)  # the store that is there is continued
    if where == "disk":
        to_disk(dock, tmp_path / "labels.ome.zarr")
    look(qtbot, viewer, (680, 880), 6)
    tile = dock.plan.tiling.tile(dock.plan.tiling.at((680, 880)))
    brake = Brake(monkeypatch)
    dock.start()
    run = dock.run
    qtbot.waitUntil(lambda: run.layer is not None, timeout=WAIT)
    unfinished = run.task.unfinished

    def shown() -> bool:
        return bool((labels_of(run.layer)[slices(tile.zone)] != unfinished).all())

    qtbot.waitUntil(shown, timeout=WAIT)
    assert not run.job.done
    there = labels_of(run.layer)
    assert (there != unfinished).sum() == np.prod([len(side) for side in tile.zone])
    np.testing.assert_array_equal(there[slices(tile.zone)], by_itself[slices(tile.zone)])
    assert status(dock, tile.index) == TileStatus.WAITING.value
    if where == "disk":
        levels = run.layer.data
        assert (np.asarray(levels[1][:, :]) != unfinished).any()
        on_disk = [one for one in run._computation._levels["labels"].arrays if isinstance(one, Level)]
        assert on_disk
        assert all((level.image.get(level.level, ...) == unfinished).all() for level in on_disk)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert (labels_of(run.layer) == unfinished).all()
    brake.let(1000)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    np.testing.assert_array_equal(labels_of(dock.run.layer), expected)


def test_a_row_under_way_is_shown_as_such(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tiles of a row of a walk are being computed, and those that have ended are done."""
    _viewer, dock = opened(pixels(SHAPE), show=True)
    brake, columns = Brake(monkeypatch), dock.plan.tiling.grid[1]
    dock.start()
    brake.let(2)
    qtbot.waitUntil(lambda: dock.run.job is not None and len(dock.run.job.done) == 2, timeout=WAIT)
    running, done = TileStatus.RUNNING.value, TileStatus.DONE.value
    expected = [done] * 2 + [running] * (columns - 2) + [TileStatus.WAITING.value]
    qtbot.waitUntil(lambda: [status(dock, n) for n in range(columns + 1)] == expected, timeout=WAIT)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    expected = [done] * 2 + [TileStatus.WAITING.value] * (columns - 1)
    assert [status(dock, n) for n in range(columns + 1)] == expected
