"""What we add leaves room for what is the person's: in the list of layers, in a small window, in 3D."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListView, QRadioButton
from torch import nn

import napari_exactile as ex
from docks import WAIT, finish, pixels
from napari_exactile.widget.choose.fields import ALL_PLANES, ONE_PLANE
from napari_exactile.widget.preview.fields import VIEW
from napari_exactile.widget.run.words import progress_words


def listed(viewer: Any) -> list[str]:
    """Return the names in napari's list of layers, from top to bottom."""
    views = viewer.window._qt_window.findChildren(QListView)
    (view,) = [one for one in views if type(one).__name__ == "QtLayerList"]
    rows = range(view.model().rowCount())
    shown = [row for row in rows if not view.isRowHidden(row)]
    return [view.model().index(row, 0).data(Qt.ItemDataRole.UserRole).name for row in shown]


def test_zones_do_not_crowd_the_list(opened: Any, qtbot: QtBot) -> None:
    """Zones, contexts and statuses stay out of the list, also when layers are added, moved and removed."""
    viewer, dock = opened(pixels((200, 150)), show=True)
    dock.fields.all_contexts.value = True
    layer = finish(qtbot, dock)
    assert any(one.name.startswith("Tiles:") for one in viewer.layers)
    assert listed(viewer) == [layer.name, "slide"]
    viewer.add_points([[3, 4]], name="marks")
    viewer.layers.move(viewer.layers.index(layer), 0)
    assert sorted(listed(viewer)) == sorted([layer.name, "slide", "marks"])
    viewer.layers.remove("marks")
    viewer.layers.remove("Tiles: zones")
    dock.fields.tiling.value = False
    dock.fields.tiling.value = True
    assert "Tiles: zones" in viewer.layers
    assert sorted(listed(viewer)) == sorted([layer.name, "slide"])


def test_the_results_of_a_preview_are_listed(opened: Any, qtbot: QtBot) -> None:
    """The pixels that differ, and the difference of scores, are layers that a person may show and hide."""
    viewer, dock = opened(pixels((200, 150)), show=True)
    dock.preview.fields.header.setChecked(True)
    qtbot.waitUntil(lambda: "Preview: pixels that differ" in viewer.layers, timeout=WAIT)
    assert listed(viewer) == ["Preview: pixels that differ", "Preview: score difference", "slide"]


@pytest.mark.parametrize(("height", "floats"), [(700, True), (950, False)])
def test_the_plot_leaves_a_small_window_as_it_is(
    opened: Any, qtbot: QtBot, height: int, floats: bool
) -> None:
    """In a low window the plot is a window of its own; in a high one it lies below the picture."""
    viewer, dock = opened(pixels((200, 150)), show=True)
    window = viewer.window._qt_window
    window.resize(1000, height)
    qtbot.waitUntil(lambda: window.height() == height, timeout=WAIT)
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.plot.native.click()
    qtbot.waitUntil(lambda: dock.preview.plot is not None, timeout=WAIT)
    docked = dock.preview.plot.parentWidget()
    while not hasattr(docked, "isFloating"):
        docked = docked.parentWidget()
    assert docked.isFloating() == floats


def test_a_preview_in_3d_says_what_helps(opened: Any, qtbot: QtBot) -> None:
    """In a 3D view, the preview of what is in sight says to switch to 2D or to look at a seam."""
    viewer, dock = opened(pixels((200, 150)), show=True)
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.where.value = VIEW
    viewer.dims.ndisplay = 3
    result = dock.preview.fields.result
    qtbot.waitUntil(lambda: "switch to 2D" in result.text(), timeout=WAIT)
    assert "look at the nearest seam" in result.text()
    assert "whole image" not in result.text()


def volumes() -> ex.Model:
    torch.manual_seed(4)
    return ex.load_model(nn.Conv3d(1, 3, 3, padding=1).eval(), name="volumes", axes="zyx")


def test_volumes_are_called_volumes(opened: Any, qtbot: QtBot) -> None:
    """Of a movie of volumes, fields, notes and progress say volume; of a stack of planes, plane."""
    _, dock = opened(pixels((2, 6, 60, 50)), plan=False, axis_labels=("t", "z", "y", "x"))
    fields = dock.fields
    dock.add_model(volumes())
    fields.planes.value = ALL_PLANES
    qtbot.waitUntil(lambda: dock.plan is not None and len(dock.plan.radius) == 3, timeout=WAIT)
    names = [button.text() for button in fields.planes.native.findChildren(QRadioButton)]
    assert names == ["Volume in view", "All volumes"]
    assert "2 volumes" in fields.image_note.text()
    assert "in each of 2 volumes" in fields.zone_note.text()
    assert fields.planes.value == ALL_PLANES
    told = list[str]()
    show = dock.footer.show_status
    dock.footer.show_status = lambda status: (told.append(progress_words(status)), show(status))
    finish(qtbot, dock)
    assert any("volume 1 of 2" in words for words in told)
    fields.planes.value = ONE_PLANE
    qtbot.waitUntil(lambda: "volume 0" in fields.image_note.text(), timeout=WAIT)


def test_lines_of_a_box_are_as_wide_along_every_axis(opened: Any, qtbot: QtBot) -> None:
    """Where planes lie far apart, the box of a tile has lines of one width, and lies where its tile does."""
    viewer, dock = opened(
        pixels((20, 60, 50)), plan=False, scale=(8, 0.5, 0.5), units=("um", "um", "um"), show=True
    )
    dock.add_model(volumes())
    dock.fields.tile.value = 34
    qtbot.waitUntil(lambda: dock.plan is not None and len(dock.plan.radius) == 3, timeout=WAIT)
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: "Tiles: box" in viewer.layers, timeout=WAIT)
    qtbot.waitUntil(lambda: viewer.layers["Tiles: box"].nshapes > 0, timeout=WAIT)
    box = viewer.layers["Tiles: box"]
    assert np.allclose(box.scale, 0.5)
    corners = np.array([box.data_to_world(point) for line in box.data for point in line])
    extent = viewer.layers["slide"].extent.world
    assert (corners.min(axis=0) >= extent[0] - 8).all()
    assert (corners.max(axis=0) <= extent[1] + 8).all()
    assert corners[:, 0].max() > 20
