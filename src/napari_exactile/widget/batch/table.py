"""The table of many images: a row for each, with its progress and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_exactile.widget.batch.progress import ImageLine

COLUMNS = ("Image", "Progress", "Result")
NO_PARENT = QModelIndex()


class ImagesModel(QAbstractTableModel):
    """Rows of images; all methods belong to the GUI thread."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[ImageLine] = []

    def fill(self, names: Sequence[str]) -> None:
        """Show these images, of which nothing is known."""
        self.beginResetModel()
        self.lines = [ImageLine(name) for name in names]
        self.endResetModel()

    def change(self, lines: Mapping[int, ImageLine]) -> None:
        """Show what is new of some images."""
        for number, line in lines.items():
            self.lines[number] = line
            self.dataChanged.emit(self.index(number, 0), self.index(number, len(COLUMNS) - 1))

    def rowCount(self, parent: QModelIndex = NO_PARENT) -> int:  # noqa: N802
        """Return the number of images."""
        return 0 if parent.isValid() else len(self.lines)

    def columnCount(self, parent: QModelIndex = NO_PARENT) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the words of a cell; what may be cut off is there in full as a tooltip."""
        line = self.lines[index.row()]
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole}:
            return (line.name, line.progress, line.result)[index.column()]
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the heading of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None
