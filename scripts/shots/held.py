"""Holds a run at a tile, so that a picture of it shows the same on fast and slow machines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from napari_exactile.run.engine.door import Computed, Deliver
from napari_exactile.run.engine.events import Event, TileStarted
from napari_exactile.run.engine.schedule.engines import ENGINES
from napari_exactile.run.plan.bands import Band
from napari_exactile.stopping import Check

EVERY_SECONDS = 0.02


@contextmanager
def held_at(tile: int) -> Iterator[Callable[[], bool]]:
    """Let runs that begin meanwhile stand still once they have begun so many tiles, until Cancel.

    Yields what tells whether one stands still. Of tiles that go to disk, the last ones may not be written.
    """
    engine: Any = ENGINES["local"]
    begun, held, released = threading.Semaphore(tile - 1), threading.Event(), threading.Event()

    class Held(engine):
        def submit(
            self, band: Band, upcoming: Sequence[Band], deliver: Deliver, check: Check
        ) -> Iterator[Event | Computed]:
            for step in super().submit(band, upcoming, deliver, check):
                yield step
                if isinstance(step, TileStarted):
                    self.wait(check)

        def wait(self, check: Check) -> None:
            while not begun.acquire(timeout=EVERY_SECONDS) and not released.is_set():
                held.set()
                check()

    ENGINES["local"] = Held
    try:
        yield held.is_set
    finally:
        ENGINES["local"] = engine
        released.set()
