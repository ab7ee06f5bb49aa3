"""Where the results of a run are kept: the protocol that a job writes to, and its form in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.images.normalization import Normalization
from napari_exactile.run.settings import NumberType


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was done before: the near-ties of finished tiles, by their number, and the image's statistics.

    `seconds` is how long it took.
    """

    near_ties: Mapping[int, int] = field(default_factory=dict)
    normalization: Normalization | None = None
    seconds: float = 0.0


class Arrays(Protocol):
    """Where a run's results are kept, and what is known of them from before; used by one thread at a time.

    Arrays of numpy itself are written by the thread of the run, all others by one thread beside it, which
    then calls `finished`.
    """

    def remembered(self) -> Remembered:
        """Return what was done before this run; asked when the job is made."""
        ...

    def measured(self, normalization: Normalization) -> None:
        """Hear of the image's statistics, before the arrays are asked for."""
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

    def finished(self, tile: int, part: Box | None, near_ties: int) -> None:
        """Hear that a tile's `part` of the arrays is written (None: it has none), before anyone else does."""
        ...


class Memory:
    """Keeps results in memory, and nothing from one run to the next."""

    def remembered(self) -> Remembered:
        """Return that nothing is known."""
        return Remembered()

    def measured(self, normalization: Normalization) -> None:
        """Do nothing: the job knows it."""

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

    def finished(self, tile: int, part: Box | None, near_ties: int) -> None:
        """Do nothing: what is written is there."""


def as_numbers(values: NDArray[np.float32], dtype: NumberType) -> NDArray[Any]:
    """Return probabilities or values in the type that they are kept in; ValueError where it is too small."""
    try:
        with np.errstate(over="raise"):
            return values.astype(dtype, copy=False)
    except FloatingPointError:
        most = np.abs(values[np.isfinite(values)]).max()
        raise ValueError(f"values up to {most:.4g} do not fit into {dtype}: keep them as float32") from None
