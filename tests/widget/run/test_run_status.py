"""A run in the dock is always in one state that it can be in, whatever happens in whatever order."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import napari_exactile as ex
from napari_exactile.run.engine.events import Event
from napari_exactile.widget.run.status import NEXT, UNDER_WAY, State, Status, Tiles
from napari_exactile.widget.run.words import progress_words, rate_words

ENDS = {State.FINISHED, State.STOPPED, State.FAILED, State.GONE}
ZONE = (ex.Interval(0, 8), ex.Interval(0, 8))
NOT_OF_TILES = (
    ex.Measuring(0.5), ex.StoreOpened(0), ex.PlaneStarted(1, 2), ex.Surveying(1, 2, 3, 4), ex.TileStarted(0),
    ex.TileHalved((4, 4)), ex.Checking(1, 2), ex.Paused(), ex.Finished(cancelled=False),
)  # fmt: skip


class AnyOrder(RuleBasedStateMachine):
    """Everything that can happen to a run; `done` is what its worker has computed."""

    @initialize(of=st.integers(1, 4))
    def make(self, of: int) -> None:
        self.of, self.done, self.now = of, 0, 0.0
        self.status = self.before = Status(Tiles(0, of), pixels=64 * of)

    def become(self, status: Status) -> None:
        self.before, self.status = self.status, status
        same = status.state is self.before.state
        assert same or status.state in NEXT[self.before.state], (self.before.state, status.state)

    def hear(self, event: Event) -> None:
        self.now += 1
        self.become(self.status.heard(event, Tiles(self.done, self.of), self.now))

    @rule()
    def start(self) -> None:
        if State.PREPARING in NEXT[self.status.state] and not self.status.running:
            self.become(self.status.started(Tiles(self.done, self.of)))
            assert (self.status.state, self.status.error, self.status.saved) == (State.PREPARING, "", False)
        else:
            with pytest.raises(ValueError, match="cannot become preparing"):
                self.status.started(Tiles(self.done, self.of))

    @rule()
    def pause(self) -> None:
        self.become(self.status.paused())
        assert self.status.state is not State.RUNNING

    @rule()
    def resume(self) -> None:
        self.become(self.status.resumed())
        assert self.status.state is not State.PAUSED

    @rule()
    def cancel(self) -> None:
        self.become(self.status.stopping())
        assert not self.status.running or self.status.state is State.STOPPING

    @rule(event=st.sampled_from(NOT_OF_TILES))
    def something_else(self, event: Event) -> None:
        self.hear(event)

    @rule()
    def ready(self) -> None:
        self.hear(ex.Ready(self.of, self.done))

    @precondition(lambda self: self.done < self.of)
    @rule()
    def tile(self) -> None:
        self.done += self.status.running
        self.hear(ex.TileFinished(self.done, ZONE, 0))

    @rule()
    def error(self) -> None:
        self.become(self.status.failing("the disk is full"))

    @rule()
    def store_gone(self) -> None:
        self.become(self.status.failing("the store was removed", gone=True))

    @rule(name=st.sampled_from(["", "slide"]))
    def image_replaced(self, name: str) -> None:
        self.become(replace(self.status.stopping(), replaced=name))

    @rule(saved=st.booleans())
    def saved_or_edited(self, saved: bool) -> None:
        self.become(self.status.kept(saved))

    @rule()
    def worker_ended(self) -> None:
        was_running = self.status.running
        self.become(self.status.ended(Tiles(self.done, self.of)))
        assert (self.status.state in ENDS) or not was_running

    @rule()
    def closed(self) -> None:
        self.become(self.status.closed())
        assert self.status.state is State.CLOSED

    @invariant()
    def fits_together(self) -> None:
        status = self.status
        assert status.running == (status.state in UNDER_WAY)
        assert status.state is not State.FINISHED or status.tiles.done == self.of
        assert status.state not in {State.FAILED, State.GONE} or status.error
        assert not status.can_continue or (not status.running and status.tiles.done < self.of)
        assert not status.can_continue or status.tiles.done or status.at_pass
        assert not (status.running and status.saved)

    @invariant()
    def late_words_change_nothing(self) -> None:
        if not self.status.running:
            told = self.status.heard(ex.Ready(self.of, 0), Tiles(self.of, self.of))
            assert told is self.status
            assert self.status.failing("late") is self.status
            assert self.status.ended(Tiles(self.of, self.of)) is self.status

    @invariant()
    def can_be_told(self) -> None:
        assert progress_words(self.status)
        assert "Paused" not in progress_words(self.status) or self.status.state is State.PAUSED
        step, pace = self.status.step, self.status.pace
        assert not rate_words(self.status) or self.status.note or (step and step.pace) or pace.seconds > 0


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"state": State.FINISHED}, "not finished with 1 of 3 tiles"),
        ({"state": State.FAILED}, "does not end as stopped"),
        ({"error": "the disk is full"}, "does not end as stopped for the reason"),
        ({"end": State.GONE}, "does not end as gone for the reason ''"),
        ({"state": State.RUNNING, "saved": True}, "running are not saved"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], why: str) -> None:
    """No status says that a run is finished with tiles left, or fails for no reason."""
    with pytest.raises(ValueError, match=why):
        Status(Tiles(1, 3), **wrong)


def test_more_tiles_than_there_are_cannot_be_done() -> None:
    """Nor fewer than none."""
    for done in (-1, 4):
        with pytest.raises(ValueError, match=f"{done} of 3 tiles"):
            Tiles(done, 3)


def said(status: Status) -> tuple[str, str]:
    return progress_words(status).replace("\u00a0", " "), rate_words(status)


def test_words_of_a_run_that_goes_on() -> None:
    """What goes on before the tiles, tiles, a pause, and how fast it was without the time before."""
    status = Status(Tiles(0, 4), pixels=4_000_000).started(Tiles(0, 4))
    assert progress_words(status) == "Starting..."
    status = status.heard(ex.PlaneStarted(1, 2), Tiles(0, 4), 3.0)
    status = status.heard(ex.Measuring(0.0), Tiles(0, 4), 4.0)
    measuring = status.heard(ex.Measuring(0.25), Tiles(0, 4), 5.0)
    assert said(measuring) == ("Measuring image, plane 1 of 2: 25 %", "3 s left")
    assert said(measuring.paused()) == ("Paused: Measuring image, plane 1 of 2: 25 %", "3 s left")
    status = measuring.heard(ex.Ready(4, 0), Tiles(0, 4), 10.0)
    assert said(status) == ("0 of 4 tiles, plane 1 of 2", "")
    status = status.heard(ex.TileHalved((8, 4)), Tiles(0, 4), 11.0)
    assert rate_words(status) == "Memory was short: going on in pieces of 8 px"
    status = status.heard(ex.TileFinished(0, ZONE, 0), Tiles(1, 4), 12.0)
    assert rate_words(status) == "0.50 Mpx/s - 6 s left"
    assert progress_words(status.paused()) == "Paused: 1 of 4 tiles, plane 1 of 2"
    assert progress_words(status.paused().resumed()) == "1 of 4 tiles, plane 1 of 2"


def test_passes_and_tiles_are_one_work() -> None:
    """Each pass counts with its share of the work, so the time left does not jump."""
    status = Status(Tiles(0, 10), shares=(0.5, 0.3, 0.2), pixels=10_000_000).started(Tiles(0, 10))
    left = []
    for second in range(101):
        if second < 50:
            event: Event = ex.Surveying(1, 2, second // 5, 10)
        elif second < 80:
            event = ex.Surveying(2, 2, (second - 50) // 3, 10)
        else:
            event = ex.Ready(10, 0) if second == 80 else ex.TileFinished(0, ZONE, 0)
        done = 0 if second < 80 else (second - 80) // 2
        status = status.heard(event, Tiles(done, 10), float(second))
        if second >= 10:
            assert status.pace is not None
            left.append(status.pace.left)
            assert left[-1] == pytest.approx(100 - second, rel=0.3, abs=6)
    assert "left" in rate_words(status.heard(ex.Surveying(2, 2, 5, 10), Tiles(0, 10), 101.0))


def test_a_status_needs_no_window() -> None:
    """What a run is can be asked without napari, Qt or torch."""
    code = "import sys, napari_exactile.widget.run.words; print({'napari', 'qtpy', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
