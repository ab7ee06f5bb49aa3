"""Labels that somebody has painted on are never called exact, and edits are not lost without a question."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Labels
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QMessageBox
from torch import nn

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, lively_model, pixels
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.edited import fingerprint
from napari_exactile.run.engine.rethreshold import rethreshold
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.report_file import report_of
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.words.summary import description
from napari_exactile.widget.choose.fields import ALL_PLANES, ON_DISK

Open = Callable[..., Any]
EDITED = "edited by hand since"


def words(dock: Any) -> str:
    return dock.footer.result.text().replace("\u200b", "").replace("\u00a0", " ")


def said(dock: Any) -> str:
    """All that the report says."""
    return dock.result.dialog.facts.toPlainText().replace("\u200b", "").replace("\u00a0", " ")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The buttons that a person presses in the questions to come; the questions are added behind."""
    given: list[str] = []

    def ask(box: QMessageBox) -> int:
        wanted = given.pop(0)
        button = next(one for one in box.buttons() if one.text() == wanted)
        given.append(f"{box.text()} {box.informativeText()}")
        button.click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", ask)
    return given


def paint(layer: Labels) -> None:
    layer.brush_size = 9
    layer.paint((*(0,) * (layer.ndim - 2), 20, 30), 2)


def fill(layer: Labels) -> None:
    layer.fill((*(0,) * (layer.ndim - 2), 20, 30), 2 if layer.data[..., 20, 30].max() != 2 else 1)


def erase(layer: Labels) -> None:
    layer.brush_size = 60
    layer.paint((60, 60), 0)


def polygon(layer: Labels) -> None:
    layer.paint_polygon([(10, 10), (10, 60), (60, 60)], 1)


def set_item(layer: Labels) -> None:
    layer.data_setitem((np.array([3, 4]), np.array([5, 6])), 1 + (layer.data[3, 5] == 1))


def by_script(layer: Labels) -> None:
    layer.data[10:40, 10:40] = 1
    layer.refresh()


def other_array(layer: Labels) -> None:
    layer.data = np.where(layer.data == 1, 2, layer.data)


@pytest.mark.parametrize("edit", [paint, fill, erase, polygon, set_item, by_script, other_array])
def test_edits_are_noticed_and_saved_as_what_they_are(
    opened: Open, qtbot: QtBot, tmp_path: Path, edit: Callable[[Labels], None]
) -> None:
    """However labels are edited: dock, layer, report and file say so, none says exact; the file has them."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    before = layer.data.copy()
    assert words(dock).startswith("Done: exact")
    assert layer.metadata["exactile"]["exact"]
    edit(layer)
    assert (layer.data != before).any()
    qtbot.waitUntil(lambda: EDITED in words(dock), timeout=WAIT)
    assert words(dock) == f"Done, {EDITED} - unsaved"
    assert layer.metadata["exactile"]["edited"]
    assert not layer.metadata["exactile"]["exact"]
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).endswith("- saved"), timeout=WAIT)
    assert words(dock) == f"Done, {EDITED} - saved"
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert EDITED in file.ome_metadata
        assert "exact:" not in file.ome_metadata
        np.testing.assert_array_equal(file.asarray(), layer.data)
    dock.footer.report.click()
    qtbot.waitUntil(dock.result.dialog.isVisible, timeout=WAIT)
    assert EDITED in said(dock)
    assert "exact: the labels" not in said(dock)
    assert not dock.result.dialog._report["exact"]


def test_what_no_event_tells_of_is_found_when_it_matters(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """A script that changes the array alone is noticed by Save and by Report."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    layer.data[10:20, 10:20] ^= 1
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    assert words(dock) == f"Done, {EDITED} - saved"
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert EDITED in file.ome_metadata
    layer.data[10:20, 10:20] ^= 1
    dock.footer.report.click()
    qtbot.waitUntil(dock.result.dialog.isVisible, timeout=WAIT)
    assert EDITED not in said(dock)


def test_what_is_undone_is_exact_again(opened: Open, qtbot: QtBot) -> None:
    """Undone, the labels are those of one pass; redone, they are not. Saved is what was saved."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    exact = words(dock)
    paint(layer)
    assert EDITED in words(dock), "a stroke is noticed at once"
    layer.undo()
    qtbot.waitUntil(lambda: words(dock) == exact, timeout=WAIT)
    assert layer.metadata["exactile"]["exact"]
    layer.redo()
    qtbot.waitUntil(lambda: EDITED in words(dock), timeout=WAIT)


def test_painting_on_makes_it_unsaved(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """What was saved with its edits is unsaved again after the next ones."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    paint(layer)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).endswith("- saved"), timeout=WAIT)
    erase(layer)
    qtbot.waitUntil(lambda: words(dock) == f"Done, {EDITED} - unsaved", timeout=WAIT)


