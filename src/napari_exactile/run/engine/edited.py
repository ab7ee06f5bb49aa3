"""Whether labels in memory are still what a run has written: people paint on them, scripts change them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, slices
from napari_exactile.images.store.recovery import checksum
from napari_exactile.run.engine.schedule.series import Series


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Checksums of the labels, or values, of finished tiles, and of all others."""

    done: int
    rest: int


def fingerprint(series: Series) -> Fingerprint | None:
    """Return what tells the labels of a series in memory from edited ones; None before there are any.

    Everything is read once, a tile at a time. It may be called in any thread while no run goes on.
    """
    array = series.probabilities if series.labels is None else series.labels
    if not isinstance(array, np.ndarray):
        return None
    pixels: NDArray[Any] = array
    leading = array.ndim - len(series.task.planes.shape) - len(series.task.labelled)
    done, rest = 0, 0
    for index in np.ndindex(series.task.planes.shape):
        plane: NDArray[Any] = pixels[(slice(None),) * leading + index]
        for part, finished in _parts(series, index):
            place: Any = (..., *slices(part))
            own = [plane[place]]
            done, rest = (checksum(own, done), rest) if finished else (done, checksum(own, rest))
    return Fingerprint(done, rest)


def _parts(series: Series, index: tuple[int, ...]) -> Iterator[tuple[Box, bool]]:
    """Yield the parts of a plane's labels, and whether they are finished: of other planes, none is."""
    indices = series.task.planes.indices
    number = indices.index(index) if index in indices else len(series.jobs)
    finished = series.jobs[number].done if number < len(series.jobs) else ()
    for tile in series.task.plan.tiling:
        part = series.task.in_arrays(tile.zone)
        if part is not None:
            yield part, tile.index in finished
