"""The table of a model's classes, in which a person renames and recolours them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_exactile.widget.draw.classes import Classes

LABEL, NAME, COLOR = range(3)
NONE = "None: every class is shown"
FIXED = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable


class ClassTable(QWidget):
    """Shows classes; `on_change` gets them as they are after each change that the person makes."""

    def __init__(self, on_change: Callable[[Classes], None]) -> None:
        super().__init__()
        self._on_change = on_change
        self._classes: Classes | None = None
        self._given: Classes | None = None
        self.table, self.background = QTableWidget(0, 3), QComboBox()
        self.background.setToolTip("The class that is shown transparent")
        self.background.setAccessibleName("Background")
        self.table.setAccessibleName("Classes")
        self.table.setTabKeyNavigation(False)  # it would keep the focus for ever
        self.restore = QPushButton("Restore")
        self.restore.setToolTip("Names, colours and background as the model has them")
        self._arrange()
        self.table.itemChanged.connect(self._rename)
        self.background.activated.connect(self._choose_background)
        self.restore.clicked.connect(self._restore)

    def show_classes(self, classes: Classes, given: Classes) -> None:
        """Show classes, and remember those of the model itself for Restore; on_change is not called."""
        self._classes, self._given = classes, given
        self.table.blockSignals(True)
        self.table.setRowCount(len(classes.names))
        for row in range(len(classes.names)):
            self._fill(row, classes)
        self.table.blockSignals(False)
        self.background.clear()
        self.background.addItems([NONE, *classes.names])
        self.background.setCurrentIndex(0 if classes.background is None else classes.background + 1)
        self.restore.setEnabled(classes != given)

    def color_button(self, row: int) -> QPushButton:
        """Return the button that changes the colour of a class."""
        button = self.table.cellWidget(row, COLOR)
        assert isinstance(button, QPushButton)
        return button

    def _fill(self, row: int, classes: Classes) -> None:
        label, name = QTableWidgetItem(str(row)), QTableWidgetItem(classes.names[row])
        label.setFlags(FIXED)
        name.setToolTip("Double-click to rename")
        self.table.setItem(row, LABEL, label)
        self.table.setItem(row, NAME, name)
        transparent, color = row == classes.background, classes.colors[row]
        button = QPushButton("transparent" if transparent else color)
        button.setEnabled(not transparent)
        button.setToolTip("The background is not shown" if transparent else "Choose another colour")
        if not transparent:
            button.setIcon(_swatch(color, self.fontMetrics().height()))
        button.setAccessibleName(f"Colour of {classes.names[row]}: {button.text()}")
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self._recolor(row))
        self.table.setCellWidget(row, COLOR, button)

    def _change(self, classes: Classes) -> None:
        assert self._given is not None
        self.show_classes(classes, self._given)
        self._on_change(classes)

    def _restore(self) -> None:
        if self._given is not None:
            self._change(self._given)

    def _rename(self, item: QTableWidgetItem) -> None:
        if self._classes is None or item.column() != NAME:
            return
        names, name = list(self._classes.names), item.text().strip()
        names[item.row()] = name or names[item.row()]  # without letters it would be a class without a name
        self._change(replace(self._classes, names=tuple(names)))

    def _recolor(self, row: int) -> None:
        if self._classes is None:
            return
        colors = list(self._classes.colors)
        picked = QColorDialog.getColor(QColor(colors[row]), self, f"Colour of {self._classes.names[row]}")
        if picked.isValid():
            colors[row] = picked.name()
            self._change(replace(self._classes, colors=tuple(colors)))

    def _choose_background(self, entry: int) -> None:
        if self._classes is not None:
            self._change(replace(self._classes, background=entry - 1 if entry else None))

    def _arrange(self) -> None:
        table, layout, below = self.table, QVBoxLayout(self), QHBoxLayout()
        table.setHorizontalHeaderLabels(["label", "name", "colour"])
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        layout.addWidget(table, stretch=1)
        layout.addLayout(below)
        below.addWidget(QLabel("Background"))
        below.addWidget(self.background, stretch=1)
        below.addWidget(self.restore)
        self.restore.setAutoDefault(False)
        note = QLabel("Names and colours are kept for this model, and shown in its labels.")
        note.setWordWrap(True)
        layout.addWidget(note)


def _swatch(color: str, size: int) -> QIcon:
    picture = QPixmap(size, size)
    picture.fill(QColor(color))
    return QIcon(picture)
