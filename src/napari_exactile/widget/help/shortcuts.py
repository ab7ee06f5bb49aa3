"""The window behind "Shortcuts...": what keys do in the dock."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QDialog, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from napari_exactile.widget.form.facts import button_row, facts_table

IN_DOCK = (
    ("Ctrl+Return", "Run, or continue"),
    ("Tab, Shift+Tab", "The next field, the one before"),
    ("Space", "Press a button, tick a box, open or close a section"),
    ("Up, Down", "Another choice, another number"),
    ("Page Up, Page Down", "Ten times as far"),
    ("Alt+Down", "Open a list, or the menu of a button"),
    ("Escape", "Close a menu or a window"),
)
# What is useful beside the dock, by napari's own names: people can give these other keys.
IN_NAPARI = {
    "napari:toggle_ndisplay": "2D or 3D view",
    "napari:reset_view": "The whole picture",
    "napari:toggle_selected_visibility": "Hide or show the selected layers",
    "napari:toggle_grid": "Layers side by side, or over each other",
}
STYLE = "QTextBrowser { background: transparent; border: none; }"


class ShortcutsDialog(QDialog):
    """Lists keys. It belongs to the GUI thread."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.facts, self._close = QTextBrowser(), QPushButton("Close")
        self.facts.setAccessibleName("Shortcuts")
        self.setWindowTitle("Shortcuts")
        self.setStyleSheet(STYLE)
        self._close.clicked.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.facts, stretch=1)
        layout.addLayout(button_row(self._close))

    def open_beside(self) -> None:
        """Open the window, or bring it to the front."""
        self.facts.setHtml(facts_table((("In the dock", IN_DOCK), ("In napari", napari_keys()))))
        if not self.isVisible():
            self._close.ensurePolished()
            letters = self._close.fontMetrics()
            self.resize(QSize(66 * letters.averageCharWidth(), 27 * letters.lineSpacing()))
        self.show()
        self.raise_()
        self.activateWindow()


def napari_keys() -> list[tuple[str, str]]:
    """Return keys of napari's own, as they are set now, and what they do."""
    known = {str(name): keys for name, keys in get_settings().shortcuts.shortcuts.items()}
    pairs = ((known.get(name, ()), words) for name, words in IN_NAPARI.items())
    return [(", ".join(map(str, keys)), words) for keys, words in pairs if keys]
