"""One image of a store with all its levels, written zone by zone, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, slices
from napari_exactile.images.pyramid import part_at, sampled
from napari_exactile.images.store.files import damaged_beyond


class StoredImage:
    """An OME-Zarr image on disk: `levels` are zarr arrays, level 0 first.

    The last `spatial` axes are those of a zone; it covers all of the axis number `channel`, if there is one.
    A plane is a place along the rest. One thread at a time writes; others may `get` meanwhile.
    """

    def __init__(self, folder: Path, spatial: int, channel: int | None, read_only: bool = False) -> None:
        self.folder, self.spatial, self.channel = folder, spatial, channel
        self.levels = _arrays(folder, read_only)
        # A shard is replaced as a whole, but read in pieces, which must be of the same one.
        self._guard = Lock()

    def get(self, level: int, index: Any) -> NDArray[Any]:
        """Return a part of a level as it is at one moment."""
        with self._guard:
            return np.asarray(self.levels[level][index])

    def put(self, level: int, index: Any, pixels: NDArray[Any]) -> None:
        """Write a part of a level; ValueError where its description is damaged."""
        try:
            with self._guard:
                self.levels[level][index] = pixels
        except (OSError, MemoryError):
            raise
        except Exception as error:  # what zarr and its codecs make of a file of theirs that is damaged
            words = "nothing can be written by what it says"
            raise damaged_beyond(self.folder, f"{level}/zarr.json", words) from error

    def write(self, plane: tuple[int, ...], box: Box, pixels: NDArray[Any]) -> None:
        """Write a box of level 0 of one plane of the stack."""
        self.put(0, self.index(plane, slices(box)), pixels)

    def read(self, plane: tuple[int, ...], box: Box, level: int = 0) -> NDArray[Any]:
        """Return a box of one level: ([channels,] *box)."""
        return self.get(level, self.index(plane, slices(box)))

    def finish(self, plane: tuple[int, ...], box: Box) -> NDArray[Any]:
        """Write the other levels of a zone, and return what level 0 holds; all is on the disk by then."""
        pixels = self.read(plane, box)
        for level in range(1, len(self.levels)):
            self.write_level(level, plane, box, pixels)
        for level in range(len(self.levels)):
            self.flush(level, plane, box)
        return pixels

    def write_level(self, level: int, plane: tuple[int, ...], box: Box, pixels: NDArray[Any]) -> None:
        """Write what a level takes of the `pixels` in `box` of level 0."""
        part = part_at(level, box)
        if part is not None:
            self.put(level, self.index(plane, slices(part)), sampled(level, pixels, box))

    def flush(self, level: int, plane: tuple[int, ...], box: Box) -> None:
        """Wait until what a level takes of `box` is on the disk."""
        for path in self.shards(level, plane, box):
            _flush(path)

    def shards(self, level: int, plane: tuple[int, ...], box: Box) -> Iterator[Path]:
        """Yield the files that hold what a level takes of `box` of level 0; they need not all exist.

        Those of nothing but the fill value do not.
        """
        part, array = part_at(level, box), self.levels[level]
        if part is None:
            return
        sizes, whole = array.shards or array.chunks, self.index(plane, slices(part))
        spans = [_span(one, length) for one, length in zip(whole, array.shape, strict=True)]
        places = (
            range(start // size, -(-stop // size)) for (start, stop), size in zip(spans, sizes, strict=True)
        )
        for place in product(*places):
            yield self.files(level).joinpath(*map(str, place))

    @property
    def shard(self) -> tuple[int, ...]:
        """Spatial shape of what one file of level 0 holds."""
        first = self.levels[0]
        return tuple((first.shards or first.chunks)[-self.spatial :])

    def files(self, level: int) -> Path:
        """Return the folder of a level's files."""
        return self.folder / str(level) / "c"

    def index(self, plane: tuple[int, ...], space: Iterable[slice]) -> Any:
        """Return the index into a level of a part of one plane."""
        leading: list[int | slice] = list(plane)
        if self.channel is not None:
            leading.insert(self.channel, slice(None))
        return (*leading, *space)


def _span(one: int | slice, length: int) -> tuple[int, int]:
    """Return where an index begins and ends."""
    return (one, one + 1) if isinstance(one, int) else one.indices(length)[:2]


def _arrays(folder: Path, read_only: bool) -> tuple[Any, ...]:
    group = zarr.open_group(folder, mode="r" if read_only else "r+")
    attributes: Any = group.attrs["ome"]
    first, *smaller = attributes["multiscales"][0]["datasets"]  # one without any is none
    return tuple(group[entry["path"]] for entry in (first, *smaller))


def _flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return
    with file:
        os.fsync(file.fileno())
