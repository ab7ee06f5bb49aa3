"""Edits are not lost without a question, and nobody paints on what is about to be overwritten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QMessageBox
from torch import nn

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, pixels, words
from edits import EDITED
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.store.report_file import report_of
from napari_exactile.widget.choose.fields import ON_DISK

Open = Callable[..., Any]


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


def test_a_saved_file_names_the_threshold(opened: Open, qtbot: QtBot, tmp_path: Path) -> None:
    """A TIFF says by which threshold its labels came about: the one that was chosen last."""
    dock, _layer = thresholded(opened, qtbot)
    dock.fields.threshold.value = 0.8
    qtbot.waitUntil(lambda: dock.run.labels.threshold.value == 0.8, timeout=WAIT)
    qtbot.waitUntil(lambda: words(dock).startswith("Done: exact"), timeout=WAIT)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: words(dock).endswith("- saved"), timeout=WAIT)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert "threshold 0.8" in str(file.ome_metadata)


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
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake, tiles=3)
    dock.cancel()
    brake.let(1000)
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
