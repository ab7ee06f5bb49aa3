"""Coarser levels of a large image whose file has none, so that it can be looked at as a whole.

Fine levels are every 2nd and 4th pixel, read when they are looked at: a screen full of them is little. Coarse
ones are kept in memory, 2 % of the image, and come to be by reading it once.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.pyramid import level_shapes, part_at
from napari_exactile.images.view import View

# Pixels of a plane that can be shown at once without a wait: more of them get coarser levels.
SHOWN_AT_ONCE = 2**24
# Level 3 is the first that is kept: a screen full of level 2 takes 16 screens of the image.
FIRST_KEPT, MOST_KEPT_BYTES = 3, 2**29
# What is read at once, about.
SIDE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """Levels below `array`, the largest first: `read` ones and, after those, `kept` ones.

    Level k has every `2**k`-th pixel along the axes `plane`, y and x. Kept levels are 0 until `filling` has
    come by. Stacks keep none: all of a stack would be read for the plane in sight.
    """

    array: Any
    plane: tuple[int, int]
    read: tuple[View, ...]
    kept: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, array: Any, plane: tuple[int, int]) -> Overview:
        """Return the levels below an array; none where it can be shown as it is."""
        shape = tuple(array.shape[axis] for axis in plane)
        count = len(level_shapes(shape)) if prod(shape) > SHOWN_AT_ONCE else 1
        views = [_every(2**level, array, plane) for level in range(1, count)]
        first = _first_kept(views, stacked=plane[0] > 0)
        kept = tuple(np.zeros(view.shape, view.dtype) for view in views[first:])
        return cls(array, plane, tuple(views[:first]), kept)

    @property
    def levels(self) -> tuple[Any, ...]:
        """All levels."""
        return (*self.read, *self.kept)

    def filling(self) -> Iterator[Box]:
        """Read the image once, box by box, into the kept levels; yield each box that is done.

        Ends early when nobody has the kept levels any more. Raises OSError and what else the array raises.
        """
        return _fill(self.array, self.plane, len(self.read) + 1, [weakref.ref(level) for level in self.kept])


def _every(step: int, array: Any, plane: tuple[int, int]) -> View:
    parts = [slice(None, None, step if axis in plane else 1) for axis in range(array.ndim)]
    return View(array, tuple(parts))


def _first_kept(views: list[View], stacked: bool) -> int:
    """Return how many of the levels are read when they are looked at."""
    sizes = [view.size * view.dtype.itemsize for view in views]
    for first in range(FIRST_KEPT - 1, len(views)):
        if not stacked and sum(sizes[first:]) <= MOST_KEPT_BYTES:
            return first
    return len(views)


def _fill(
    array: Any, plane: tuple[int, int], first: int, kept: list[weakref.ref[NDArray[Any]]]
) -> Iterator[Box]:
    for box in _boxes(array, plane) if kept else ():
        index: list[Any] = [slice(None)] * array.ndim
        for axis, side in zip(plane, box, strict=True):
            index[axis] = slice(side.start, side.stop)
        pixels = np.asarray(array[tuple(index)])
        for level, known in enumerate(kept, first):
            target, part = known(), part_at(level, box)
            if target is None:
                return
            if part is not None:
                _put(target, plane, part, pixels, box, 2**level)
        del target
        yield box


def _put(
    target: NDArray[Any], plane: tuple[int, int], part: Box, pixels: NDArray[Any], box: Box, step: int
) -> None:
    into: list[Any] = [slice(None)] * target.ndim
    out_of: list[Any] = [slice(None)] * target.ndim
    for axis, place, side in zip(plane, part, box, strict=True):
        into[axis] = slice(place.start, place.stop)
        out_of[axis] = slice(-side.start % step, None, step)
    target[tuple(into)] = pixels[tuple(out_of)]


def _boxes(array: Any, plane: tuple[int, int]) -> list[Box]:
    """Return boxes of whole chunks, so that none is decoded twice."""
    chunks = getattr(array, "chunks", None) or (1,) * array.ndim
    rows, columns = (_cut(array.shape[axis], chunks[axis]) for axis in plane)
    return [(y, x) for y in rows for x in columns]


def _cut(length: int, chunk: int) -> list[Interval]:
    side = chunk * max(1, -(-SIDE // chunk))
    return [Interval(start, min(start + side, length)) for start in range(0, length, side)]
