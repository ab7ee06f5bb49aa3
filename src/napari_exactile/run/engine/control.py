"""What a person may ask of a run while it goes on: to pause, to stop, and which tiles come first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from napari_exactile.geometry.interval import Box
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event
from napari_exactile.stopping import Cancelled

# Gives the numbers of tiles whose bands are to be computed before all others, the first one first; done ones
# may be among them. It is asked before every band, in the thread of the run, and should be cheap.
Order = Callable[[], Iterable[int]]
# Takes labels and numbers, where there are such, of a box of the output that come first, before their band is
# computed, which gives them anew. It is called in the thread of the run.
Show = Callable[[Box, Any, Any], object]
# A run asks from time to time whether it is cancelled, as whoever cancels cannot wake it.
ASK_SECONDS = 0.1


class Control:
    """Pauses, resumes and stops a run, and tells it its order; all methods may be called from any thread.

    Whoever cannot call `cancel` gives `is_cancelled`, which is asked often and from any thread. Whoever shows
    results gives `show`. `waited` are the seconds that runs have spent in pauses that are over.

    >>> import napari_exactile as ex
    >>> control = ex.Control()
    >>> control.pause()
    >>> control.paused, control.cancelled
    (True, False)
    >>> control.cancel()
    >>> control.cancelled
    True
    """

    def __init__(
        self, order: Order = lambda: (), is_cancelled: Callable[[], bool] = lambda: False,
        show: Show | None = None,
    ) -> None:  # fmt: skip
        self.order, self.show, self.waited = order, show, 0.0
        self._is_cancelled = is_cancelled
        self._stopping, self._going = threading.Event(), threading.Event()
        self._going.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run is asked to stop."""
        return self._stopping.is_set() or self._is_cancelled()

    def cancel(self) -> None:
        """Ask the run to stop; it does between two operators."""
        self._stopping.set()

    def check(self) -> None:
        """Raise Cancelled where the run is asked to stop."""
        if self.cancelled:
            raise Cancelled

    def renew(self) -> None:
        """Let another run go on: neither paused nor cancelled."""
        self._stopping.clear()
        self.resume()

    @property
    def paused(self) -> bool:
        """Whether nothing new may be started."""
        return not self._going.is_set()

    def pause(self) -> None:
        """Let the run finish the tile at work, or some rows of a walk, and start no other."""
        self._going.clear()

    def resume(self) -> None:
        """Let the run go on."""
        self._going.set()

    def hold(self) -> None:
        """Wait for the end of a pause, and raise Cancelled where the work is asked to stop.

        It is the check of work that has no gates.
        """
        if self.paused:
            self._wait()
        self.check()

    def gate(self) -> Iterator[Event]:
        """Tell of a pause and wait for its end; returns at once without one, or once it is cancelled."""
        if self.paused:
            yield events.Paused()
            self._wait()

    def _wait(self) -> None:
        started = time.perf_counter()
        # Not just once: the next pause may begin before the end of this one has been noticed.
        while self.paused and not self.cancelled:
            self._going.wait(ASK_SECONDS)
        self.waited += time.perf_counter() - started

    def pausing(self, steps: Iterable[Event]) -> Iterator[Event]:
        """Tell the steps, with a gate after each."""
        for event in steps:
            yield event
            yield from self.gate()
