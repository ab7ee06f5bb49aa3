"""Work off the GUI thread: each worker supersedes the one before it of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.qt.threading import create_worker


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

    def forget(self) -> None:
        """Deliver no answer to what was asked."""
        self._question += 1
