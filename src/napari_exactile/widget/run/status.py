"""What a run does and how it ended: one frozen value that knows no window, and what may become of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event
from napari_exactile.widget.form.pace import Pace


class State(Enum):
    """Where a run is, from its start to its end; a run that has tiles left can be started again."""

    IDLE = "idle"  # not started yet
    PREPARING = "preparing"  # before its first tile
    RUNNING = "running"
    PAUSED = "paused"  # the tile, or row of a walk, at work is finished, no other is started
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
    """What is done before and after the tiles, in words, and how much of it; `of` is 0 where nobody knows.

    `pace` is its own, where that is not the run's.
    """

    words: str
    done: int = 0
    of: int = 0
    pace: Pace | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How far a run is, and how it ended. Each method returns what it becomes then.

    `step` is what goes on instead of `tiles`, of `plane` number so and so, or `what` it is; `at_pass` is the
    pass over the image, of how many, in which something was found that is kept. `pace` is that of all passes
    and tiles, which share the work on a plane as `shares` says and have so many `pixels` together; it is None
    before the first. With what is computed of tiles that have not ended, `advanced` tiles are done.
    `with_tiles`: tiles have begun. `note` says what else is new, `reason` why it was stopped where nobody
    asked for that, `error` why the run fails, and `end` as what it ends, if tiles are left. The labels are
    `saved` in a file as they are, and the layer `replaced`, if there is one, shows other pixels than theirs.
    Raises ValueError for what cannot be.
    """

    tiles: Tiles
    state: State = State.IDLE
    step: Step | None = None
    plane: tuple[int, int] = (1, 1)
    pace: Pace | None = None
    with_tiles: bool = False
    shares: tuple[float, ...] = (1.0,)
    pixels: int = 0
    at_pass: tuple[int, int] | None = None
    note: str = ""
    reason: str = ""
    error: str = ""
    end: State = State.STOPPED
    saved: bool = False
    replaced: str = ""
    what: str = "plane"
    advanced: float = 0.0

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
    def share(self) -> float | None:
        """How much of what goes on now is done, from 0 to 1; None where nobody knows."""
        if self.step is None:
            return max(self.tiles.done, self.advanced) / self.tiles.of
        return self.step.done / self.step.of if self.step.of else None

    @property
    def can_continue(self) -> bool:
        """Whether something is done and kept, and something is left."""
        begun = self.tiles.done > 0 or self.at_pass is not None
        return self.state in {State.STOPPED, State.FAILED} and begun and not self.tiles.complete

    # --- what people ask for: where it means nothing, it changes nothing

    def started(self, tiles: Tiles) -> Status:
        """Begin, or continue with the tiles that are left; raises ValueError where neither can be."""
        if self.running:
            raise ValueError(f"a run that is {self.state.value} cannot become preparing: it has begun")
        return self._to(
            State.PREPARING, tiles=tiles, advanced=0.0, step=Step("Starting..."), plane=(1, 1), pace=None,
            with_tiles=False, note="", reason="", error="", end=State.STOPPED, saved=False,
        )  # fmt: skip

    def paused(self) -> Status:
        """Start no other tile."""
        if self.state not in {State.PREPARING, State.RUNNING}:
            return self
        return self._to(State.PAUSED)

    def resumed(self) -> Status:
        """Go on."""
        if self.state is not State.PAUSED:
            return self
        return self._to(State.RUNNING if self.with_tiles else State.PREPARING)

    def stopping(self, reason: str = "") -> Status:
        """Come to an end, whatever is left, for a `reason` if nobody has asked for it."""
        return self._to(State.STOPPING, reason=self.reason or reason) if self.running else self

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
            case events.PlaneStarted(number, planes, what):
                changes["plane"], changes["what"] = (number, planes), what
            case events.Measuring(fraction):
                changes["step"] = self._doing("Measuring image", round(100 * fraction), 100, now)
            case events.Checking(done, of):
                changes["step"] = self._doing("Checking windows by another path", done, of, now)
            case events.Surveying(number, passes, done, of):
                changes = self._surveyed(number, passes, done, of, now)
            case events.TileHalved(zone):
                changes["note"] = f"Memory was short: going on in pieces of {max(zone)} px"
            case events.Ready():
                changes = {"step": None, "at_pass": None, "with_tiles": True} | self._paced(
                    tiles.done, tiles, now
                )
                changes["state"] = State.RUNNING if self.state is State.PREPARING else self.state
            case events.Advanced(of_plane):
                far = (self.plane[0] - 1) * tiles.of / self.plane[1] + of_plane
                changes = {"step": None, "advanced": far} | self._paced(far, tiles, now)
            case events.TileFinished():
                changes = {"step": None, "note": ""} | self._paced(tiles.done, tiles, now)
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

    def _doing(self, words: str, done: int, of: int, now: float) -> Step:
        """Return a step with a pace of its own, which goes on where it is the same as before."""
        share = done / of if of else 0.0
        known = self.step.pace if self.step is not None and self.step.words == words else None
        return Step(words, done, of, known.at(share, now) if known else Pace.begun(share, now))

    def _surveyed(self, number: int, passes: int, done: int, of: int, now: float) -> dict[str, Any]:
        """Return what changes as a pass goes on, of which so many tiles are `done`."""
        share = sum(self.shares[: number - 1]) + sum(self.shares[number - 1 : number]) * done / of
        changes = self._at((self.plane[0] - 1 + share) / self.plane[1], now)
        changes["step"] = Step(f"Pass {number} of {passes} before the labels", done, of)
        return changes | ({"at_pass": (number, passes)} if number > 1 or done else {})

    def _paced(self, done: float, tiles: Tiles, now: float) -> dict[str, Any]:
        """Return what changes with so many tiles done, of all `tiles`."""
        number, planes = self.plane
        of_plane = done / tiles.of * planes - (number - 1)
        share = 1 - self.shares[-1] * (1 - min(1.0, max(0.0, of_plane)))
        return self._at((number - 1 + share) / planes, now)

    def _at(self, share: float, now: float) -> dict[str, Any]:
        return {"pace": self.pace.at(share, now) if self.pace else Pace.begun(share, now)}

    def _to(self, state: State, **changes: Any) -> Status:
        if state not in NEXT[self.state]:
            raise ValueError(f"a run that is {self.state.value} cannot become {state.value}")
        return replace(self, state=state, **changes)
