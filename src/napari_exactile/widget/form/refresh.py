"""Redraws that leave most of the time to the work whose progress they show."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QTimer
from superqt.utils import qthrottled

# Seldom enough to cost nothing where drawing is fast, and what it may take of the time where it is slow.
LEAST_MS, MOST_MS, SHARE = 250, 3000, 0.15


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
