"""The levels of a label store as layers show them while they grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, slices
from napari_exactile.images.pyramid import part_at

if TYPE_CHECKING:
    from napari_exactile.images.store import LabelStore

# Bytes of coarse levels that are kept in memory: enough for all but the three finest of 100,000 x 50,000.
IN_MEMORY = 2**27


class StoredLevels:
    """The arrays (*leading, *stack, *shape) of a store's levels, level 0 first.

    The coarse ones lie in memory, as napari keeps what it has seen of the coarsest: it would never show what
    changes in a file. `update` belongs to the thread that writes the store; anyone may read the arrays.
    """

    def __init__(self, store: LabelStore) -> None:
        self._store = store
        self.arrays = _with_coarse_in_memory(store.levels)

    def update(self, plane: tuple[int, ...], part: Box) -> None:
        """Take what has been written in a box of level 0 of one plane over into the levels in memory."""
        for level, array in enumerate(self.arrays):
            box = part_at(level, part)
            if isinstance(array, np.ndarray) and box is not None:
                leading = array.ndim - len(plane) - len(box)
                index: Any = (*(slice(None),) * leading, *plane, *slices(box))
                array[index] = self._store.read(plane, box, level)


def _with_coarse_in_memory(levels: Sequence[Any]) -> tuple[Any, ...]:
    kept = [levels[-1][...]]
    free = IN_MEMORY - kept[0].nbytes
    for level in levels[-2::-1]:
        free -= level.nbytes
        kept.append(level[...] if free >= 0 else level)
    return tuple(kept[::-1])


class PartOnDisk:
    """A part of an array on disk that is sliced like numpy's, and reads no more than the slice.

    It is `array[index]`, repeated `length` times along a new `axis` where `repeated` is (axis, length): see
    `shown` of layers.
    """

    def __init__(self, array: Any, index: tuple[int, ...] = (), repeated: tuple[int, int] | None = None) -> None:
        self._array, self._index, self._repeated = array, index, repeated
        shape = list(array.shape[len(index) :])
        if repeated is not None:
            shape.insert(*repeated)
        self.shape, self.dtype = tuple(shape), array.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = self._all_keys(key if isinstance(key, tuple) else (key,))
        if self._repeated is None:
            return np.asarray(self._array[(*self._index, *keys)])
        axis, length = self._repeated
        along = keys.pop(axis)
        found = np.asarray(self._array[(*self._index, *keys)])
        if not isinstance(along, slice):
            return found
        place = sum(isinstance(one, slice) for one in keys[:axis])
        wider = np.expand_dims(found, place)
        count = len(range(*along.indices(length)))
        return np.broadcast_to(wider, (*found.shape[:place], count, *found.shape[place:]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)

    def _all_keys(self, key: tuple[Any, ...]) -> list[Any]:
        """Return one key for each axis."""
        given = [one for one in key if one is not Ellipsis]
        missing = [slice(None)] * (self.ndim - len(given))
        place = key.index(Ellipsis) if Ellipsis in key else len(given)
        return [*given[:place], *missing, *given[place:]]
