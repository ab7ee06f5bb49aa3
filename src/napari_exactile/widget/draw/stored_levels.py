"""The levels of a store as layers show them while they grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, slices
from napari_exactile.images.about.opened import file_of
from napari_exactile.images.about.zarr_folders import outermost_zarr
from napari_exactile.images.pyramid import part_at, sampled
from napari_exactile.images.slicing import Part, Sliced, lay_over, parts_of
from napari_exactile.images.view import View

if TYPE_CHECKING:
    from napari_exactile.images.store.image import StoredImage

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
        """Take what has been written in a box of level 0 of one plane over into the levels in memory.

        What was laid over it is taken away.
        """
        for array, box, index, level in self._levels(plane, part):
            if isinstance(array, np.ndarray):
                array[index] = self._image.read(plane, box, level)
            else:
                array.laid.pop((plane, part), None)

    def lay(self, plane: tuple[int, ...], part: Box, pixels: NDArray[Any]) -> None:
        """Show pixels in a box of level 0 of one plane, whatever is written there, until its `update`."""
        for array, _box, index, level in self._levels(plane, part):
            if isinstance(array, np.ndarray):
                array[index] = sampled(level, pixels, part)
            else:
                array.laid[plane, part] = index, sampled(level, pixels, part)

    def _levels(self, plane: tuple[int, ...], part: Box) -> Iterator[tuple[Any, Box, Any, int]]:
        """Yield each level with what it takes of a box of level 0, as a box and as an index into it."""
        for level, array in enumerate(self.arrays):
            if (box := part_at(level, part)) is not None:
                whole = parts_of(self._image.index(plane, slices(box)), array.shape)
                yield array, box, whole, level


def _kept(levels: Sequence[Any]) -> list[bool]:
    """Tell which levels are kept in memory: the coarsest, and those before it as far as there is room."""
    room, kept = IN_MEMORY, list[bool]()
    for level in levels[::-1]:
        room -= level.nbytes
        kept.append(not kept or room >= 0)
    return kept[::-1]


@dataclass(frozen=True, slots=True)
class Level:
    """A level on disk that may be growing, sliced like numpy's arrays, with what is `laid` over it."""

    image: StoredImage
    level: int
    laid: dict[Any, tuple[tuple[Part, ...], NDArray[Any]]] = field(default_factory=dict, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the level."""
        return tuple(self.image.levels[self.level].shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return np.dtype(self.image.levels[self.level].dtype)

    @property
    def files(self) -> tuple[Path, ...]:
        """The folder of the store."""
        return (outermost_zarr(self.image.folder.resolve()),)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        found, laid = self.image.get(self.level, index), tuple(self.laid.values())
        parts = parts_of(index, self.shape) if laid else None
        if parts is not None and found.ndim:
            for place, pixels in laid:
                lay_over(found, parts, pixels, place)
        return found


def folder_of(array: Any) -> Path | None:
    """Return the folder or file that an array of a layer reads, through whatever shows a part of it."""
    while isinstance(array, View | Repeated):
        array = array.array
    return array.image.folder.resolve() if isinstance(array, Level) else file_of(array)


class Repeated(Sliced):
    """An array on disk, the same at `length` places along a new `axis`, sliced like numpy's arrays."""

    def __init__(self, array: Any, axis: int, length: int) -> None:
        super().__init__((*array.shape[:axis], length, *array.shape[axis:]), array.dtype)
        self.array, self._axis = array, axis

    def _read(self, parts: tuple[Part, ...]) -> NDArray[Any]:
        keys, along = [*parts[: self._axis], *parts[self._axis + 1 :]], parts[self._axis]
        found = np.asarray(self.array[tuple(keys)])
        if not isinstance(along, slice):
            return found
        place = sum(isinstance(one, slice) for one in keys[: self._axis])
        count = len(range(*along.indices(self.shape[self._axis])))
        shape = (*found.shape[:place], count, *found.shape[place:])
        return np.broadcast_to(np.expand_dims(found, place), shape)
