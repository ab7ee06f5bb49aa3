"""Where the results of a run are kept: the protocol that a job writes to, and its form in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.run.engine.door import Known
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.plan.settings import NumberType


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was done before: the near-ties of finished tiles, by their number, and what is known of the image.

    `seconds` is how long it took.
    """

    near_ties: Mapping[int, int] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    seconds: float = 0.0


class Arrays(Protocol):
    """Where a run's results are kept, and what is known of them from before; used by one thread at a time.

    Arrays of numpy itself are written by the thread of the run, all others by one thread beside it, which
    then calls `finished`. `seconds` are those of the run so far.
    """

    def remembered(self) -> Remembered:
        """Return what was done before this run; asked when the job is made, and as more becomes known."""
        ...

    def shard(self) -> tuple[int, ...] | None:
        """Return the shape, in labels, of what one worker alone may write; None where that is anything."""
        ...

    def measured(self, normalization: Normalization, seconds: float) -> None:
        """Hear of the image's statistics, before the first pass; may be called again."""
        ...

    def surveyed(self, number: int, values: Statistics, seconds: float) -> None:
        """Hear what pass `number` (from 0) over the image has found, before the next one."""
        ...

    def labels(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int
    ) -> NDArray[Any]:
        """Return an array (*leading, *shape) of `unfinished`, except where labels are remembered."""
        ...

    def probabilities(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: NumberType
    ) -> NDArray[Any]:
        """Return an array of NaN for probabilities or values (*leading, *shape)."""
        ...

    def finished(self, tile: int, part: Box | None, near_ties: int, seconds: float) -> None:
        """Hear that a tile's `part` of the arrays is written (None: it has none), before anyone else does."""
        ...


class Memory:
    """Keeps results in memory, and nothing from one run to the next."""

    def remembered(self) -> Remembered:
        """Return that nothing is known."""
        return Remembered()

    def shard(self) -> tuple[int, ...] | None:
        """Return None: nobody else writes."""
        return None

    def measured(self, normalization: Normalization, seconds: float) -> None:
        """Do nothing: the job knows it."""

    def surveyed(self, number: int, values: Statistics, seconds: float) -> None:
        """Do nothing, as above."""

    def labels(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int
    ) -> NDArray[Any]:
        """Return an array for labels."""
        return np.full((*leading, *shape), unfinished, dtype)

    def probabilities(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: NumberType
    ) -> NDArray[Any]:
        """Return an array for probabilities or values."""
        return np.full((*leading, *shape), np.nan, dtype)

    def finished(self, tile: int, part: Box | None, near_ties: int, seconds: float) -> None:
        """Do nothing: what is written is there."""
