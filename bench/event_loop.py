"""Let a window work, as it does for a person, until something holds: shared by the benchmarks with one."""

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
