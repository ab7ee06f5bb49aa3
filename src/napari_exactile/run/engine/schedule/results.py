"""The results of one plane, whatever computes them: the one place that writes to its arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import box_shape, slices
from napari_exactile.geometry.tiling import Tile
from napari_exactile.run.engine.door import Computed, Piece
from napari_exactile.run.engine.events import TileFinished
from napari_exactile.run.engine.pipeline import WriteBehind
from napari_exactile.run.engine.schedule.arrays import Arrays
from napari_exactile.run.plan.bands import Band, Bands
from napari_exactile.run.task.task import Task


class PlaneResults:
    """Labels and numbers of one plane in `arrays`, and which of its tiles are done.

    `labels` holds the classes of finished zones and the task's `unfinished` elsewhere, `probabilities` those
    of finished zones and NaN elsewhere; where the output is values, there are no labels and `probabilities`
    holds the values. Both cover the box `labelled` of the output. `seconds` is asked when a tile is done.
    """

    def __init__(self, task: Task, arrays: Arrays, seconds: Callable[[], float]) -> None:
        self._task, self._arrays, self._seconds = task, arrays, seconds
        shape, walked = box_shape(task.labelled), task.plan.walked
        self.bands = Bands(task.plan.tiling, task.in_arrays, shape, arrays.shard(), walked)
        self.labels: NDArray[Any] | None = None
        self.probabilities: NDArray[Any] | None = None
        self._here: dict[int, int] = {}  # near-ties of the tiles that were finished here
        self.recall()

    def recall(self) -> None:
        """Take as done what was done here and what the arrays remember, which may change as more is known."""
        ties = {**self._arrays.remembered().near_ties, **self._here}
        self.done, self.near_ties = set(ties), sum(ties.values())

    @property
    def all_here(self) -> bool:
        """Whether every tile was finished here: others have not been seen."""
        return len(self._here) == len(self._task.plan)

    @property
    def started(self) -> bool:
        """Whether the arrays exist."""
        return self.labels is not None or self.probabilities is not None

    def make(self) -> None:
        """Make the arrays, once."""
        if self.started:
            return
        shape, decision = box_shape(self._task.labelled), self._task.decision
        if decision.labels:
            leading, dtype = decision.leading, np.min_scalar_type(self._task.unfinished)
            self.labels = self._arrays.labels(leading, shape, dtype, self._task.unfinished)
        if self._task.keeps_numbers:
            self.probabilities = self._arrays.probabilities(
                (decision.channels,), shape, self._task.settings.number_type
            )

    def left(self) -> Iterator[int]:
        """Yield the numbers of the bands of which something is left."""
        return (one for one in range(len(self.bands)) if not self.done or self.left_of(one).tiles)

    def left_of(self, number: int) -> Band:
        """Return what is left of a band."""
        return self.bands.band(number).without(self.done.__contains__)

    @property
    def _at_once(self) -> bool:
        """Whether writing takes less time than waking another thread for it: in memory, it does."""
        return all(type(array) in {np.ndarray, type(None)} for array in (self.labels, self.probabilities))

    @contextmanager
    def writing(self) -> Iterator[WriteBehind]:
        """Let `deliver` and `end` hand over what is computed, as long as this lasts."""
        self._writes = list[Future[None]]()
        with WriteBehind(at_once=self._at_once) as self._writer:
            yield self._writer

    def deliver(self, piece: Piece) -> None:
        """Hand a piece of the tile under way to the writer."""
        self._writes.append(self._writer.write(partial(self._write, piece)))

    def end(self, computed: Computed) -> None:
        """Hand the news over that a tile is computed, to be told once all of it is written."""
        writes, self._writes = self._writes, []
        tile = self._task.plan.tiling.tile(computed.index)
        self._writer.end(tile, writes, partial(self._finish, tile, computed.near_ties))

    def _write(self, piece: Piece) -> None:
        index: Any = (..., *slices(piece.box, self._task.labelled))
        if self.labels is not None:
            self.labels[index] = piece.labels
        if self.probabilities is not None:
            self.probabilities[index] = piece.numbers

    def _finish(self, tile: Tile, near_ties: int) -> TileFinished:
        """Let the arrays know of a tile that is written; only then does it count as done."""
        self._arrays.finished(tile.index, self._task.in_arrays(tile.zone), near_ties, self._seconds())
        self._here[tile.index] = near_ties
        self.near_ties += near_ties
        self.done.add(tile.index)
        return TileFinished(tile.index, tile.zone, near_ties)
