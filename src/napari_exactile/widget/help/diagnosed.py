"""The window behind "Copy diagnostics": what was copied, to be read before it is sent to somebody."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QApplication, QDialog, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_exactile.widget.form.facts import button_row
from napari_exactile.widget.form.form import Note

COPIED = "Copied as text, to be sent to those whom you ask for help. It names no person, folder or file."


class DiagnosticsDialog(QDialog):
    """Shows a text that lies on the clipboard. All methods belong to the GUI thread."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.text, self.words = QPlainTextEdit(), Note()
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("Diagnostics")
        self._close = QPushButton("Close")
        self._close.clicked.connect(self.close)
        self.setWindowTitle("Diagnostics")
        layout = QVBoxLayout(self)
        layout.addWidget(self.text, stretch=1)
        layout.addWidget(self.words)
        layout.addLayout(button_row(self._close))

    def show_copied(self, text: str) -> None:
        """Put a text on the clipboard, and show it."""
        QApplication.clipboard().setText(text)
        self._open(text, COPIED)

    def show_failed(self, error: Exception) -> None:
        """Say why there is nothing to copy."""
        self._open("", f"Nothing was copied: {error}")

    def _open(self, text: str, words: str) -> None:
        self.text.setPlainText(text)
        self.words.say(words)
        if not self.isVisible():
            self._fit_letters()
        self.show()
        self.raise_()
        self.activateWindow()

    def _fit_letters(self) -> None:
        """Take letters of one width in napari's size, and the room that the lines need on the screen."""
        self._close.ensurePolished()
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSizeF(self._close.font().pointSizeF())
        self.text.setFont(font)
        letters, screen = self._close.fontMetrics(), self.screen().availableSize()
        wanted = QSize(100 * letters.averageCharWidth(), 36 * letters.lineSpacing())
        self.resize(wanted.boundedTo(screen * 0.9))
