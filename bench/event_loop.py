"""Let a window work, as it does for a person, and see where it stands still: for the benchmarks with one."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QEventLoop, QTimer


def loop_until(done: Callable[[], bool], look_every_ms: int = 20) -> None:
    """Run Qt's own event loop, as napari does, until `done`."""
    loop, timer = QEventLoop(), QTimer()
    timer.setInterval(look_every_ms)
    timer.timeout.connect(lambda: loop.quit() if done() else None)
    timer.start()
    loop.exec()
    timer.stop()


def wait(seconds: float) -> None:
    """Let the window work for a while."""
    end = time.monotonic() + seconds
    loop_until(lambda: time.monotonic() > end)


class Gaps:
    """Notes how long the window does not answer, as long as the block lasts."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self._timer = QTimer()
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._look)

    def __enter__(self) -> Gaps:
        self._last = time.perf_counter()
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        wait(0.05)
        self._timer.stop()

    @property
    def longest(self) -> float:
        return max(self.milliseconds, default=0.0)

    @property
    def felt(self) -> int:
        """How many were longer than a fifth of a second."""
        return sum(gap > 200 for gap in self.milliseconds)

    def _look(self) -> None:
        now = time.perf_counter()
        self.milliseconds.append(1000 * (now - self._last))
        self._last = now
