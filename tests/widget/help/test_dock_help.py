"""The menu "?" of the dock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication

from docks import WAIT, finish, pixels, to_disk
from napari_exactile.widget.help.menu import COPY


def copied(qtbot: QtBot, dock: Any) -> str:
    """Choose *Copy diagnostics* as a person does; return what lies on the clipboard then."""
    QApplication.clipboard().clear()
    (action,) = [action for action in dock.fields.help.menu().actions() if action.text() == COPY]
    action.trigger()
    qtbot.waitUntil(lambda: bool(dock.help.dialog.text.toPlainText()), timeout=WAIT)
    return QApplication.clipboard().text()


def test_diagnostics_tell_plan_window_and_run(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """What is copied tells versions, machine, window, plan and the last run, and is shown as it is."""
    _viewer, dock = opened(pixels((200, 150)), show=True)
    before = copied(qtbot, dock)
    assert "92 px" in before.partition("Plan")[2]
    assert before.partition("Last report")[2].split() == ["none", "yet"]
    assert "OpenGL" in before
    assert "Image, 200 x 150, uint16" in before
    dock.help.dialog.text.clear()
    finish(qtbot, dock)
    after = copied(qtbot, dock)
    assert "complete, exact" in after
    assert dock.help.dialog.text.toPlainText() == after
    assert "no person, folder or file" in dock.help.dialog.words.text()


def test_diagnostics_name_nobody(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Names of layers, models, classes and places on disk do not appear."""
    viewer, dock = opened(pixels((200, 150)))
    viewer.layers["slide"].name = "O'Doe, patient 17"
    viewer.add_points([[3, 4]], name="doe's marks")
    (tmp_path / "doe").mkdir()
    to_disk(dock, tmp_path / "doe" / "labels of doe.ome.zarr")
    finish(qtbot, dock)
    text = copied(qtbot, dock)
    assert "complete, exact" in text
    assert "Points, 1 x 2" in text
    assert not [name for name in ("doe", "patient", "lively", str(tmp_path)) if name in text.lower()]
