"""The cursor waits while the window cannot answer, and never longer."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from docks import WAIT, finish
from napari_exactile.widget.work.busy import busy


def waits() -> bool:
    cursor = QApplication.overrideCursor()
    return cursor is not None and cursor.shape() == Qt.CursorShape.WaitCursor


def test_it_ends_with_what_takes_long(qtbot: QtBot) -> None:
    """It is there in the block, in one within another too, and gone once all is painted."""
    with busy():
        assert waits()
        with busy():
            assert waits()
        qtbot.wait(50)
        assert waits()
    qtbot.waitUntil(lambda: not waits(), timeout=5000)


def test_it_ends_where_something_fails(qtbot: QtBot) -> None:
    """An error goes on its way, and the cursor is as before."""
    with pytest.raises(ValueError, match="no layer"), busy():
        raise ValueError("no layer")
    qtbot.waitUntil(lambda: not waits(), timeout=5000)


def test_layers_are_added_under_it(opened: Any, qtbot: QtBot) -> None:
    """Layers that come with the sample, the zones, a run, a preview and objects come while it is shown."""
    viewer, dock = opened("nothing", tile=None, plan=False, show=True)
    added = dict[str, bool]()
    viewer.layers.events.inserted.connect(lambda event: added.update({event.value.name: waits()}))
    dock.fields.sample.native.click()
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    dock.fields.automatic.value = False
    dock.fields.tile.value = 256
    dock.preview.fields.header.setChecked(True)
    qtbot.waitUntil(lambda: "Preview: pixels that differ" in viewer.layers, timeout=WAIT)
    dock.preview.fields.header.setChecked(False)
    finish(qtbot, dock)
    dock.results.objects.find()
    qtbot.waitUntil(lambda: not dock.results.objects.finding, timeout=WAIT)
    assert len(added) >= 8
    assert all(added.values()), added
    qtbot.waitUntil(lambda: not waits(), timeout=5000)
