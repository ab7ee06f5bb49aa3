"""A part of an array that is read only when it is sliced itself: one channel, or every so many pixels."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Part = int | slice


class View:
    """One place along some axes of an array, and every so many elements along others, without a copy.

    `parts` has an integer or a slice from 0 on for each axis of `array`. Slicing gives numpy arrays in the
    machine's byte order, and reads what the slice touches.
    """

    def __init__(self, array: Any, parts: tuple[Part, ...]) -> None:
        self.array, self.parts = array, parts
        lengths = [
            len(range(*part.indices(length)))
            for part, length in zip(parts, array.shape, strict=True)
            if isinstance(part, slice)
        ]
        self.shape, self.ndim, self.size = tuple(lengths), len(lengths), prod(lengths)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")

    def __getitem__(self, index: Any) -> NDArray[Any]:
        index = index if isinstance(index, tuple) else (index,)
        if not all(_is_plain(part) for part in index):
            everything: NDArray[Any] = np.asarray(self)[index]
            return everything
        wanted = iter(full_index(index, self.ndim))
        lengths = iter(self.shape)
        inner = tuple(
            part if isinstance(part, int) else _through(part.step or 1, next(wanted), next(lengths))
            for part in self.parts
        )
        return np.asarray(self.array[inner]).astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)


def _is_plain(part: Any) -> bool:
    """Tell whether every array takes this: files do not take steps backwards, nor lists of places."""
    if isinstance(part, slice):
        return part.step is None or part.step > 0
    return part is Ellipsis or isinstance(part, int | np.integer)


def full_index(index: tuple[Any, ...], axes: int) -> list[Any]:
    """Return an index with an entry for each axis."""
    if Ellipsis not in index:
        index = (*index, Ellipsis)
    at = index.index(Ellipsis)
    rest = (slice(None),) * (axes - len(index) + 1)
    return [*index[:at], *rest, *index[at + 1 :]]


def _through(step: int, part: Any, length: int) -> Part:
    """Return which elements of the array are a part of every `step`th of them."""
    if isinstance(part, slice):
        start, stop, inner = part.indices(length)
        return slice(start * step, (stop - 1) * step + 1, inner * step) if stop > start else slice(0, 0)
    place = int(part)
    if not -length <= place < length:
        raise IndexError(f"there is no element {place} of {length}")
    return place % length * step
