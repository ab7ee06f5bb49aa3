"""The window with a row for each object: sort it, click a row to see the object, save it as CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_exactile.images.objects.objects import short
from napari_exactile.widget.form.facts import button_row
from napari_exactile.widget.form.form import Note, same_letters
from napari_exactile.widget.results.file_writer import FileWriter

if TYPE_CHECKING:
    from napari_exactile.images.objects.objects import Objects

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
UNITS = {"length_um": "length (µm)", "area_um2": "area (µm²)", "volume_um3": "volume (µm³)"}
NO_PARENT = QModelIndex()


class ObjectsModel(QAbstractTableModel):
    """The columns of a table that a person looks at, sorted as asked; objects stay as they are.

    Bounding boxes are left to the file. A million rows are no trouble: cells are made when they are seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.columns: dict[str, NDArray[Any]] = {}
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def fill(self, objects: Objects) -> None:
        """Show these objects in the order of their numbers."""
        self.beginResetModel()
        kept = {
            name: column for name, column in objects.table().items() if not name.endswith(("_start", "_stop"))
        }
        self.columns = {self._heading(name): column for name, column in kept.items()}
        self._order = np.arange(len(objects))
        self.endResetModel()

    def number(self, row: int) -> int:
        """Return the number of the object in a row."""
        return int(self._order[row]) + 1

    def row(self, number: int) -> int:
        """Return the row in which an object is."""
        return int(np.flatnonzero(self._order == number - 1)[0])

    def rowCount(self, parent: QModelIndex = NO_PARENT) -> int:  # noqa: N802
        """Return the number of objects."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex = NO_PARENT) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the words or the side of a cell."""
        value = list(self.columns.values())[index.column()][self._order[index.row()]]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return LEFT if isinstance(value, str) else RIGHT
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if isinstance(value, np.floating):
            is_size = list(self.columns)[index.column()] in UNITS.values()
            return short(float(value)) if is_size else f"{value:.1f}"
        return f"{value}"

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the heading of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return list(self.columns)[section]
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the rows by a column; equal ones stay in the order of their numbers."""
        if not 0 <= column < len(self.columns):
            return
        self.beginResetModel()
        _, ranks = np.unique(list(self.columns.values())[column], return_inverse=True)
        descending = order == Qt.SortOrder.DescendingOrder
        self._order = np.argsort(-ranks if descending else ranks, kind="stable")
        self.endResetModel()

    @staticmethod
    def _heading(name: str) -> str:
        return UNITS.get(name, f"{name} (px)" if len(name) == 1 else name)


class ObjectsDialog(QDialog):
    """Shows objects; `select` is called with the number of the one in the row that a person picks.

    All methods belong to the GUI thread.
    """

    def __init__(self, parent: QWidget, select: Callable[[int], None]) -> None:
        super().__init__(parent)
        self._select = select
        self._objects: Objects | None = None
        self._title, self._folder = "", Path.home()
        self.model, self.view, self.words = ObjectsModel(), QTableView(), Note()
        self._file = FileWriter(self, self.words, "Save table", "Table", ".csv")
        self.save = QPushButton("Save table...")
        self.save.setToolTip("Write all columns, with the bounding boxes, as CSV")
        self.save.clicked.connect(lambda _checked: self.pick_file())
        self.view.setModel(self.model)
        self.view.setAccessibleName("Objects")
        self.view.setTabKeyNavigation(False)  # it would keep the focus for ever
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self._arrange()

    def show_objects(self, objects: Objects, title: str, folder: Path | None = None) -> None:
        """Show these objects from now on; their table is saved in `folder` at first."""
        self._objects, self._title, self._folder = objects, title, folder or Path.home()
        self.setWindowTitle(title)
        self.view.horizontalHeader().setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.model.fill(objects)
        self.words.say("\n".join(objects.summary()) or "There are no objects.")
        self._fit_columns()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Take letters of napari's size, and the room for all columns."""
        super().showEvent(event)
        self._fit_columns()

    def _fit_columns(self) -> None:
        view = self.view
        same_letters(self.save, view, view.horizontalHeader())
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 8)
        view.horizontalHeader().setMinimumSectionSize(0)
        view.resizeColumnsToContents()
        # Beside the columns there are the frame, the scroll bar and the margins.
        wanted = view.horizontalHeader().length() + view.verticalScrollBar().sizeHint().width() + 40
        if self.width() < wanted:
            self.resize(min(wanted, round(0.9 * self.screen().availableSize().width())), self.height())

    def pick_file(self) -> None:
        """Let the person pick a file, and write the table to it."""
        if path := self._file.pick(self._folder, self._title.replace(":", " -")):
            self.write(path)

    def write(self, path: Path) -> None:
        """Write the table in the background and say so, or why it was not written."""
        if self._objects is not None:
            self._file.write(path, self._objects.to_csv)

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self._select(self.model.number(current.row()))

    def _arrange(self) -> None:
        self.resize(520, 420)
        view, close = self.view, QPushButton("Close")
        view.setSortingEnabled(True)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.verticalHeader().setVisible(False)
        view.horizontalHeader().setStretchLastSection(True)
        close.clicked.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.words)
        layout.addWidget(view, stretch=1)
        layout.addLayout(button_row(self.save, close))
