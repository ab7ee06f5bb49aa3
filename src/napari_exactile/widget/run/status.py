"""What a run does and how it ended: one frozen value that knows no window, and what may become of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event


class State(Enum):
    """Where a run is, from its start to its end; a run that has tiles left can be started again."""

    IDLE = "idle"  # not started yet
    PREPARING = "preparing"  # before its first tile
    RUNNING = "running"
    PAUSED = "paused"  # the tile at work is finished, no other is started
    STOPPING = "stopping"  # asked to stop, or failed, and not at its end yet
    FINISHED = "finished"  # every tile is done
    STOPPED = "stopped"  # tiles are left
    FAILED = "failed"  # an error has ended it; what is done is kept
    GONE = "gone"  # so it was, and its store was removed: nothing is kept
    CLOSED = "closed"  # nobody looks any more


UNDER_WAY = frozenset({State.PREPARING, State.RUNNING, State.PAUSED, State.STOPPING})
_KEPT = frozenset({State.FINISHED, State.STOPPED, State.FAILED})
_UNFAILED = frozenset({State.STOPPING, State.FINISHED, State.STOPPED, State.CLOSED})
NEXT: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.PREPARING, State.CLOSED}),
    State.PREPARING: frozenset({State.RUNNING, State.PAUSED}) | _UNFAILED,
    State.RUNNING: frozenset({State.PAUSED}) | _UNFAILED,
    State.PAUSED: frozenset({State.PREPARING, State.RUNNING}) | _UNFAILED,
    State.STOPPING: frozenset({State.FAILED, State.GONE}) | _UNFAILED,
    State.FINISHED: frozenset({State.CLOSED}),
    State.STOPPED: frozenset({State.PREPARING, State.CLOSED}),
    State.FAILED: frozenset({State.PREPARING, State.CLOSED}),
    State.GONE: frozenset({State.CLOSED}),
    State.CLOSED: frozenset({State.CLOSED}),
}
"""What may follow each state; everything else is refused."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """How many tiles of all planes are `done`, `of` how many."""

    done: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.done <= self.of:
            raise ValueError(f"{self.done} of {self.of} tiles cannot be done")

    @property
    def complete(self) -> bool:
        """Whether none is left."""
        return self.done == self.of


@dataclass(frozen=True, slots=True)
class Step:
    """What is done before and after the tiles, in words, and how much of it; `of` is 0 where nobody knows."""

    words: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """How far a run is, and how it ended. Each method returns what it becomes then.

    `step` is what goes on instead of `tiles`, and `plane` which plane it is of. Of the tiles, `first` were
    done when this start began with them, at the time `since` (None: it has not), and the others took
    `seconds`; all together have so many `pixels`. `note` says what else is new, `error` why the run fails,
    and `end` as what it ends, if tiles are left. The labels are `saved` in a file as they are, and the layer
    `replaced`, if there is one, shows other pixels than theirs. Raises ValueError for what cannot be.
    """

    tiles: Tiles
    state: State = State.IDLE
    step: Step | None = None
    plane: str = ""
    first: int | None = None
    since: float = 0.0
    seconds: float = 0.0
    pixels: int = 0
    note: str = ""
    error: str = ""
    end: State = State.STOPPED
    saved: bool = False
    replaced: str = ""

    def __post_init__(self) -> None:
        if self.state is State.FINISHED and not self.tiles.complete:
            raise ValueError(f"a run is not finished with {self.tiles.done} of {self.tiles.of} tiles")
        fails = self.end in {State.FAILED, State.GONE}
        if fails != bool(self.error) or not (fails or self.end is State.STOPPED):
            raise ValueError(f"a run does not end as {self.end.value} for the reason '{self.error}'")
        if self.state in {State.FAILED, State.GONE} and self.state is not self.end:
            raise ValueError(f"a run that has {self.state.value} does not end as {self.end.value}")
        if self.saved and self.state not in {*_KEPT, State.CLOSED}:
            raise ValueError(f"labels of a run that is {self.state.value} are not saved")

    @property
    def running(self) -> bool:
        """Whether it has begun and not come to its end."""
        return self.state in UNDER_WAY

    @property
    def can_continue(self) -> bool:
        """Whether something is done and kept, and something is left."""
        return self.state in {State.STOPPED, State.FAILED} and 0 < self.tiles.done < self.tiles.of

    # --- what people ask for: where it means nothing, it changes nothing

    def started(self, tiles: Tiles) -> Status:
        """Begin, or continue with the tiles that are left; raises ValueError where neither can be."""
        if self.running:
            raise ValueError(f"a run that is {self.state.value} cannot become preparing: it has begun")
        return self._to(
            State.PREPARING, tiles=tiles, step=Step("Starting..."), plane="", first=None, seconds=0.0,
            note="", error="", end=State.STOPPED, saved=False,
        )  # fmt: skip

    def paused(self) -> Status:
        """Start no other tile."""
        if self.state not in {State.PREPARING, State.RUNNING}:
            return self
        return self._to(State.PAUSED, step=self.step if self.first is None else None)

    def resumed(self) -> Status:
        """Go on."""
        if self.state is not State.PAUSED:
            return self
        return self._to(State.PREPARING) if self.first is None else self._to(State.RUNNING, step=None)

    def stopping(self) -> Status:
        """Come to an end, whatever is left."""
        return self._to(State.STOPPING) if self.running else self

    def kept(self, saved: bool) -> Status:
        """Take the labels for saved or, where they have changed since, not."""
        return replace(self, saved=saved) if self.state in _KEPT else self

    def closed(self) -> Status:
        """Be shown to nobody any more."""
        return self._to(State.CLOSED)

    # --- what the worker tells: what comes late changes nothing

    def heard(self, event: Event, tiles: Tiles, now: float = 0.0) -> Status:
        """Take in an event, with the tiles that are done by it; `now` is of a clock that stands in pauses."""
        if not self.running:
            return self
        changes: dict[str, Any] = {}
        match event:
            case events.PlaneStarted(number, planes):
                changes["plane"] = f"plane {number} of {planes}"
            case events.Measuring(fraction):
                changes["step"] = self._doing("Measuring image", round(100 * fraction), 100)
            case events.Surveying(number, passes, done, of):
                changes["step"] = self._doing(f"Pass {number} of {passes} before the labels", done, of)
            case events.Checking(done, of):
                changes["step"] = Step("Checking windows by another path", done, of)
            case events.TileHalved(zone):
                changes["note"] = f"Memory was short: going on in pieces of {max(zone)} px"
            case events.Ready():
                changes = {"step": None} | self._begin(tiles, now)
            case events.TileFinished():
                changes = {"step": None, "note": "", "seconds": now - self.since}
            case events.Paused():
                changes["step"] = None
        return replace(self, tiles=tiles, **changes)

    def failing(self, error: str, gone: bool = False) -> Status:
        """Come to an end with an error, in words; `gone`: the store was removed."""
        if not self.running:
            return self
        return self._to(State.STOPPING, error=error, end=State.GONE if gone else State.FAILED)

    def ended(self, tiles: Tiles) -> Status:
        """Be over, with so many tiles done."""
        if not self.running:
            return self
        finished = tiles.complete and self.end is State.STOPPED
        return self._to(State.FINISHED if finished else self.end, tiles=tiles, step=None, note="")

    def _doing(self, words: str, done: int, of: int) -> Step:
        return Step(f"{words}, {self.plane}" if self.plane else words, done, of)

    def _begin(self, tiles: Tiles, now: float) -> dict[str, Any]:
        """Return what changes when tiles are next: for the first plane, the time begins."""
        if self.first is not None:
            return {}
        state = State.RUNNING if self.state is State.PREPARING else self.state
        return {"first": tiles.done, "since": now, "state": state}

    def _to(self, state: State, **changes: Any) -> Status:
        if state not in NEXT[self.state]:
            raise ValueError(f"a run that is {self.state.value} cannot become {state.value}")
        return replace(self, state=state, **changes)
