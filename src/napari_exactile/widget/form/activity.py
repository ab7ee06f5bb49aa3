"""Long work in napari's own activity dock, which is seen whatever panel is open."""

from __future__ import annotations

import io
from typing import Any

from napari.utils import progress
from qtpy.QtCore import QTimer

LOOK_MS = 1000


class Activity:
    """One line in the activity dock, from a second after the first `show` until `end`.

    napari lets other events happen whenever it changes such a line, also those that change it again. So a
    timer does it, and never in the midst of something else. All methods belong to the GUI thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._wanted: tuple[str, int] | None = None
        self._line: Any = None
        self._changing = False
        self._timer = QTimer()
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._follow)

    def show(self, words: str, share: float | None) -> None:
        """Say what goes on, and how much of it is done, from 0 to 1; None where nobody knows."""
        self._wanted = words, round(100 * (share or 0.0))
        if not self._timer.isActive():
            self._timer.start()

    def end(self) -> None:
        """Take the line away."""
        self._wanted = None

    def _follow(self) -> None:
        if self._changing:
            return
        self._changing = True
        try:
            self._change()
        finally:
            self._changing = False

    def _change(self) -> None:
        if self._wanted is not None:
            words, done = self._wanted
            self._line = self._line or progress(total=100, desc=self._name, file=_Nowhere())
            self._line.set_description(f"{self._name}: {words}")
            self._line.update(done - self._line.n)
        else:
            self._timer.stop()
            line, self._line = self._line, None
            if line is not None:
                line.close()


class _Nowhere(io.TextIOBase):
    """Takes what would be written to a terminal as well."""

    def write(self, text: str, /) -> int:
        return len(text)
