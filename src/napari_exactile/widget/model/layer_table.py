"""The table of a model's layers, each with its stride, context and cost."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
PLACE = 1
"""The column of paths, which takes the room that the others leave."""
TOOLTIPS = {
    "stride": "Input pixels from one element to the next",
    "context": "Input pixels before + after a zone that lie between this layer and the output",
    "Eq. 1": "What the papers' equation says of them: where it is less, it misses something",
    "M mult-adds": "Multiply-accumulates of one pass over the whole image, in millions",
}


class LayerTable(QTableWidget):
    """Rows of words that can be selected, not changed."""

    def __init__(self) -> None:
        super().__init__(0, 0)
        self.verticalHeader().setVisible(False)
        self.setAccessibleName("Layers of the network")
        self.setTabKeyNavigation(False)  # it would keep the focus for ever
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)

    def fill(self, headings: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> None:
        """Show these rows instead of what was there."""
        self.setRowCount(0)
        self.setColumnCount(len(headings))
        self.setHorizontalHeaderLabels(headings)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.setRowCount(len(rows))
        for column, heading in enumerate(headings):
            sides = LEFT if column <= PLACE else RIGHT
            self.horizontalHeaderItem(column).setTextAlignment(sides)
            for row, cells in enumerate(rows):
                self.setItem(row, column, _cell(cells[column], sides))
            self.horizontalHeaderItem(column).setToolTip(TOOLTIPS.get(heading, ""))
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.resizeColumnsToContents()
        self.horizontalHeader().setSectionResizeMode(PLACE, QHeaderView.ResizeMode.Stretch)


def _cell(text: str, sides: Qt.AlignmentFlag) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setTextAlignment(sides)
    item.setToolTip(text)
    return item
