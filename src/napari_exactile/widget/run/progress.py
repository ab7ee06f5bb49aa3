"""How far a run is and how fast it goes, in the footer."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

from superqt.utils import qthrottled

from napari_exactile.geometry.words import part_of
from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Event
from napari_exactile.widget.run.footer import Footer
from napari_exactile.widget.run.words import duration

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.series import Series

# A redraw takes tens of milliseconds with software OpenGL: more of them would only slow the run.
REFRESH_MS = 250


class Progress:
    """Tells of the run of what `series` gives, from `start` to `stop`; belongs to the GUI thread."""

    def __init__(self, footer: Footer, control: Control, series: Callable[[], Series]) -> None:
        self._footer, self._control, self._series = footer, control, series
        self._telling, self._plane_words = False, ""
        self._started, self._waited, self._done_before = 0.0, 0.0, 0
        self.soon = qthrottled(self.show, timeout=REFRESH_MS)

    def start(self) -> None:
        """A run begins."""
        self._telling, self._started = True, 0.0
        self._footer.running("Starting...")

    def stop(self) -> None:
        """The run is over: nothing is told any more, not even what was about to be."""
        self._telling = False
        self.soon.cancel()

    def tell(self, event: Event) -> None:
        """Say what an event means."""
        match event:
            case events.PlaneStarted(number, planes):
                self._plane_words = f"plane {number} of {planes}"
            case events.Measuring(fraction):
                self._say("Measuring image", round(100 * fraction), 100)
            case events.Surveying(number, passes, done, tiles):
                self._say(f"Pass {number} of {passes} before the labels", done, tiles)
            case events.Checking(done, total):
                self._footer.running("Checking windows by another path", done, total)
            case events.TileHalved(zone):
                self._footer.show_rate(f"Memory was short: going on in pieces of {max(zone)} px")
            case events.Ready():
                self._begin()
                self.soon()
            case events.TileFinished():
                self.soon()
            case events.Paused():
                self.show()

    def show(self) -> None:
        """Show what is done, and what that says of the rest."""
        if not self._telling:
            return  # a throttled call can come late, when the dock is already gone
        series, paused = self._series(), self._control.paused
        self._say(
            f"{'Paused: ' if paused else ''}{part_of(series.done, series.task.tiles, 'tile')}",
            series.done,
            series.task.tiles,
        )
        fresh = series.done - self._done_before
        if self._started and fresh > 0 and not paused:
            self._footer.show_rate(self._rate(fresh))

    def show_pause(self) -> None:
        """Show at once that the run was paused or goes on, if its tiles have begun."""
        if self._started:
            self.show()

    def _begin(self) -> None:
        if not self._started:
            self._waited = self._control.waited
            self._started, self._done_before = time.perf_counter(), self._series().done

    def _rate(self, fresh: int) -> str:
        series = self._series()
        seconds = time.perf_counter() - self._started - (self._control.waited - self._waited)
        region = series.task.plan.tiling.region
        pixels = len(series.task.planes.sources) * prod(map(len, region)) * fresh / series.task.tiles
        left = (series.task.tiles - series.done) * seconds / fresh
        return f"{pixels / seconds / 1e6:.2f} Mpx/s - {duration(left)} left"

    def _say(self, text: str, done: int, total: int) -> None:
        self._footer.running(f"{text}, {self._plane_words}" if self._plane_words else text, done, total)
