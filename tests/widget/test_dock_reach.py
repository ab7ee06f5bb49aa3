"""The dock without a mouse and without seeing it: every part is reached, has a name, and shows the focus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from napari import Viewer
from napari.qt.threading import WorkerBase
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QShortcut
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QTextEdit,
    QWidget,
)

from dock_parts import contrast, cut_off, luminance, parts
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.help.menu import SHORTCUTS
from napari_exactile.widget.help.shortcuts import IN_DOCK, napari_keys

WAIT = 60_000
KINDS = (
    QAbstractButton, QComboBox, QAbstractSpinBox, QAbstractSlider, QLineEdit, QTextEdit, QPlainTextEdit,
    QAbstractItemView,
)  # fmt: skip


@pytest.fixture
def opened(make_napari_viewer: Callable[..., Viewer], qtbot: QtBot) -> Iterator[Callable[..., ExactileDock]]:
    """A function that opens a small window with the dock as wide as it wants to be, all sections open."""
    appearance = get_settings().appearance
    before = appearance.font_size, appearance.theme

    def open_dock(size: int = 9, theme: str = "dark") -> ExactileDock:
        appearance.font_size, appearance.theme = size, theme
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1000, 700)
        dock = ExactileDock(viewer, remembers=False)
        viewer.window.add_dock_widget(dock)
        dock.fields.sample.native.click()
        qtbot.waitUntil(lambda: "colonies 512" in viewer.layers, timeout=WAIT)
        dock.fields.image.value = viewer.layers["colonies 512"]
        dock.fields.automatic.value, dock.fields.tile.value = False, 208
        for header in (dock.fields.advanced, dock.preview.fields.header):
            header.setChecked(True)
        dock.results.fields.objects_header.setChecked(True)
        dock.results.fields.agreement_header.setChecked(True)
        qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
        return dock

    yield open_dock
    appearance.font_size, appearance.theme = before
    WorkerBase.await_workers(WAIT)


def reachable(window: QWidget) -> list[Any]:
    """Return what can have the focus by Tab in a window; what fields are made of is left out."""
    composed = QComboBox | QAbstractSpinBox | QScrollArea | QHeaderView
    found = [part for kind in KINDS for part in window.findChildren(kind)]
    return [
        part
        for part in found
        if part.isVisibleTo(window)
        and part.isEnabled()
        and part.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not isinstance(part.parent(), composed)
    ]


def test_every_part_has_a_name_for_screen_readers(opened: Any, qtbot: QtBot) -> None:
    """Whatever can have the focus, in the dock and its windows, is called by a word."""
    dock = opened()
    qtbot.waitUntil(lambda: dock.fields.details.enabled, timeout=WAIT)
    dock.details.open()
    qtbot.waitUntil(dock.details.copy.isEnabled, timeout=WAIT)
    windows = dock, dock.details, dock.help.shortcuts, dock.help.dialog, dock.result.dialog
    for window in (*windows, dock.results.objects.dialog):
        seen = reachable(window)
        assert seen, window
        silent = [part for part in seen if not any(map(str.isalpha, name_of(part)))]
        assert not silent, [(type(part).__name__, part.toolTip()) for part in silent]


def name_of(part: Any) -> str:
    """Return what Qt tells screen readers: a name that was given, or the words on a button."""
    words = part.text() if isinstance(part, QAbstractButton) else ""
    return str(part.accessibleName() or words)


def test_no_table_keeps_the_focus(opened: Any) -> None:
    """Tab leaves every table: it does not go from cell to cell."""
    dock = opened()
    tables = dock.findChildren(QAbstractItemView)
    assert not [table.accessibleName() for table in tables if table.tabKeyNavigation()]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_focus_is_seen(opened: Any, qtbot: QtBot, theme: str) -> None:
    """Whatever gets the focus by Tab changes where it shows it, by a contrast of at least 3 to 1."""
    dock = opened(12, theme)
    dock.window().activateWindow()
    qtbot.waitUntil(dock.window().isActiveWindow, timeout=WAIT)
    area = dock.findChild(QScrollArea)
    for part in reachable(dock):
        area.ensureWidgetVisible(part)
        dock.fields.help.setFocus() if part is not dock.fields.help else dock.footer.run.setFocus()
        QApplication.processEvents()
        before = part.grab().toImage()
        part.setFocus(Qt.FocusReason.TabFocusReason)
        qtbot.waitUntil(
            lambda part=part: QApplication.focusWidget() in {part, part.focusProxy()}, timeout=WAIT
        )
        QApplication.processEvents()
        assert changed(before, part.grab().toImage()) > 20, (type(part).__name__, name_of(part))


def changed(before: QImage, after: QImage) -> int:
    """Return how many pixels are brighter or darker than before by a contrast of 3 to 1."""
    assert before.size() == after.size(), "nothing moves"
    count = 0
    for x in range(before.width()):
        for y in range(before.height()):
            shades = sorted(luminance(image.pixelColor(x, y)) for image in (before, after))
            count += (shades[1] + 0.05) / (shades[0] + 0.05) >= 3
    return count


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_all_words_stand_out(opened: Any, theme: str) -> None:
    """What is said, and what can be pressed, has a contrast of at least 4.5 to 1."""
    dock = opened(9, theme)
    dock.footer.show_result("Done: exact, 0 near-ties - unsaved", can_save=True, can_copy=True)
    QApplication.processEvents()
    seen = [*parts(dock, QLabel), *parts(dock, QAbstractButton), *parts(dock, QComboBox)]
    said = [part for part in seen if part.isEnabled() and words_of(part).strip()]
    dull = [part for part in said if contrast(part) < 4.5]
    assert not dull, [words_of(part) for part in dull]


def words_of(part: Any) -> str:
    return str(part.currentText() if isinstance(part, QComboBox) else part.text())


@pytest.mark.parametrize("size", [9, 14, 18])
def test_the_dock_is_as_wide_as_its_letters_want(opened: Any, qtbot: QtBot, size: int) -> None:
    """In a window of 1000 x 700, nothing is cut off at the right, no plus and no arrow."""
    dock = opened(size)
    area = dock.findChild(QScrollArea)
    qtbot.waitUntil(lambda: area.widget().width() <= area.viewport().width(), timeout=WAIT)
    qtbot.waitUntil(lambda: not cut_off(dock), timeout=WAIT)
    assert dock.rect().right() <= dock.parentWidget().rect().right()


def test_help_lists_the_keys(opened: Any) -> None:
    """Every key of the dock stands in the list, beside napari's as they are set now."""
    dock = opened()
    keys = [key for name, _words in IN_DOCK for key in name.split(", ")]
    for shortcut in dock.findChildren(QShortcut):
        assert shortcut.key().toString() in keys
    next(one for one in dock.fields.help.menu().actions() if one.text() == SHORTCUTS).trigger()
    assert dock.help.shortcuts.isVisible()
    text = dock.help.shortcuts.facts.toPlainText().replace("\u00a0", " ")
    assert "Ctrl+Return" in text
    assert len(napari_keys()) > 2
    for key, words in napari_keys():
        assert key in text
        assert words in text
