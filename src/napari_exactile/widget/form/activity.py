"""Long work as it is shown: in napari's own activity dock, and as often as drawing it allows."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from napari.utils import progress
from qtpy.QtCore import QTimer
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QApplication, QLabel
from superqt.utils import qthrottled

LOOK_MS = 1000
# napari's sign that something goes on turns thirty times a second. Each time Qt composes the whole window
# anew, with Python's lock held: with software OpenGL that takes longer than the work itself.
TURN_MS = 1000
# Seldom enough to cost nothing where drawing is fast, and what it may take of the time where it is slow.
LEAST_MS, MOST_MS, SHARE = 250, 3000, 0.15


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
        self._signs = _Signs()
        self._timer = QTimer()
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._follow)

    def show(self, words: str, share: float | None) -> None:
        """Say what goes on, and how much of it is done, from 0 to 1; None where nobody knows."""
        self._wanted = words, round(100 * (share or 0.0))
        if not self._timer.isActive():
            self._timer.start()

    def end(self) -> None:
        """Take the line away, as soon as Qt comes back to its events."""
        self._wanted = None
        with suppress(RuntimeError):  # where Qt itself is going away, the timer may be gone before
            if self._timer.isActive():
                QTimer.singleShot(0, self._follow)

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
            self._signs.slow()
        else:
            self._timer.stop()
            self._signs.let_go()
            line, self._line = self._line, None
            if line is not None:
                line.close()


class _Signs:
    """The moving signs in the window's status line, slowed while we show a line, be it with others."""

    slowed: ClassVar[dict[QMovie, int]] = {}
    holders: ClassVar[set[_Signs]] = set()

    def slow(self) -> None:
        """Let each that moves move seldom."""
        self.holders.add(self)
        for movie in _moving():
            if movie not in self.slowed and 0 < movie.nextFrameDelay() < TURN_MS:
                self.slowed[movie] = movie.speed()
                movie.setSpeed(max(1, round(movie.speed() * movie.nextFrameDelay() / TURN_MS)))

    def let_go(self) -> None:
        """Let them move as before, once nobody slows them any more."""
        self.holders.discard(self)
        if self.holders:
            return
        while self.slowed:
            movie, speed = self.slowed.popitem()
            with suppress(RuntimeError):  # it went with its window
                movie.setSpeed(speed)


def _moving() -> list[QMovie]:
    labels = [one for window in QApplication.topLevelWidgets() for one in window.findChildren(QLabel)]
    return [movie for one in labels if (movie := one.movie()) is not None]


class _Nowhere(io.TextIOBase):
    """Takes what would be written to a terminal as well."""

    def write(self, text: str, /) -> int:
        return len(text)


class Refresh:
    """Calls `draw` some time after it is asked to, once for all that was asked meanwhile.

    How long after follows from what the last call took, with all that Qt painted because of it: with software
    OpenGL that takes tenths of seconds, and a run would wait for it. All methods belong to the GUI thread.
    """

    def __init__(self, draw: Callable[[], None]) -> None:
        self._draw_it, self._began = draw, 0.0
        self._throttled = qthrottled(self._draw, timeout=LEAST_MS)

    def __call__(self) -> None:
        """Draw soon."""
        self._throttled()

    def cancel(self) -> None:
        """Draw nothing late."""
        self._throttled.cancel()

    def _draw(self) -> None:
        self._began = time.perf_counter()
        self._draw_it()
        # Painting is in Qt's queue by now: a timer without delay is heard after it.
        QTimer.singleShot(0, lambda: QTimer.singleShot(0, self._painted))

    def _painted(self) -> None:
        cost = 1000 * (time.perf_counter() - self._began)
        self._throttled.setTimeout(round(min(MOST_MS, max(LEAST_MS, cost / SHARE))))
