"""How long a run has been computing, over all the times that it was continued, without its pauses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from napari_exactile.run.engine.control import Control


class Clock:
    """Counts seconds on top of those `before`, while it is `running`; any thread may ask for them."""

    def __init__(self, before: float = 0.0) -> None:
        self._before = before
        self._started: tuple[float, Control] | None = None

    @property
    def seconds(self) -> float:
        """Seconds until now; of a pause that is not over yet, they count too."""
        started = self._started
        return self._before + (_worked(*started) if started else 0.0)

    @contextmanager
    def running(self, control: Control) -> Iterator[None]:
        """Count as long as this lasts, but for the pauses of `control`."""
        self._started = time.perf_counter() - control.waited, control
        try:
            yield
        finally:
            self._before, self._started = self.seconds, None


def _worked(started: float, control: Control) -> float:
    return time.perf_counter() - started - control.waited
