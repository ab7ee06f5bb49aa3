"""The window behind "Details...": what the chosen model is, what it needs, its classes and its layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QPushButton,
    QTabWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_exactile.widget.draw.classes import Classes, label_count
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.facts import button_row, facts_table
from napari_exactile.widget.form.form import same_letters
from napari_exactile.widget.model.check_row import CheckRow
from napari_exactile.widget.model.class_memory import ClassMemory
from napari_exactile.widget.model.class_table import ClassTable
from napari_exactile.widget.model.layer_table import LayerTable

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.refused import Refused
    from napari_exactile.run.words.details import Details

STYLE = """
QTextBrowser { background: transparent; border: none; }
QHeaderView::section { padding: 3px 5px; }
"""
MODEL, CLASSES, LAYERS = range(3)


class DetailsDialog(QDialog):
    """Follows the chosen model while it is open; what takes long is computed in the background.

    What a person makes of the classes goes to `memory`; then `on_classes` is called. All methods belong to
    the GUI thread.
    """

    def __init__(self, parent: QWidget, memory: ClassMemory, on_classes: Callable[[], None]) -> None:
        super().__init__(parent)
        self._memory, self._on_classes = memory, on_classes
        self.tabs, self.facts, self.check = QTabWidget(), QTextBrowser(), CheckRow()
        self.classes, self.table = ClassTable(self._keep_classes), LayerTable()
        self.copy = QPushButton("Copy")
        self.facts.setAccessibleName("What the model is, and what it needs")
        self.tabs.setAccessibleName("Details of the model")
        self.copy.setToolTip("Put everything on the clipboard as text")
        self.copy.clicked.connect(self._copy)
        self._known: tuple[Model, Derived | Refused] | None = None
        self._shown: Derived | Refused | None = None
        self._text = ""
        self._latest = Latest()
        self.destroyed.connect(self._latest.forget)
        self._arrange()

    def choose(self, known: tuple[Model, Derived | Refused] | None) -> None:
        """Show this model with its analysis from now on; None: there is none yet."""
        self._known = known
        self.check.choose(known)
        if self.isVisible():
            self._update()

    def open(self) -> None:
        """Open the window beside the others, or bring it to the front."""
        if not self.isVisible():
            self._fit_letters()
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
        self._show_classes(model, analysis)

        def work() -> Details:
            from napari_exactile.run.words.details import details_of

            return details_of(model, analysis)

        self._latest.ask(work, self._show, lambda error: self._empty(f"No details: {error}"))

    def _empty(self, words: str) -> None:
        self._latest.forget()
        self._shown, self._text = None, ""
        self.copy.setEnabled(False)
        for tab in (CLASSES, LAYERS):
            self.tabs.setTabVisible(tab, False)
        self.facts.setPlainText(words)

    def _show(self, details: Details) -> None:
        from napari_exactile.network.layers import HEADINGS

        self._text = details.text
        self.copy.setEnabled(True)
        sections = ("The model", details.about), ("For this image", details.facts)
        self.facts.setHtml(facts_table(sections))
        self.tabs.setTabVisible(LAYERS, bool(details.rows))
        self.table.fill(HEADINGS, details.rows)

    def _show_classes(self, model: Model, analysis: Derived | Refused) -> None:
        from napari_exactile.network.derived import Derived

        card = model.card
        count = label_count(card, analysis) if isinstance(analysis, Derived) else len(card.classes)
        has_classes = count > 0 and card.kind != "values"
        self.tabs.setTabVisible(CLASSES, has_classes)
        if has_classes:
            self.classes.show_classes(self._memory.of(card, count), Classes.of(card, count))

    def _keep_classes(self, classes: Classes) -> None:
        if self._known is not None:
            self._memory.keep(self._known[0].card, classes)
            self._on_classes()

    def _copy(self) -> None:
        QApplication.clipboard().setText(self._text)

    def _fit_letters(self) -> None:
        """Take the room that the layers need in letters of napari's size, and that the screen has."""
        for table in (self.table, self.classes.table):
            same_letters(self.copy, table, table.horizontalHeader())
        letters, screen = self.copy.fontMetrics(), self.screen().availableSize()
        wanted = QSize(110 * letters.averageCharWidth(), 30 * letters.lineSpacing())
        self.resize(wanted.boundedTo(screen * 0.9))

    def _arrange(self) -> None:
        self.setWindowTitle("Details")
        self.setStyleSheet(STYLE)
        self.facts.setOpenExternalLinks(False)
        model, close = QWidget(), QPushButton("Close")
        close.clicked.connect(self.close)
        page = QVBoxLayout(model)
        page.addWidget(self.facts, stretch=1)
        page.addWidget(self.check)
        for name, part in (("Model", model), ("Classes", self.classes), ("Layers", self.table)):
            self.tabs.addTab(part, name)
        layout = QVBoxLayout(self)
        layout.addWidget(self.tabs, stretch=1)
        layout.addLayout(button_row(self.copy, close))
