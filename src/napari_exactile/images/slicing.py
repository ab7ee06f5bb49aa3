"""Arrays of our own that are sliced like numpy's, and read what a slice touches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Part = int | slice


class Sliced(ABC):
    """An array of `shape` and `dtype` of which a part is read when it is sliced; that gives numpy arrays.

    Integers, slices with steps forwards and an ellipsis read only what they take. For all else that numpy
    knows, lists of places say, the whole array is read.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape, self.dtype = tuple(map(int, shape)), np.dtype(dtype)
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        parts = parts_of(index, self.shape)
        if parts is None:
            everything: NDArray[Any] = np.asarray(self)[index]
            return everything
        return self._read(parts)

    @abstractmethod
    def _read(self, parts: tuple[Part, ...]) -> NDArray[Any]:
        """Return what a part for each axis takes: places and slices that lie in the array."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __len__(self) -> int:
        return self.shape[0]


def parts_of(index: Any, shape: tuple[int, ...]) -> tuple[Part, ...] | None:
    """Return an integer from 0 on, or a slice with start, stop and step forwards, for each axis.

    None where an index is more than that. Raises IndexError for places that are not there.

    >>> parts_of((..., -1), (5, 7)), parts_of(slice(2), (5,)), parts_of([0, 2], (5,))
    ((slice(0, 5, 1), 6), (slice(0, 2, 1),), None)
    """
    index = index if isinstance(index, tuple) else (index,)
    if not all(map(_is_plain, index)) or sum(part is Ellipsis for part in index) > 1:
        return None
    at = next((n for n, part in enumerate(index) if part is Ellipsis), len(index))
    before, after = index[:at], index[at + 1 :]
    rest = (slice(None),) * (len(shape) - len(before) - len(after))
    if len(before) + len(after) > len(shape):
        raise IndexError(f"{len(before) + len(after)} places are given, but there are {len(shape)} axes")
    full = (*before, *rest, *after)
    return tuple(_part(part, length) for part, length in zip(full, shape, strict=True))


def lay_over(
    found: NDArray[Any], parts: tuple[Part, ...], pixels: NDArray[Any], place: tuple[Part, ...]
) -> None:
    """Write those of the `pixels` at a `place` of an array into what was `found` there by `parts`.

    >>> found = np.zeros(3)
    >>> lay_over(found, (slice(0, 6, 2),), np.array([7, 8, 9]), (slice(1, 4),))
    >>> found.tolist()
    [0.0, 8.0, 0.0]
    """
    into, out_of = list[Part](), list[Part]()
    for part, at in zip(parts, place, strict=True):
        taken, there = _range(part), _range(at)
        first = max(0, -((taken.start - there.start) // taken.step))
        last = min(len(taken), -((taken.start - there.stop) // taken.step))
        if first >= last:
            return
        start = taken[first] - there.start
        if isinstance(part, slice):
            into.append(slice(first, last) if isinstance(at, slice) else first)
        if isinstance(at, slice):
            stop = taken[last - 1] - there.start + 1
            out_of.append(slice(start, stop, taken.step) if isinstance(part, slice) else start)
    found[tuple(into)] = pixels[tuple(out_of)]


def _range(part: Part) -> range:
    if isinstance(part, slice):
        return range(part.start, part.stop, part.step or 1)
    return range(part, part + 1)


def _is_plain(part: Any) -> bool:
    if isinstance(part, slice):
        return part.step is None or part.step > 0
    return part is Ellipsis or (isinstance(part, int | np.integer) and not isinstance(part, bool))


def _part(part: Any, length: int) -> Part:
    if isinstance(part, slice):
        start, stop, step = part.indices(length)
        return slice(start, max(start, stop), step)
    place = int(part)
    if not -length <= place < length:
        raise IndexError(f"there is no element {place} of {length}")
    return place % length
