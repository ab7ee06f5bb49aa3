"""Work off the GUI thread: each worker supersedes the one before it of the same kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import create_worker

from napari_exactile.run.engine.control import Control
from napari_exactile.stopping import Cancelled


@dataclass(frozen=True, slots=True)
class Far:
    """How much of a step is done, from 0 to 1, at a time `at` of a clock that stands in pauses."""

    words: str
    share: float
    at: float


class Going:
    """Work that goes on in a thread, for the thread: called, it waits in pauses, and stops the work early.

    `far` is how far it said it was; None before that.
    """

    def __init__(self, control: Control) -> None:
        self.control = control
        self.far: Far | None = None

    def __call__(self) -> None:
        """Wait for the end of a pause; raises Cancelled once nobody wants the work any more."""
        self.control.hold()

    def tell(self, words: str, share: float) -> None:
        """Say how much of a step is done; each has a pace of its own."""
        self.far = Far(words, share, time.perf_counter() - self.control.waited)


Steps = Callable[[Going], Iterator[Any]]


def _nothing() -> None:
    pass


class Latest:
    """Runs one function at a time in the background; only the answer to the last question is delivered."""

    def __init__(self) -> None:
        self._question = 0

    def ask(
        self, work: Callable[[], Any], answer: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Call `work` in a thread, then `answer` or `failed` in this one, unless something else was asked."""
        self._question += 1
        question = self._question

        def if_latest(call: Callable[[Any], None]) -> Callable[[Any], None]:
            return lambda value: call(value) if question == self._question else None

        worker = create_worker(work, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(if_latest(answer))
        worker.errored.connect(if_latest(failed))
        worker.start()

    def follow(
        self,
        steps: Steps,
        step: Callable[[Any], None],
        failed: Callable[[Exception], None],
        ended: Callable[[], None] = _nothing,
    ) -> Going:
        """Iterate in a thread and call `step` with each value in this one, until something else is asked.

        `steps` gets what is returned: a check that stops it early, once that has happened.
        """
        self._question += 1
        question = self._question
        # napari asks its workers to quit when the window closes.
        control = Control(is_cancelled=lambda: question != self._question or worker.abort_requested)
        going = Going(control)

        def values() -> Iterator[Any]:
            # Errors cross as values: a worker takes a RuntimeError of a generator for a deleted Qt object.
            try:
                yield from steps(going)
            except Cancelled:
                return
            except Exception as error:
                yield error

        def deliver(value: Any) -> None:
            if question == self._question:
                (failed if isinstance(value, Exception) else step)(value)

        worker = create_worker(values, _start_thread=False, _ignore_errors=True)
        worker.yielded.connect(deliver)
        worker.finished.connect(lambda: ended() if question == self._question else None)
        worker.start()
        return going

    def forget(self) -> None:
        """Deliver no answer to what was asked."""
        self._question += 1
