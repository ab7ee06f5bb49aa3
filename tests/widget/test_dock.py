"""The dock in a real viewer: pick, see, run, watch, cancel, continue; and what goes wrong, in words."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from at_the_door import meet
from docks import WAIT, Brake, begin, finish, lively_model
from napari_exactile.geometry.interval import slices
from napari_exactile.images.store.tiff import open_tiff
from napari_exactile.widget.choose.known import KnownModels
from napari_exactile.widget.dock import ExactileDock


def test_an_incomplete_result_says_so_in_its_file(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cancelled run can be saved, and its file does not claim the labels of the whole image."""
    _, dock = opened()
    begin(qtbot, dock, Brake(monkeypatch))
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert f"INCOMPLETE: 1 of {len(dock.plan)} tiles done" in str(file.ome_metadata)


def test_labels_of_a_run_are_those_of_one_pass(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """Pick, run, wait: the labels layer equals the whole-image pass, and lies on the image."""
    viewer, dock = opened(scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"))
    image = viewer.layers["slide"]
    layer = finish(qtbot, dock)
    whole = ex.segment_whole(image.data, model)
    assert np.array_equal(layer.data, whole.labels)
    assert layer.data.dtype == np.uint8
    assert layer.name == "slide - lively"
    assert tuple(layer.scale) == (0.5, 0.25)
    assert tuple(layer.translate) == (3, 4)
    assert layer.units == image.units
    assert list(layer.features["class"]) == ["class 0", "class 1", "class 2"]
    assert layer.editable
    assert layer.metadata["exactile"]["exact"] is True
    assert f"Done: exact, {whole.report.near_ties} near-tie" in dock.footer.result.text()
    assert dock.footer.result.text().endswith("unsaved")


def test_tiles_arrive_one_after_the_other(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """During a run finished zones are in the layer, others are marked unfinished, and it is locked."""
    viewer, dock = opened()
    brake, refreshes = Brake(monkeypatch), []
    dock.start()
    run = dock.run
    brake.let(1)
    qtbot.waitUntil(lambda: len(run.job.done) == 1 and run.layer is not None, timeout=WAIT)
    monkeypatch.setattr(run.layer, "refresh", lambda *args, **kwargs: refreshes.append(len(run.job.done)))
    (index,) = run.job.done
    done = np.zeros(run.layer.data.shape, bool)
    done[slices(run.job.task.plan.tiling.tile(index).zone)] = True
    assert (run.layer.data[done] < run.job.task.unfinished).all()
    assert (run.layer.data[~done] == run.job.task.unfinished).all()
    assert not run.layer.editable
    assert not dock.fields.tile.enabled
    assert dock.footer.progress.text().endswith(f"of {len(dock.plan)} tiles")
    for count in range(1, 4):
        brake.let(2)  # drawn soon, or later where drawing takes long
        qtbot.waitUntil(lambda count=count: len(set(refreshes)) >= count, timeout=WAIT)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert len(set(refreshes)) >= 3
    assert viewer.layers.selection.active is viewer.layers["slide"]


def test_cancel_keeps_what_is_done_and_run_continues_it(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """After Cancel the layer says how much is done; Run does the rest in the same layer, nothing twice."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake, tiles=2)
    dock.footer.cancel.click()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    layer, tiles = dock.run.layer, len(dock.plan)
    assert layer.name == f"slide - lively (incomplete, {200 // tiles} %)"
    assert dock.footer.run.text() == "Continue"
    assert "Incomplete: 2 of" in dock.footer.result.text()
    first = layer.data.copy()
    brake.let(tiles - 2)
    assert finish(qtbot, dock) is layer
    assert layer.name == "slide - lively"
    assert np.array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)
    kept = first < dock.run.job.task.unfinished
    assert np.array_equal(first[kept], layer.data[kept])


def test_a_changed_setting_starts_a_new_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Cancel and another tile size, Run begins a new layer and leaves the old one alone."""
    _, dock = opened()
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    old, data = dock.run.layer, dock.run.layer.data.copy()
    dock.fields.tile.value = 112
    assert dock.footer.run.text() == "Run"
    brake.let(1000)
    assert finish(qtbot, dock) is not old
    assert np.array_equal(old.data, data)


def test_undersized_context_is_named_everywhere(
    opened: Any, qtbot: QtBot, model: ex.Model, tmp_path: Path
) -> None:
    """An own radius below the need is named in a warning and in the layer's name; its labels are wrong."""
    viewer, dock = opened()
    dock.fields.own_radius.value = True
    dock.fields.radius.value = 9
    assert dock.fields.radius.value == 8, "snapped to a multiple of F"
    assert dock.fields.radius_note.text() == (
        "Context 8 px is too small: this model needs 24. The result would not be exact."
    )
    layer = finish(qtbot, dock)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert "INEXACT: the radius is 8 px" in str(file.ome_metadata)
    assert layer.name == "INEXACT radius 8: slide - lively"
    assert layer.metadata["exactile"]["exact"] is False
    assert "INEXACT (context 8 px, needed 24)" in dock.footer.result.text()
    assert not np.array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)


def test_a_failing_tile_reaches_the_person_and_keeps_the_others(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """An error in the worker names its tile; finished tiles stay, and Run continues with the rest."""
    viewer, dock = opened()
    calls: list[object] = []

    def fails_at_third(check: object) -> None:
        calls.append(check)
        if len(calls) == 3:
            raise RuntimeError("the disk is gone")

    meet(monkeypatch, holding=fails_at_third)
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    rows, columns = (f"{side.start}..{side.stop}" for side in dock.plan.tiling.tile(2).zone)
    assert f"(pixels {rows} x {columns}) failed: the disk is gone" in dock.footer.result.text()
    assert "incomplete" in dock.run.layer.name
    assert dock.run.job.done == {0, 1}
    layer = finish(qtbot, dock)
    assert np.array_equal(layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels)
    assert len(calls) == len(dock.plan) + 1


def test_deleting_the_labels_ends_the_run(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the person deletes the labels layer, the run stops quietly and a new one can begin."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake)
    viewer.layers.remove(dock.run.layer)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)
    assert dock.footer.run.text() == "Run"
    brake.let(1000)
    assert finish(qtbot, dock) in viewer.layers


def test_deleting_image_or_tiling_does_not_end_the_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """The image layer and the tiling can be deleted while the run goes on; it finishes all the same."""
    viewer, dock = opened()
    data, brake = viewer.layers["slide"].data, Brake(monkeypatch)
    begin(qtbot, dock, brake)
    for layer in list(viewer.layers):
        if layer is not dock.run.layer:
            viewer.layers.remove(layer)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert np.array_equal(dock.run.layer.data, ex.segment_whole(data, model).labels)


def test_closing_the_viewer_ends_the_run(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the viewer during a run ends it, and not only once memory is cleaned up; no thread is left."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake)
    gc.disable()
    try:
        viewer.close()
        qtbot.waitUntil(lambda: run.stopped, timeout=20_000)
    finally:
        gc.enable()


def test_probabilities_are_added_when_asked_for(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """With "Keep probabilities" one hidden Image layer per class but the background appears."""
    viewer, dock = opened()
    dock.fields.probabilities.value = True
    finish(qtbot, dock)
    whole = ex.segment_whole(viewer.layers["slide"].data, model)
    for i in (1, 2):
        layer = viewer.layers[f"slide - lively: probability of class {i}"]
        assert np.allclose(layer.data, whole.probabilities[i], atol=1e-6)
        assert not layer.visible


def test_save_writes_the_labels_with_their_pixel_size(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Save... writes what the layer shows, with the pixel size in micrometres, and the footer says saved."""
    _, dock = opened(scale=(500, 250), units=("nm", "nm"))
    layer = finish(qtbot, dock)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    file = open_tiff(tmp_path / "out.ome.tif")
    assert np.array_equal(np.asarray(file.array[:]), layer.data)
    assert file.pixel_size == pytest.approx((0.5, 0.25))


def test_a_save_that_fails_says_so_and_can_be_tried_again(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Saving where there is no folder tells what went wrong and keeps the result."""
    _, dock = opened()
    finish(qtbot, dock)
    dock.save(tmp_path / "nowhere" / "out.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().startswith("Not saved"), timeout=WAIT)
    assert dock.footer.save.isEnabled()


def test_settings_are_remembered_but_an_own_radius_is_not(opened: Any, qtbot: QtBot) -> None:
    """The next dock has the tile size of the last one; an inexact radius must be chosen anew."""
    viewer, dock = opened()
    dock.fields.tile.value = 132
    dock.fields.own_radius.value = True
    again = ExactileDock(viewer)
    assert again.fields.tile.value == 132
    assert not again.fields.automatic.value
    assert not again.fields.own_radius.value
    # A worker that outlives the test would report to a dock that is gone.
    qtbot.waitUntil(lambda: again.footer.reason.text() != "The model is being analysed.", timeout=WAIT)


def test_the_tiling_is_shown_hidden_and_follows_the_dock(opened: Any, qtbot: QtBot) -> None:
    """Zones and context are drawn on the image; the switch and hiding the dock hide them."""
    viewer, dock = opened(show=True)
    qtbot.waitUntil(lambda: "Tiles: zones" in viewer.layers, timeout=WAIT)
    zones = viewer.layers["Tiles: zones"]
    qtbot.waitUntil(lambda: len(zones.data) == len(dock.plan), timeout=WAIT)
    dock.fields.tiling.value = False
    assert not zones.visible
    dock.fields.tiling.value = True
    assert zones.visible
    dock.hide()
    assert not zones.visible


def test_figures_come_before_zones(opened: Any, qtbot: QtBot) -> None:
    """A new tile size changes the figures at once; the zones follow in a later turn of the event loop."""
    viewer, dock = opened(show=True)
    qtbot.waitUntil(lambda: "Tiles: zones" in viewer.layers, timeout=WAIT)
    zones = viewer.layers["Tiles: zones"]
    qtbot.waitUntil(lambda: len(zones.data) == len(dock.plan), timeout=WAIT)
    before = len(dock.plan)
    dock.fields.tile.value = 132
    assert f"{len(dock.plan)} tiles" in dock.fields.zone_note.text()
    assert len(zones.data) == before != len(dock.plan)
    qtbot.waitUntil(lambda: len(zones.data) == len(dock.plan), timeout=WAIT)


def test_closing_the_viewer_during_an_analysis_ends_cleanly(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the window while a model is analysed starts no work, and the late answer reaches nobody."""
    viewer, dock = opened(show=True)
    brake, started = threading.Event(), []
    original = KnownModels._analyse

    def braked(models: KnownModels, name: str, shape: tuple[int, ...]) -> Any:
        started.append(name)
        brake.wait(WAIT / 1000)
        return original(models, name, shape)

    monkeypatch.setattr(KnownModels, "_analyse", braked)
    dock.add_model(lively_model("another"))
    qtbot.waitUntil(lambda: bool(started), timeout=WAIT)
    viewer.close()
    brake.set()
    WorkerBase.await_workers(WAIT)
    qtbot.wait(50)
    assert started == ["another"]
    assert dock.planner.known("another", (200, 150)) is None
