"""An image of labels or numbers that was made before, as an OME-Zarr without what a run keeps of itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import zarr

from napari_exactile.images.store.folder import NewImage, check_room, make_image

# Hears which part of a folder is written, from 0 to 1; what it raises ends the writing.
OnProgress = Callable[[float], None]


def save_image(path: Path, image: NewImage, levels: Sequence[Any], on_progress: OnProgress) -> None:
    """Write an image as OME-Zarr 0.5, level 0 first; levels that are not given are taken from level 0.

    `levels` are sliced like numpy's arrays, and read shard by shard. The folder appears under its name only
    when it is complete, and not where `on_progress`, which gets a fraction, raises: 1 is the last, when all
    was read. Raises ValueError where something has that name already, and OSError where there is no room.
    """
    if path.exists():
        raise ValueError(f"{path} exists already: choose another name")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}: choose another one")
    check_room(path, image.layout.nbytes)
    partial = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        make_image(partial, image)
        _fill(partial, levels, on_progress)
        on_progress(1.0)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(folder: Path, levels: Sequence[Any], on_progress: OnProgress) -> None:
    group = zarr.open_group(folder, mode="r+")
    arrays: list[Any] = [group[name] for name in sorted(group.array_keys(), key=int)]
    parts = [(level, index) for level, array in enumerate(arrays) for index in _shards(array)]
    for done, (level, index) in enumerate(parts, 1):
        arrays[level][index] = _part(levels, level, index, arrays)
        on_progress(done / len(parts))


def _part(levels: Sequence[Any], level: int, index: tuple[slice, ...], arrays: Sequence[Any]) -> Any:
    """Return the pixels of a part of a level: those that are given, or every so many of level 0."""
    if level < len(levels) and tuple(levels[level].shape) == tuple(arrays[level].shape):
        return np.asarray(levels[level][index])
    pairs = zip(index, arrays[level].shape, arrays[0].shape, strict=True)
    parts = [
        one if length == whole else slice(one.start * 2**level, one.stop * 2**level, 2**level)
        for one, length, whole in pairs
    ]
    return np.asarray(levels[0][tuple(parts)])


def _shards(array: Any) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of an array that lie in one file each."""
    sizes = array.shards or array.chunks
    starts = [range(0, length, size) for length, size in zip(array.shape, sizes, strict=True)]
    for place in product(*starts):
        sides = zip(place, sizes, array.shape, strict=True)
        yield tuple(slice(start, min(start + size, length)) for start, size, length in sides)
