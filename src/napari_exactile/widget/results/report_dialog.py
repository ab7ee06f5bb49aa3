"""The window behind "Report...": how labels came about, in words, to be copied or saved as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_exactile.widget.form.facts import button_row, facts_table
from napari_exactile.widget.form.form import Note, breakable
from napari_exactile.widget.results.file_writer import FileWriter

STYLE = "QTextBrowser { background: transparent; border: none; }"


class ReportDialog(QDialog):
    """Shows the report of a run, as `report_of` gives it. All methods belong to the GUI thread."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.facts, self.words = QTextBrowser(), Note()
        self.copy, self.save = QPushButton("Copy"), QPushButton("Save as JSON...")
        self.copy.setToolTip("Put all of this on the clipboard as text")
        self.save.setToolTip("Write the whole report, with every number, for programs")
        self.copy.clicked.connect(lambda _checked: self._copy())
        self.save.clicked.connect(lambda _checked: self.pick_file())
        self._report: dict[str, Any] = {}
        self.facts.setAccessibleName("Report")
        self._folder = Path.home()
        self._file = FileWriter(self, self.words, "Save report", "JSON", ".json")
        self._arrange()

    def show_report(self, report: dict[str, Any], folder: Path | None = None) -> None:
        """Show this report from now on, in front; it is saved in `folder` at first."""
        from napari_exactile.run.words.report import report_sections

        self._report, self._folder = report, folder or Path.home()
        self.setWindowTitle(f"{report['image']['name']} - report")
        sections = (
            (title, [(name, breakable(value)) for name, value in facts])
            for title, facts in report_sections(report)
        )
        self.facts.setHtml(facts_table(sections))
        self.words.say("")
        if not self.isVisible():
            self._fit_letters()
        self.show()
        self.raise_()
        self.activateWindow()

    def pick_file(self) -> None:
        """Let the person pick a file, and write the report to it."""
        if path := self._file.pick(self._folder, f"{Path(self._report['image']['name']).stem}_report"):
            self.write(path)

    def write(self, path: Path) -> None:
        """Write the report in the background and say so, or why it was not written."""
        text = json.dumps(self._report, indent=2) + "\n"
        self._file.write(path, lambda path: path.write_text(text, encoding="utf-8"))

    def _copy(self) -> None:
        from napari_exactile.run.words.report import report_text

        QApplication.clipboard().setText(report_text(self._report))
        self.words.say("Copied as text")

    def _fit_letters(self) -> None:
        """Take the room that the words need in letters of napari's size, and that the screen has."""
        self.copy.ensurePolished()
        letters, screen = self.copy.fontMetrics(), self.screen().availableSize()
        wanted = QSize(95 * letters.averageCharWidth(), 42 * letters.lineSpacing())
        self.resize(wanted.boundedTo(screen * 0.9))

    def _arrange(self) -> None:
        self.setWindowTitle("Report")
        self.setStyleSheet(STYLE)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.facts, stretch=1)
        layout.addWidget(self.words)
        layout.addLayout(button_row(self.copy, self.save, close))
