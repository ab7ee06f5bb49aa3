"""The button "Check": it holds what was derived from a model against what the model does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_exactile.stopping import Check
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.form import Note

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.refused import Refused

WAITS = "The check waits until the run has ended: it would take its time, and change its arithmetic."


class CheckRow(QWidget):
    """The button and what came of it; the checks run in the background."""

    def __init__(self) -> None:
        super().__init__()
        self.button, self.words = QPushButton("Check"), Note()
        self.button.setToolTip("Measure the context with NaN pixels, and compare it with the derived one")
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._start)
        self._known: tuple[Model, Derived | Refused] | None = None
        self._running = self._checking = False
        self._lines: list[str] = []
        self._latest = Latest()
        self.destroyed.connect(self._latest.forget)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.words.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.words, stretch=1)

    def choose(self, known: tuple[Model, Derived | Refused] | None) -> None:
        """Check this model from now on; what was said of another is taken back."""
        if known and self._known and known[1] is self._known[1]:
            return
        self._known, self._checking = known, False
        self._latest.forget()
        self.words.say()
        self._enable()

    def lock(self, running: bool) -> None:
        """Check nothing while a run goes on."""
        self._running = running
        if running and self._checking:
            self._latest.forget()
            self._checking = False
        if running or self.words.text().startswith(WAITS[:20]):
            self.words.say(WAITS if running else "")
        self._enable()

    def _enable(self) -> None:
        self.button.setEnabled(self._known is not None and not self._running and not self._checking)

    def _start(self) -> None:
        if self._known is None:
            return
        model, analysis = self._known
        self._checking, self._lines = True, []
        self._enable()
        self.words.say("Checking...")

        def checks(_check: Check) -> Iterator[str]:
            from napari_exactile.run.check.checks import checks_of

            yield from checks_of(model, analysis)

        self._latest.follow(checks, self._say, lambda error: self._say(f"Not checked: {error}"), self._end)

    def _say(self, line: str) -> None:
        self._lines.append(line)
        self.words.say("\n".join(self._lines), warning="FAILS" in line)

    def _end(self) -> None:
        self._checking = False
        self._enable()
