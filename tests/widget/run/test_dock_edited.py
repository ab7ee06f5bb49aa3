"""Labels that somebody has painted on are never called exact, whichever of them, whenever and however."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, pixels, words
from edits import EDITED, other_array, paint
from napari_exactile.widget.choose.fields import ALL_PLANES

Open = Callable[..., Any]


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
