"""The window behind "Details...": what the chosen model needs, layer by layer, or why it cannot be exact."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_exactile.widget.background import Latest

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.run.details import Details

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
STYLE = """
QTextBrowser { background: transparent; border: none; }
QHeaderView::section { padding: 3px 5px; }
"""
PLACE = 1
"""The column of paths, which takes the room that the others leave."""


class DetailsDialog(QDialog):
    """Follows the chosen model while it is open; what takes long is computed in the background.

    All methods belong to the GUI thread.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.facts, self.table = QTextBrowser(), QTableWidget(0, 0)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Put everything on the clipboard as text")
        self.copy.clicked.connect(self._copy)
        self._known: tuple[Model, Analysis] | None = None
        self._shown: Analysis | None = None
        self._text = ""
        self._latest = Latest()
        self.destroyed.connect(self._latest.forget)
        self._arrange()

    def choose(self, known: tuple[Model, Analysis] | None) -> None:
        """Show this model with its analysis from now on; None: there is none yet."""
        self._known = known
        if self.isVisible():
            self._update()

    def open(self) -> None:
        """Open the window beside the others, or bring it to the front."""
        self.show()
        self.raise_()
        self.activateWindow()
        self._update()

    def _update(self) -> None:
        if self._known is None:
            self._empty("The model has not been analysed for this image yet.")
            return
        model, analysis = self._known
        if analysis is self._shown:
            return
        self._empty("Looking at every layer...")
        self.setWindowTitle(f"{model.card.short_title} - details")
        self._shown = analysis

        def work() -> Details:
            from napari_exactile.run.details import details_of

            return details_of(analysis, model.card.title)

        self._latest.ask(work, self._show, lambda error: self._empty(f"No details: {error}"))

    def _empty(self, words: str) -> None:
        self._latest.forget()
        self._shown, self._text = None, ""
        self.copy.setEnabled(False)
        self.table.hide()
        self.facts.setPlainText(words)

    def _show(self, details: Details) -> None:
        from napari_exactile.network.layers import HEADINGS

        self._text = details.text
        self.copy.setEnabled(True)
        self.facts.setHtml(_table_of(details.facts))
        self.table.setVisible(bool(details.rows))
        self._fill(HEADINGS, details.rows)
        self._share_room()

    def _fill(self, headings: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> None:
        table = self.table
        table.setRowCount(0)
        table.setColumnCount(len(headings))
        table.setHorizontalHeaderLabels(headings)
        table.setRowCount(len(rows))
        for column, heading in enumerate(headings):
            sides = LEFT if column <= PLACE else RIGHT
            table.horizontalHeaderItem(column).setTextAlignment(sides)
            for row, cells in enumerate(rows):
                table.setItem(row, column, _cell(cells[column], sides))
            table.horizontalHeaderItem(column).setToolTip(TOOLTIPS.get(heading, ""))
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        table.resizeColumnsToContents()
        table.horizontalHeader().setSectionResizeMode(PLACE, QHeaderView.ResizeMode.Stretch)

    def _share_room(self) -> None:
        """Give the facts the height that they ask for, and at most half."""
        asked = round(self.facts.document().size().height()) + 20
        height = self._splitter.height()
        top = min(asked, height // 2)
        self._splitter.setSizes([top, height - top])

    def _copy(self) -> None:
        QApplication.clipboard().setText(self._text)

    def _arrange(self) -> None:
        self.setWindowTitle("Details")
        self.resize(800, 500)
        self.setStyleSheet(STYLE)
        table, close = self.table, QPushButton("Close")
        close.clicked.connect(self.close)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.setWordWrap(False)
        self._splitter = QSplitter(Qt.Orientation.Vertical)
        for part in (self.facts, table):
            self._splitter.addWidget(part)
        layout, buttons = QVBoxLayout(self), QHBoxLayout()
        layout.addWidget(self._splitter, stretch=1)
        layout.addLayout(buttons)
        buttons.addStretch(1)
        for button in (self.copy, close):
            button.setAutoDefault(False)
            button.setMinimumWidth(80)
            buttons.addWidget(button)


TOOLTIPS = {
    "stride": "Input pixels from one element to the next",
    "context": "Input pixels before + after a zone that lie between this layer and the output",
    "Eq. 1": "What the papers' equation says of them: where it is less, it misses something",
    "M mult-adds": "Multiply-accumulates of one pass over the whole image, in millions",
}


def _cell(text: str, sides: Qt.AlignmentFlag) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setTextAlignment(sides)
    item.setToolTip(text)
    return item


def _table_of(facts: tuple[tuple[str, str], ...]) -> str:
    """Return names and values as HTML, in two columns."""
    rows = (
        f"<tr><td style='white-space: nowrap; padding-right: 16px'>{escape(name)}</td>"
        f"<td>{escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<table cellspacing='0' cellpadding='2'>{''.join(rows)}</table>"
