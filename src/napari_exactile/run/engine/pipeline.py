"""While one tile is computed, the next ones are read and those before it are written, each in one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile
from napari_exactile.run.engine.events import Event, TileError
from napari_exactile.run.plan.ahead import AHEAD, BEHIND

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Reads what is expected before it is taken: at most `AHEAD` boxes that have not been taken yet.

    `read` is called in a thread of its own, one box after the other, which ends with the context once the
    read under way does. All methods belong to one other thread.
    """

    def __init__(self, read: Callable[[Box], T]) -> None:
        self._read = read
        self._expected: list[Box] = []
        self._reads: dict[Box, Future[T]] = {}
        self._pool = ThreadPoolExecutor(1, "exactile-read")

    def __enter__(self) -> ReadAhead[T]:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reads.clear()

    def expect(self, boxes: Iterable[Box]) -> None:
        """Read these next, in this order, from now on; others that were read ahead are dropped."""
        self._expected = list(boxes)
        for box in set(self._reads).difference(self._expected[:AHEAD]):
            self._reads.pop(box).cancel()
        self._read_on()

    def take(self, box: Box) -> T:
        """Return a box once it is read, also one that was not expected; raises what reading it raises."""
        read = self._reads.pop(box, None) or self._pool.submit(self._read, box)
        if box in self._expected:
            self._expected.remove(box)
        self._read_on()
        return read.result()

    def _read_on(self) -> None:
        for box in self._expected:
            if len(self._reads) >= AHEAD:
                break
            if box not in self._reads:
                self._reads[box] = self._pool.submit(self._read, box)


class WriteBehind:
    """Writes results in the order in which they come, at most `BEHIND` of them behind the computation.

    Tasks are called in a thread of its own, which ends with the context once all are done; or, `at_once`, in
    the thread that hands them over: for arrays in memory, that takes less time than waking another.
    All methods belong to one other thread.
    """

    def __init__(self, *, at_once: bool) -> None:
        self._pool = None if at_once else ThreadPoolExecutor(1, "exactile-write")
        self._writes: deque[Future[None]] = deque()
        self._ends: deque[tuple[Tile, Future[Event | None]]] = deque()

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def write(self, task: Callable[[], None]) -> Future[None]:
        """Write something soon; waits where that many wait already."""
        while self._writes and (self._writes[0].done() or len(self._writes) >= BEHIND):
            self._writes.popleft().exception()  # the end of its tile tells
        self._writes.append(write := self._submit(task))
        return write

    def end(self, tile: Tile, writes: Iterable[Future[Any]], finish: Callable[[], Event | None]) -> None:
        """Call `finish` after these writes of a tile, which have been handed over, if all have succeeded."""

        def finished() -> Event | None:
            for write in writes:
                write.result()
            return finish()

        self._ends.append((tile, self._submit(finished)))

    def finished(self, *, wait: bool = False) -> Iterator[Event]:
        """Tell what `finish` has returned for the tiles that are written by now, or with `wait` for all.

        Raises TileError for one that could not be written; those after it can be told by calling again.
        """
        while self._ends and (wait or self._ends[0][1].done()):
            tile, end = self._ends.popleft()
            try:
                event = end.result()
            except Exception as error:
                raise TileError.of(tile, error) from error
            if event is not None:
                yield event

    def _submit(self, task: Callable[[], T]) -> Future[T]:
        if self._pool is not None:
            return self._pool.submit(task)
        done: Future[T] = Future()
        try:
            done.set_result(task())
        except Exception as error:
            done.set_exception(error)
        return done