def test_labels_of_an_earlier_run_are_their_own(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Painted on during the next run or after it, they are edited, and nothing is said of the next."""
    _viewer, dock = opened()
    earlier = finish(qtbot, dock)
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake, tiles=1)
    before = words(dock)
    paint(earlier)
    qtbot.wait(600)
    assert words(dock) == before
    assert not dock.footer.save.isVisibleTo(dock)
    assert (earlier.metadata["exactile"]["exact"], earlier.metadata["exactile"]["edited"]) == (False, True)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    exact = words(dock)
    assert exact.startswith("Done: exact")
    earlier.undo()
    paint(earlier)
    qtbot.wait(600)
    assert words(dock) == exact
    assert run.layer.metadata["exactile"]["exact"]


def test_labels_outlive_the_dock(opened: Open, qtbot: QtBot) -> None:
    """Painted on when the dock is closed, they no longer say that they are exact."""
    viewer, dock = opened()
    layer = finish(qtbot, dock)
    viewer.window.remove_dock_widget(dock)
    qtbot.wait(100)
    assert layer.metadata["exactile"]["exact"]
    paint(layer)
    assert (layer.metadata["exactile"]["exact"], layer.metadata["exactile"]["edited"]) == (False, True)


def test_a_window_that_is_closed_hears_nothing(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is asked and written when napari closes is answered to nobody, and leaves no half file."""
    from napari_exactile.images.store import tiff

    viewer, dock = opened()
    layer = finish(qtbot, dock)
    held, original, run = threading.Event(), tiff._filled, dock.run
    monkeypatch.setattr(tiff, "_filled", lambda part: (held.wait(WAIT / 1000), original(part))[1])
    dock.save(tmp_path / "out.ome.tif")
    dock.footer.report.click()
    paint(layer)
    viewer.close()
    qtbot.wait(300)
    held.set()
    WorkerBase.await_workers(WAIT)
    qtbot.wait(300)
    assert not run.status.saved
    assert not list(tmp_path.glob("*.tif*"))


def test_nothing_is_edited_by_looking(opened: Open, qtbot: QtBot) -> None:
    """Moving, zooming, hiding and 3D are no edits."""
    viewer, dock = opened(pixels((3, 120, 110)), tile=92)
    dock.fields.planes.value = ALL_PLANES
    layer = finish(qtbot, dock)
    exact = words(dock)
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom *= 2
    layer.visible = False
    layer.visible = True
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2
    layer.refresh()
    qtbot.wait(1000)
    assert words(dock) == exact
    paint(layer)
    assert EDITED in words(dock)


def test_labels_that_are_edited_while_they_are_written_are_not_saved(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that begins to say exact never gets edits: there is none, and the footer says what to do."""
    from napari_exactile.images.store import tiff

    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    original = tiff._LevelTiles.of

    def of(tiles: Any, level: int) -> Any:
        layer.data[:9, :9] ^= 1
        return original(tiles, level)

    monkeypatch.setattr(tiff._LevelTiles, "of", of)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).startswith("Not saved: the labels were edited while"), timeout=WAIT)
    assert not list(tmp_path.glob("*.tif*"))


def yes_or_no() -> ex.Model:
    import torch

    torch.manual_seed(4)
    return ex.load_model(nn.Conv2d(1, 1, 3, padding=1).eval(), name="yes", title="yes", kind="threshold")


def thresholded(opened: Open, qtbot: QtBot) -> tuple[Any, Labels]:
    _viewer, dock = opened(pixels((90, 80)), plan=False)
    dock.add_model(yes_or_no())
    dock.fields.probabilities.value = True
    qtbot.waitUntil(
        lambda: dock.plan is not None and dock.fields.threshold_row.isVisibleTo(dock), timeout=WAIT
    )
    return dock, finish(qtbot, dock)


def test_another_threshold_asks_before_edits_are_lost(opened: Open, qtbot: QtBot, answer: list[str]) -> None:
    """Kept, labels and threshold stay; otherwise the labels are exactly those of the new threshold."""
    dock, layer = thresholded(opened, qtbot)
    field, own = dock.fields.threshold, dock.run.labels.threshold.value
    layer.brush_size = 20
    layer.paint((30, 30), 1 - int(layer.data[30, 30]))
    painted = layer.data.copy()
    answer.append("Keep the edits")
    field.value = 0.6
    qtbot.waitUntil(lambda: field.value == own, timeout=WAIT)
    qtbot.wait(500)
    assert len(answer) == 1
    assert "edited by hand" in answer.pop()
    np.testing.assert_array_equal(layer.data, painted)
    assert EDITED in words(dock)
    answer.append("Label anew")
    field.value = 0.6
    expected = ex.segment(dock.viewer.layers["slide"].data, yes_or_no(), threshold=0.6)
    qtbot.waitUntil(lambda: np.array_equal(layer.data, expected.labels), timeout=WAIT)
    qtbot.waitUntil(lambda: words(dock).startswith("Done: exact"), timeout=WAIT)
    assert field.value == 0.6
    assert len(answer) == 1
    report = dock.run.series.report()
    assert (report.exact, report.near_ties) == (True, expected.report.near_ties)
    assert report_of(dock.run.series)["output"]["threshold"] == 0.6
    field.value = 0.7
    qtbot.waitUntil(lambda: dock.run.labels.threshold.value == 0.7, timeout=WAIT)
    assert len(answer) == 1, "nothing is asked where nothing can be lost"
    qtbot.waitUntil(lambda: layer.editable, timeout=WAIT)
    expected = ex.segment(dock.viewer.layers["slide"].data, yes_or_no(), threshold=0.7)
    layer.undo()
    np.testing.assert_array_equal(layer.data, expected.labels, "edits do not come back")


def test_labels_are_locked_while_a_threshold_is_applied(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody paints on what is about to be written, and where that fails, people can paint again."""
    from napari_exactile.run.engine import rethreshold as module

    dock, layer = thresholded(opened, qtbot)
    held, original = threading.Event(), module.rethreshold

    def slow(series: Series, threshold: float) -> None:
        held.wait(WAIT / 1000)
        if threshold == 0.8:
            raise OSError("no memory")
        original(series, threshold)

    monkeypatch.setattr(module, "rethreshold", slow)
    for threshold in (0.6, 0.8):
        held.clear()
        dock.fields.threshold.value = threshold
        qtbot.waitUntil(lambda: not layer.editable, timeout=WAIT)
        held.set()
        qtbot.waitUntil(lambda: layer.editable, timeout=WAIT)
    assert dock.run.labels.threshold.value == dock.run.job.task.decision.threshold == 0.6


@pytest.mark.parametrize("where", ["done", "left", "swapped"])
def test_continue_asks_before_edits_are_lost(
    opened: Open,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    model: ex.Model,
    answer: list[str],
    where: str,
) -> None:
    """Edits of finished tiles stay and are told at the end; others are overwritten, and the rest is exact."""
    viewer, dock = opened(pixels((300, 400)))
    with pytest.MonkeyPatch.context() as patch:
        brake = Brake(patch)
        run = begin(qtbot, dock, brake, tiles=3)
        dock.cancel()
        brake.let(1)
        qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    layer, whole = run.layer, ex.segment_whole(viewer.layers["slide"].data, model).labels
    assert layer.editable
    done = np.argwhere(layer.data != run.job.task.unfinished)[0]
    left = np.argwhere(layer.data == run.job.task.unfinished)[-1]
    if where == "swapped":
        layer.data = layer.data.copy()
    else:
        y, x = done if where == "done" else left
        layer.data[y, x] = (whole[y, x] + 1) % 3
        layer.refresh()
    qtbot.waitUntil(lambda: EDITED in words(dock), timeout=WAIT)
    assert words(dock).startswith("Incomplete: ")
    answer.append("Keep the edits")
    dock.start()
    assert not dock.running
    assert "edits there are lost" in answer.pop()
    answer.append("Continue")
    dock.start()
    assert dock.running
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.run is run
    assert run.series.complete
    if where == "done":
        assert words(dock) == f"Done, {EDITED} - unsaved"
        assert (layer.data != whole).sum() == 1
    else:
        assert words(dock).startswith("Done: exact")
        np.testing.assert_array_equal(layer.data, whole)
    assert np.shares_memory(layer.data, run.series.labels)


def test_labels_that_are_swapped_during_a_run_are_not_its_own(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the layer shows at the end is not what was computed, and nothing says that it is."""
    _viewer, dock = opened()
    brake = Brake(monkeypatch)
    layer = begin(qtbot, dock, brake, tiles=2).layer
    layer.data = np.ones_like(layer.data)
    assert not layer.editable
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert words(dock) == f"Done, {EDITED} - unsaved"
    assert not layer.metadata["exactile"]["exact"]
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.ome.tif"), layer.data)


def test_labels_are_locked_while_they_are_computed_and_on_disk(
    opened: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also after 3D, which makes napari unlock layers: what is painted would be overwritten, or not saved."""
    viewer, dock = opened()

    def turn() -> None:
        viewer.dims.ndisplay = 3
        viewer.dims.ndisplay = 2

    with pytest.MonkeyPatch.context() as patch:
        brake = Brake(patch)
        run = begin(qtbot, dock, brake, tiles=2)
        turn()
        assert not run.layer.editable
        brake.let(1000)
        qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert run.layer.editable
    turn()
    assert run.layer.editable
    path = tmp_path / "labels.ome.zarr"
    dock._chooser.output.path = path
    dock.fields.output.value = ON_DISK
    layer = finish(qtbot, dock)
    assert not layer.multiscale, "such could not be painted on anyway"
    turn()
    assert not layer.editable
    np.testing.assert_array_equal(layer.data, zarr.open_group(path)["0"][...])


def test_of_a_stack_and_of_channels_every_layer_is_watched(opened: Open, qtbot: QtBot) -> None:
    """Painting on one of several layers, or on one plane of several, edits the result."""
    import torch

    torch.manual_seed(1)
    net = nn.Conv2d(1, 3, 3, padding=1).eval()
    many = ex.load_model(net, name="many", title="many", kind="threshold", classes=("a", "b", "c"))
    _viewer, dock = opened(pixels((4, 60, 50)), plan=False)
    dock.add_model(many)
    dock.fields.planes.value = ALL_PLANES
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    finish(qtbot, dock)
    layers = dock.run.labels.layers
    assert len(layers) == 3
    paint_on = layers[1]
    paint_on.brush_size = 11
    paint_on.paint((3, 20, 30), 1 - int(paint_on.data[3, 20, 30]))
    assert words(dock).startswith(f"Done, {EDITED}")
    assert all(layer.metadata["exactile"]["edited"] for layer in layers)
    paint_on.undo()
    qtbot.waitUntil(lambda: words(dock).startswith("Done: exact"), timeout=WAIT)


def test_other_planes_and_channels_are_watched(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """A plane that was not segmented is in the file; along the channels, the same labels are shown again."""
    viewer, dock = opened(pixels((3, 90, 80)))
    layer = finish(qtbot, dock)
    viewer.dims.set_current_step(0, 2)
    layer.paint((2, 20, 20), 1)
    qtbot.wait(800)
    assert EDITED in words(dock)
    dock.save(tmp_path / "a.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert EDITED in file.ome_metadata
        np.testing.assert_array_equal(file.asarray(), layer.data)
    viewer, dock = opened(pixels((2, 90, 80)), plan=False)
    dock.add_model(lively_model("two", channels=2))
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    layer = finish(qtbot, dock)
    for data in (None, np.ones((2, 90, 80), int)):
        if data is None:
            layer.paint((0, 20, 20), 1 + int(layer.data[0, 20, 20] == 1))
        else:
            layer.data = data
        qtbot.wait(800)
        assert EDITED in words(dock)
        dock.save(tmp_path / "b.ome.tif")
        qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
        with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
            assert EDITED in file.ome_metadata
            np.testing.assert_array_equal(file.asarray(), layer.data[1])


def test_inexact_labels_that_are_edited_are_both(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """Neither the small context nor the edits are forgotten."""
    _viewer, dock = opened()
    dock.fields.own_radius.value = True
    dock.fields.radius.value = 8
    qtbot.waitUntil(lambda: dock.plan is not None and not dock.plan.exact, timeout=WAIT)
    paint(finish(qtbot, dock))
    assert words(dock).startswith("Done: INEXACT (context 8 px, needed 24), edited by hand since, ")
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert f"{EDITED}, so no longer" in file.ome_metadata
        assert "before that, INEXACT: the radius is 8 px" in file.ome_metadata


def test_what_was_found_is_of_other_labels_then(opened: Open, qtbot: QtBot) -> None:
    """After an edit, scores are taken back and objects are called those of before; both can be had anew."""
    viewer, dock = opened()
    layer = finish(qtbot, dock)
    objects, agreement = dock.results.objects, dock.results.agreement
    viewer.add_labels(layer.data.copy(), name="by hand")
    for edit in (paint, other_array):
        objects.find()
        agreement.compare()
        qtbot.waitUntil(lambda: agreement.agreement is not None and not objects.finding, timeout=WAIT)
        expected = ex.find_objects(layer.data, classes=("a", "b", "c")).labels
        np.testing.assert_array_equal(objects.layer.data, expected)
        assert (agreement.agreement.dice == 1) == (edit is paint)
        assert "edited" not in objects.fields.words.text()
        edit(layer)
        qtbot.waitUntil(lambda: agreement.agreement is None, timeout=WAIT)
        assert objects.fields.words.text() == "The labels were edited since: find their objects again."
    objects.find()
    qtbot.waitUntil(lambda: not objects.finding, timeout=WAIT)
    expected = ex.find_objects(layer.data, classes=("a", "b", "c")).labels
    np.testing.assert_array_equal(objects.layer.data, expected)
    layer.data = np.zeros((9, 9), np.uint8)
    assert objects.fields.words.text().startswith("'slide - lively' shows other labels now")
    assert not objects.fields.find.enabled


def test_labels_of_a_script_are_saved_in_a_type_that_holds_them(
    opened: Open, qtbot: QtBot, tmp_path: Path
) -> None:
    """Negative and large labels keep their values."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    for name, extremes in (("a", (-5, 3)), ("b", (-1, 300)), ("c", (0, 70000))):
        data = np.zeros(layer.data.shape, np.int64)
        data[0, :2] = extremes
        layer.data = data
        dock.save(tmp_path / f"{name}.ome.tif")
        qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
        saved = tifffile.imread(tmp_path / f"{name}.ome.tif")
        np.testing.assert_array_equal(saved, data)
        assert saved.dtype.itemsize <= 4


def test_other_labels_of_another_size_are_not_saved_as_the_runs(
    opened: Open, qtbot: QtBot, tmp_path: Path
) -> None:
    """Where the layer shows something that is no result of this image, the footer says who can save it."""
    _viewer, dock = opened()
    layer = finish(qtbot, dock)
    layer.data = np.zeros((9, 9), np.uint8)
    qtbot.waitUntil(lambda: EDITED in words(dock), timeout=WAIT)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).startswith("Not saved: 'slide - lively' shows other"), timeout=WAIT)
    assert not list(tmp_path.glob("*.tif*"))


def ran(settings: Settings, model: ex.Model, image: np.ndarray) -> Series:
    series = Series(make_task(image, model, settings))
    for _ in series.run():
        pass
    return series


def test_the_fingerprint_knows_what_is_done(model: ex.Model) -> None:
    """It is None before there are labels, and tells edits of finished tiles from those of others."""
    image = pixels((100, 150))
    series = Series(make_task(image, lively_model("other"), Settings(tile=92)))
    assert fingerprint(series) is None
    for event in series.run(Control(is_cancelled=lambda: series.done >= 2)):
        del event
    assert 0 < series.done < series.task.tiles
    before = fingerprint(series)
    assert fingerprint(series) == before
    done = np.argwhere(series.labels != series.task.unfinished)[0]
    left = np.argwhere(series.labels == series.task.unfinished)[0]
    for place, name, same in ((done, "done", "rest"), (left, "rest", "done")):
        value = series.labels[tuple(place)]
        series.labels[tuple(place)] = 1 + (value == 1)
        assert getattr(fingerprint(series), name) != getattr(before, name)
        assert getattr(fingerprint(series), same) == getattr(before, same)
        series.labels[tuple(place)] = value
    assert fingerprint(series) == before


def test_words_of_edited_labels(model: ex.Model) -> None:
    """Report and description say that they were edited; incomplete ones are still incomplete."""
    series = ran(Settings(tile=92), model, pixels((100, 152)))
    assert description(series.report()) == "exact: the labels of one pass over the whole image"
    series.edited = True
    report = series.report()
    assert not report.exact
    assert description(report) == f"{EDITED}, so no longer the labels of one pass over the whole image"
    partly = replace(report, tiles_done=1)
    assert description(partly).startswith(f"INCOMPLETE: 1 of {report.tiles} tiles done; these are {EDITED}")
    found = report_of(series)
    assert (found["exact"], found["edited"]) == (False, True)
    series.edited = False
    assert "edited" not in report_of(series)


def test_another_threshold_needs_probabilities(model: ex.Model) -> None:
    """Without them, it is refused in a sentence."""
    series = ran(Settings(tile=92), model, pixels((100, 150)))
    with pytest.raises(ValueError, match="only where probabilities were kept"):
        rethreshold(series, 0.7)
