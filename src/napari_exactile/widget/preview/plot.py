"""The error against the context as a figure and a table, in a dock of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_exactile.evaluate.figure import sweep_figure
from napari_exactile.evaluate.words import share
from napari_exactile.geometry.words import counted
from napari_exactile.widget.form.background import Latest, Steps
from napari_exactile.widget.form.form import Note, same_letters
from napari_exactile.widget.form.glossary import explained
from napari_exactile.widget.form.picking import pick_file
from napari_exactile.widget.preview.figure_view import DPI, FigureView
from napari_exactile.widget.work.long_work import LongWork, WorkButtons

if TYPE_CHECKING:
    from napari_exactile.evaluate.sweep import Sweep, SweepPoint

COLUMNS = ("Context", "RMSE", "Differ", "Share", "Near-ties", "Exact")


class PlotDock(QWidget):
    """Shows a sweep while it is measured, and saves it as a table (CSV) or a picture (PNG)."""

    def __init__(self) -> None:
        super().__init__()
        self.sweep: Sweep | None = None
        self.view, self.buttons, self._saving = FigureView(), WorkButtons(cancel=True), Latest()
        self.words, self.table = Note(), QTableWidget(0, len(COLUMNS))
        self.save_table = _button("Save table...", "Write all columns as CSV", self._pick_table)
        self.save_picture = _button("Save picture...", "Write the figure as PNG", self._pick_picture)
        self._subject, self._folder, self._found = "", Path.home(), ""
        self._arrange()
        self.work = LongWork("Measuring contexts", self._say, self.buttons)
        for gone in (self.work.forget, self._saving.forget):
            self.destroyed.connect(gone)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Take letters of napari's size for the table."""
        super().showEvent(event)
        same_letters(self.save_table, self.table, self.table.horizontalHeader())

    def begin(self, subject: str, folder: Path, steps: Steps) -> None:
        """Measure a new sweep of `subject` step by step; it is saved in `folder` at first."""
        self._subject, self._folder, self._found = subject, folder, f"{subject}: computing..."
        self.table.setRowCount(0)
        self.view.show_figure(None)
        self._offer(None)
        self.work.begin(steps, self.show_sweep, self.fail, self._say_all)

    def show_sweep(self, sweep: Sweep) -> None:
        """Show what has been measured so far."""
        self._offer(sweep)
        self.view.show_figure(partial(sweep_figure, sweep))
        known = self.table.rowCount()
        self.table.setRowCount(len(sweep.points))
        for row, point in list(enumerate(sweep.points))[known:]:
            for column, text in enumerate(_cells(point)):
                self.table.setItem(row, column, _cell(text))
        self._found = f"{self._subject}: {counted(len(sweep.points), 'context')} measured, computing..."
        self.work.tell()

    def end(self) -> None:
        """Measure no more; what was measured stays."""
        if self.work.going:
            self.work.stop()
            self._say_all()

    def _say(self, far: str) -> None:
        """Say what is measured, and how far that is."""
        self.words.say(f"{self._found}\n{far}")

    def _say_all(self) -> None:
        """Say what the sweep is of: nothing more is measured."""
        if self.sweep is None:
            self.words.say(f"{self._subject}: nothing was measured")
        else:
            pixels = counted(self.sweep.pixels, "pixel")
            self.words.say(f"{self._subject}: {pixels}, {self.sweep.required} px of context needed")

    def fail(self, error: Exception) -> None:
        """Say what went wrong; what was measured stays."""
        self.words.say(f"The plot failed: {error}", warning=True)

    def write_table(self, path: Path) -> None:
        """Write the sweep as CSV and say so, or why it was not written."""
        assert self.sweep is not None
        try:
            self.sweep.save_csv(path)
        except OSError as error:
            self.words.say(f"Not saved: {error}", warning=True)
        else:
            self.words.say(f"Saved as {path}")

    def write_picture(self, path: Path) -> None:
        """Draw the figure as PNG in a thread and say so, or why it was not written."""
        assert self.sweep is not None
        sweep, size = self.sweep, (self.view.width() / DPI, self.view.height() / DPI)
        self._saving.ask(
            lambda: sweep_figure(sweep, Figure(figsize=size)).savefig(path, dpi=200),
            lambda _: self.words.say(f"Saved as {path}"),
            lambda error: self.words.say(f"Not saved: {error}", warning=True),
        )

    def _pick_table(self) -> None:
        self._pick("Save table", "error.csv", "Table", self.write_table)

    def _pick_picture(self) -> None:
        self._pick("Save picture", "error.png", "Picture", self.write_picture)

    def _pick(self, title: str, name: str, kind: str, write: Callable[[Path], None]) -> None:
        if path := pick_file(self, title, self._folder / name, [(kind, Path(name).suffix)]):
            write(path)

    def _offer(self, sweep: Sweep | None) -> None:
        self.sweep = sweep
        self.save_table.setEnabled(sweep is not None)
        self.save_picture.setEnabled(sweep is not None)

    def _arrange(self) -> None:
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setAccessibleName("Error at each context")
        self.table.setTabKeyNavigation(False)  # it would keep the focus for ever
        for column, heading in enumerate(COLUMNS):
            self.table.horizontalHeaderItem(column).setToolTip(explained(heading))
        self.table.verticalHeader().setVisible(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setStretchLastSection(True)
        side, buttons, layout = QVBoxLayout(), QHBoxLayout(), QHBoxLayout(self)
        for button in (self.save_table, self.save_picture):
            buttons.addWidget(button)
        stops = QHBoxLayout()
        for button in self.buttons.all:
            stops.addWidget(button)
        side.addWidget(self.words)
        side.addLayout(stops)
        side.addWidget(self.table, stretch=1)
        side.addLayout(buttons)
        layout.addWidget(self.view, stretch=3)
        layout.addLayout(side, stretch=2)
        self._offer(None)


def _cells(point: SweepPoint) -> tuple[str, ...]:
    return (
        str(point.value), f"{point.rmse:.2g}", f"{point.misclassified:g}", share(point.rate),
        str(point.near_ties), "yes" if point.exact else "no",
    )  # fmt: skip


def _cell(text: str) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item


def _button(text: str, tooltip: str, pressed: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _checked: pressed())
    return button
