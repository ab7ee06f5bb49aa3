"""The levels of a store as layers show them while they grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, slices
from napari_exactile.images.pyramid import part_at

if TYPE_CHECKING:
    from napari_exactile.images.stored_image import StoredImage

# Bytes of coarse levels that are kept in memory: enough for all but the three finest of 100,000 x 50,000.
IN_MEMORY = 2**27


class StoredLevels:
    """The levels of one image of a store, level 0 first, for a viewer.

    The coarse ones lie in memory, as napari keeps what it has seen of the coarsest: it would never show what
    changes in a file. `channel` is the number of the axis of channels, if there is one. `update` belongs to
    the thread that writes the store; anyone may read the `arrays`.
    """

    def __init__(self, image: StoredImage) -> None:
        self._image, self.channel = image, image.channel
        self.arrays = tuple(
            image.get(level, ...) if kept else Level(image, level)
            for level, kept in enumerate(_kept(image.levels))
        )

    def update(self, plane: tuple[int, ...], part: Box) -> None:
        """Take what has been written in a box of level 0 of one plane over into the levels in memory."""
        for level, array in enumerate(self.arrays):
            box = part_at(level, part)
            if isinstance(array, np.ndarray) and box is not None:
                array[self._image.index(plane, slices(box))] = self._image.read(plane, box, level)


def _kept(levels: Sequence[Any]) -> list[bool]:
    """Tell which levels are kept in memory: the coarsest, and those before it as far as there is room."""
    room, kept = IN_MEMORY, list[bool]()
    for level in levels[::-1]:
        room -= level.nbytes
        kept.append(not kept or room >= 0)
    return kept[::-1]


@dataclass(frozen=True, slots=True)
class Level:
    """A level on disk that may be growing, sliced like numpy's arrays."""

    image: StoredImage
    level: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the level."""
        return tuple(self.image.levels[self.level].shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return np.dtype(self.image.levels[self.level].dtype)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return self.image.get(self.level, index)


class PartOnDisk:
    """A part of an array on disk that is sliced like numpy's, and reads no more than the slice.

    Of the array, the axes in `fixed` are left out, at the places that it names; then it is repeated `length`
    times along a new `axis` where `repeated` is (axis, length): see `shown` of layers.
    """

    def __init__(
        self, array: Any, fixed: Mapping[int, int] | None = None, repeated: tuple[int, int] | None = None
    ) -> None:
        self._array, self._fixed, self._repeated = array, dict(fixed or {}), repeated
        shape = [length for axis, length in enumerate(array.shape) if axis not in self._fixed]
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
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that all of it would take in memory."""
        return self.size * int(self.dtype.itemsize)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = self._all_keys(key if isinstance(key, tuple) else (key,))
        if self._repeated is None:
            return self._read(keys)
        axis, length = self._repeated
        along = keys.pop(axis)
        found = self._read(keys)
        if not isinstance(along, slice):
            return found
        place = sum(isinstance(one, slice) for one in keys[:axis])
        count = len(range(*along.indices(length)))
        shape = (*found.shape[:place], count, *found.shape[place:])
        return np.broadcast_to(np.expand_dims(found, place), shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)

    def _read(self, keys: Sequence[Any]) -> NDArray[Any]:
        left = iter(keys)
        axes = range(len(self._array.shape))
        index: Any = tuple(self._fixed[axis] if axis in self._fixed else next(left) for axis in axes)
        return np.asarray(self._array[index])

    def _all_keys(self, key: tuple[Any, ...]) -> list[Any]:
        """Return one key for each axis."""
        given = [one for one in key if one is not Ellipsis]
        missing = [slice(None)] * (self.ndim - len(given))
        place = next((i for i, one in enumerate(key) if one is Ellipsis), len(given))
        return [*given[:place], *missing, *given[place:]]
