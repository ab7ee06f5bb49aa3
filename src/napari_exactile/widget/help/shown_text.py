"""A window with a text that lies on the clipboard, to be read before it is used or sent to somebody."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QDialog, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_exactile.widget.form.facts import button_row
from napari_exactile.widget.form.form import Note


class ShownText(QDialog):
    """Shows a text and some words below it, in a window called `title`. It belongs to the GUI thread."""

    def __init__(self, parent: QWidget, title: str, wraps: bool = False) -> None:
        super().__init__(parent)
        self.text, self.words = QPlainTextEdit(), Note()
        self.text.setReadOnly(True)
        modes = QPlainTextEdit.LineWrapMode
        self.text.setLineWrapMode(modes.WidgetWidth if wraps else modes.NoWrap)
        self.text.setAccessibleName(title)
        self._close = QPushButton("Close")
        self._close.clicked.connect(self.close)
        self.setWindowTitle(title)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text, stretch=1)
        layout.addWidget(self.words)
        layout.addLayout(button_row(self._close))

    def show_text(self, text: str, words: str, warning: bool = False) -> None:
        """Show a text from now on, in front, in the room that it needs."""
        self.text.setPlainText(text)
        self.words.say(words, warning)
        if not self.isVisible():
            self._fit_letters(len(text.splitlines()))
        self.show()
        self.raise_()
        self.activateWindow()

    def _fit_letters(self, lines: int) -> None:
        """Take letters of one width in napari's size, and the room that the lines need on the screen."""
        self._close.ensurePolished()
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSizeF(self._close.font().pointSizeF())
        self.text.setFont(font)
        letters, screen = self._close.fontMetrics(), self.screen().availableSize()
        wanted = QSize(100 * letters.averageCharWidth(), (max(9, min(lines, 29)) + 7) * letters.lineSpacing())
        self.resize(wanted.boundedTo(screen * 0.9))
