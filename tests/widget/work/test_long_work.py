"""Long work says how far it is and how long the rest takes; it can be paused and cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from napari.qt.threading import WorkerBase
from napari.utils import progress
from pytestqt.qtbot import QtBot

from napari_exactile.widget.form.background import Going
from napari_exactile.widget.work.long_work import LongWork, WorkButtons

WAIT = 20_000


class Steps:
    """A hundred steps, each let through by the test; what was done of them."""

    def __init__(self) -> None:
        self.done, self._gate = 0, threading.Semaphore(0)

    def let(self, steps: int) -> None:
        for _ in range(steps):
            self._gate.release()

    def __call__(self, going: Going) -> Iterator[str]:
        for _ in range(100):
            while not self._gate.acquire(timeout=0.01):
                going()
            self.done += 1
            going.tell("Counting", self.done / 100)
            going()
        yield "counted"


@pytest.fixture
def counting(qtbot: QtBot) -> Iterator[Any]:
    """Work that counts, its buttons, and what it has said and given."""
    one = SimpleNamespace(
        said=[], given=[], ended=0, failed=[], steps=Steps(), buttons=WorkButtons(cancel=True)
    )
    for button in one.buttons.all:
        qtbot.addWidget(button)
    one.work = LongWork("Counting", one.said.append, one.buttons)

    def ended() -> None:
        one.ended += 1

    one.begin = lambda: one.work.begin(one.steps, one.given.append, one.failed.append, ended)
    yield one
    one.work.forget()
    WorkerBase.await_workers(WAIT)


def test_a_pause_stands_still_and_ends_with_the_same(counting: Any, qtbot: QtBot) -> None:
    """Paused, no further step is done; resumed, the work comes to the end that it would have had."""
    counting.begin()
    counting.steps.let(30)
    qtbot.waitUntil(lambda: counting.steps.done == 30, timeout=WAIT)
    counting.buttons.pause.click()
    assert counting.work.paused
    assert counting.said[-1].startswith("Counting: paused - 30 %")
    assert counting.buttons.pause.text() == "Resume"
    qtbot.wait(50)  # it looks at its check only now
    counting.steps.let(70)
    qtbot.wait(400)
    assert counting.steps.done <= 31
    counting.buttons.pause.click()
    qtbot.waitUntil(lambda: counting.ended == 1, timeout=WAIT)
    assert (counting.given, counting.steps.done, counting.failed) == (["counted"], 100, [])
    assert not counting.work.going
    assert counting.buttons.pause.text() == "Pause"


def test_cancel_ends_a_pause(counting: Any, qtbot: QtBot) -> None:
    """Cancelled while it waits, it ends without a result, and can be begun again, not paused any more."""
    counting.begin()
    counting.work.pause()
    counting.buttons.cancel.click()
    qtbot.waitUntil(lambda: counting.ended == 1, timeout=WAIT)
    assert (counting.given, counting.work.going, counting.work.paused) == ([], False, False)
    counting.begin()
    assert not counting.work.paused
    counting.steps.let(100)
    qtbot.waitUntil(lambda: counting.given == ["counted"], timeout=WAIT)


def test_pauses_do_not_count(counting: Any, qtbot: QtBot) -> None:
    """What is said of the time that is left is the same after a pause as before it."""
    counting.begin()
    for _ in range(20):
        counting.steps.let(1)
        qtbot.wait(20)
    qtbot.waitUntil(lambda: counting.said[-1].startswith("Counting: 20 % - "), timeout=WAIT)
    counting.work.pause()
    qtbot.wait(3000)
    counting.work.pause()
    counting.steps.let(1)
    qtbot.waitUntil(lambda: counting.steps.done == 21, timeout=WAIT)
    counting.work.tell()
    # Four fifths of half a second are left; with the pause it would be twelve seconds.
    assert int(counting.said[-1].split(" - ")[1].split()[0]) < 8


def test_buttons_come_where_it_takes_long(counting: Any, qtbot: QtBot) -> None:
    """Nothing flickers for what takes less than a second; after it both can be pressed until it ends."""
    counting.begin()
    qtbot.wait(300)
    assert not any(button.isVisible() for button in counting.buttons.all)
    qtbot.waitUntil(lambda: all(button.isVisible() for button in counting.buttons.all), timeout=5000)
    counting.steps.let(100)
    qtbot.waitUntil(lambda: not any(button.isVisible() for button in counting.buttons.all), timeout=WAIT)


def test_an_error_ends_it_in_words(counting: Any, qtbot: QtBot) -> None:
    """An error is handed over once, and the work is at its end by then."""

    def fails(going: Going) -> Iterator[None]:
        raise ValueError("no such pixels")
        yield

    counting.work.begin(fails, counting.given.append, counting.failed.append)
    qtbot.waitUntil(lambda: bool(counting.failed), timeout=WAIT)
    assert str(counting.failed[0]) == "no such pixels"
    assert not counting.work.going


def test_it_is_in_the_activity_dock(
    make_napari_viewer: Callable[..., Any], counting: Any, qtbot: QtBot
) -> None:
    """It has a line there with its name and share, which goes when the work ends."""
    make_napari_viewer()
    counting.begin()
    counting.steps.let(50)

    def lines() -> list[Any]:
        return [line for line in progress._all_instances if "Counting" in line.desc]

    qtbot.waitUntil(lambda: any(line.n == 50 for line in lines()), timeout=5000)
    counting.work.stop()
    qtbot.waitUntil(lambda: not lines(), timeout=5000)
