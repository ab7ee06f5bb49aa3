"""What the window of a batch looks like: fields above, the table, words and buttons below."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_exactile.widget.batch.table import ImagesModel
from napari_exactile.widget.form.facts import button_row
from napari_exactile.widget.form.form import Note, same_letters

RUN, GO_ON, STOP = "Run", "Continue", "Stop"
ABOUT = (
    "Whole images are segmented as the dock would now: with its model, normalisation and all other settings."
)


class BatchWindow(QDialog):
    """The parts of the window, without what they do. It belongs to the GUI thread."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Batch")
        self.files, self.folder, self.clear = (
            QPushButton(text) for text in ("Add files...", "Add folder...", "Clear")
        )
        self.out, self.pick = QLineEdit(), QPushButton("...")
        self.together, self.objects = QCheckBox("Normalise together"), QCheckBox("Count objects")
        self.model, self.view, self.words = ImagesModel(), QTableView(), Note()
        self.run, self.shut = QPushButton(RUN), QPushButton("Close")
        self._explain()
        self._arrange()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Take letters of napari's size, and the room that they need."""
        super().showEvent(event)
        same_letters(self.run, self.view, self.view.horizontalHeader(), self.out)
        self.view.verticalHeader().setDefaultSectionSize(self.view.fontMetrics().height() + 8)
        letters = self.run.fontMetrics()
        wanted = QSize(100 * letters.averageCharWidth(), 30 * letters.lineSpacing())
        if not event or not event.spontaneous():
            self.resize(self.size().expandedTo(wanted).boundedTo(self.screen().availableSize() * 0.9))
            self.view.setColumnWidth(0, self.width() // 4)
            self.view.setColumnWidth(1, self.width() // 4)

    def _explain(self) -> None:
        self.files.setToolTip("Images of any kind that the dock opens")
        self.folder.setToolTip("All images in a folder, or all fields of an OME-Zarr plate")
        self.out.setPlaceholderText("The folder for labels and table")
        self.out.setAccessibleName("Labels to")
        self.pick.setToolTip("Choose the folder for labels and table")
        self.together.setToolTip("Measure all images as one, instead of each by itself")
        self.objects.setToolTip(
            "Count the objects of each class, as Joined by and At least say under Objects"
        )
        self.view.setAccessibleName("Images")
        self.view.setToolTip("Double click an image to see it with its labels")

    def _arrange(self) -> None:
        self.view.setModel(self.model)
        self.view.setTabKeyNavigation(False)  # it would keep the focus for ever
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.view.verticalHeader().setVisible(False)
        self.view.horizontalHeader().setStretchLastSection(True)
        self.view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        about = Note()
        about.say(ABOUT)
        layout = QVBoxLayout(self)
        layout.addWidget(about)
        layout.addLayout(self._head())
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.words)
        layout.addLayout(button_row(self.run, self.shut))

    def _head(self) -> QGridLayout:
        images, labels, options = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for row, parts in (
            (images, (self.files, self.folder, self.clear)),
            (labels, (self.out, self.pick)),
            (options, (self.together, self.objects)),
        ):
            for part in parts:
                row.addWidget(part)
        images.addStretch(1)
        options.addStretch(1)
        head = QGridLayout()
        for number, (caption, row) in enumerate((("Images", images), ("Labels to", labels), ("", options))):
            head.addWidget(QLabel(caption), number, 0)
            head.addLayout(row, number, 1)
        for button in (self.files, self.folder, self.clear, self.pick):
            button.setAutoDefault(False)
        return head
