"""The results of one plane, whatever computes them: the one place that writes to its arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import box_shape, full_box, slices
from napari_exactile.geometry.tiling import Tile
from napari_exactile.network.declared import Declared
from napari_exactile.run.engine.door import Computed, Piece
from napari_exactile.run.engine.events import Event, TileFinished
from napari_exactile.run.engine.pipeline import WriteBehind
from napari_exactile.run.engine.schedule.arrays import Arrays
from napari_exactile.run.plan.approximate import pixels_read
from napari_exactile.run.plan.bands import Band, Bands
from napari_exactile.run.plan.plan import redundancy
from napari_exactile.run.task.task import Task


class PlaneResults:
    """Labels and numbers of one plane in `arrays`, and which of its tiles are done.

    `labels` holds the classes of finished zones and the task's `unfinished` elsewhere, `probabilities` those
    of finished zones and NaN elsewhere; where the output is values, there are no labels and `probabilities`
    holds the values. Both cover the box `labelled` of the output. A tile that several bands compute is done
    with the last of them. `seconds` are asked for when one is.
    """

    def __init__(self, task: Task, arrays: Arrays, seconds: Callable[[], float]) -> None:
        self._task, self._arrays, self._seconds = task, arrays, seconds
        self.bands = Bands(task.plan.tiling, task.in_arrays, box_shape(task.labelled), arrays.shard())
        self.labels: NDArray[Any] | None = None
        self.probabilities: NDArray[Any] | None = None
        self._here: dict[int, int] = {}  # near-ties of the tiles that were finished here
        self._parts: set[tuple[int, int]] = set()  # bands and tiles that were written here
        self._ties = Counter[int]()
        self.recall()

    def recall(self) -> None:
        """Take as done what was done here and what the arrays remember, which may change as more is known."""
        ties = {**self._arrays.remembered().near_ties, **self._here}
        self.done, self.near_ties = set(ties), sum(ties.values())

    @property
    def all_here(self) -> bool:
        """Whether every tile was finished here: others have not been seen."""
        return len(self._here) == len(self._task.plan)

    @cached_property
    def redundancy(self) -> float:
        """The multiply-accumulates relative to one pass over the region, with zones that bands share."""
        task, plan = self._task, self._task.plan
        if not self.bands.overlap:
            return plan.redundancy
        asked = task.settings.region or full_box(plan.tiling.shape)
        computed = self.bands.computed(task.cut)
        if isinstance(task.analysis, Declared):
            return pixels_read(computed, asked)
        return redundancy(task.analysis, computed, asked, plan.method, plan.schedule)

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
        untouched = not self.done and not self._parts
        return (one for one in range(len(self.bands)) if untouched or self.left_of(one).tiles)

    def left_of(self, number: int) -> Band:
        """Return what is left of a band."""
        return self.bands.band(number).without(partial(self._has, number))

    def _has(self, band: int, tile: int) -> bool:
        return tile in self.done or (band, tile) in self._parts

    @property
    def at_once(self) -> bool:
        """Whether writing takes less time than waking another thread for it: in memory, it does."""
        return all(type(array) in {np.ndarray, type(None)} for array in (self.labels, self.probabilities))

    def take(self, computed: Computed, writer: WriteBehind) -> None:
        """Hand what was computed to the writer, and after it the news that it is written."""
        writes = [writer.write(partial(self._write, piece)) for piece in computed.pieces]
        tile = self._task.plan.tiling.tile(computed.tile.index)
        writer.end(tile, writes, partial(self._finish, computed, tile))

    def _write(self, piece: Piece) -> None:
        index: Any = (..., *slices(piece.box, self._task.labelled))
        if self.labels is not None:
            self.labels[index] = piece.labels
        if self.probabilities is not None:
            self.probabilities[index] = piece.numbers

    def _finish(self, computed: Computed, tile: Tile) -> Event | None:
        """Let the arrays know of a tile of which all is written; only then does it count as done."""
        index = tile.index
        self._parts.add((computed.band, index))
        self._ties[index] += sum(piece.near_ties for piece in computed.pieces)
        if not all((band, index) in self._parts for band in self.bands.of_tile(index)):
            return None
        return self._finished(tile, self._ties.pop(index))

    def _finished(self, tile: Tile, near_ties: int) -> TileFinished:
        self._arrays.finished(tile.index, self._task.in_arrays(tile.zone), near_ties, self._seconds())
        self._here[tile.index] = near_ties
        self.near_ties += near_ties
        self.done.add(tile.index)
        return TileFinished(tile.index, tile.zone, near_ties)
