"""Labels and maps into tiled OME-TIFF files with all their levels and their pixel size, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.images.pyramid import level_shapes
from napari_exactile.images.read.from_tiff import open_tiff
from napari_exactile.images.store.guard import partial_of

__all__ = ["open_tiff", "save_labels", "save_values"]

# Side of the tiles in the file: a common choice that viewers read quickly.
FILE_TILE = 512

# Hears which part of a file is written, from 0 to 1; what it raises ends the writing.
OnProgress = Callable[[float], None]


def _ignored(_fraction: float) -> None:
    pass


def save_labels(
    path: Path,
    labels: Any,
    class_names: Sequence[str],
    pixel_size: Sequence[float] | None = None,
    axes: str | None = None,
    note: str = "",
    coarser: Sequence[Any] = (),
    on_progress: OnProgress = _ignored,
) -> None:
    """Write labels (a (y, x) plane or a stack of them) and their class names as a tiled, compressed OME-TIFF.

    `labels` are sliced like numpy's and read tile by tile. Large ones have levels, each of every second pixel
    of the one before; `coarser` are those that are there already, the largest first. `pixel_size` is in
    micrometres, along the last axes; `axes` names the axes, by default "yx", "zyx" or "tzyx"; `note` says in
    the description, before the class names, what a reader must know of the labels. The file appears under its
    name only when it is complete, and not where `on_progress`, which gets a fraction, raises: 1 is the last,
    when all was read. Raises ValueError for stacks that OME cannot hold.
    """
    words = [f"{i} = {name}" for i, name in enumerate(class_names)]
    metadata = {
        "axes": _ome_axes(axes or "tzyx"[-labels.ndim :]),
        "Name": path.stem,
        "Description": "; ".join([note, *words] if note else words),
        **_physical_size(pixel_size),
    }
    _write(path, (labels, *coarser), metadata, on_progress)


def save_values(
    path: Path,
    values: Any,
    pixel_size: Sequence[float] | None,
    note: str,
    axes: str = "yx",
    coarser: Sequence[Any] = (),
    on_progress: OnProgress = _ignored,
) -> None:
    """Write numbers as they are, as `save_labels` writes labels; `note` says what they are.

    `pixel_size` is in micrometres, along the last axes.
    """
    metadata = {"axes": _ome_axes(axes), "Name": path.stem, "Description": note}
    metadata |= _physical_size(pixel_size)
    _write(path, (values, *coarser), metadata, on_progress)


def _physical_size(pixel_size: Sequence[float] | None) -> dict[str, Any]:
    if pixel_size is None:
        return {}
    sizes = {
        f"PhysicalSize{axis}": size for axis, size in zip("ZYX"[-len(pixel_size) :], pixel_size, strict=True)
    }
    return sizes | {f"{name}Unit": "µm" for name in sizes}


def _write(path: Path, levels: Sequence[Any], metadata: dict[str, Any], on_progress: OnProgress) -> None:
    """Write a tiled, compressed OME-TIFF that appears under its name only when it is complete."""
    import tifffile

    partial, whole = partial_of(path), levels[0]
    tiles = _LevelTiles(levels, on_progress)
    options: dict[str, Any] = {"tile": (FILE_TILE, FILE_TILE), "compression": "zlib"}
    options |= {"photometric": "minisblack", "dtype": whole.dtype}
    large = prod(whole.shape) * whole.dtype.itemsize > 2**31
    try:
        with tifffile.TiffWriter(partial, ome=True, bigtiff=large) as file:
            for level, shape in enumerate(tiles.shapes):
                first: dict[str, Any] = {"metadata": metadata, "subifds": len(tiles.shapes) - 1}
                kind = {"subfiletype": 1} if level else first
                file.write(tiles.of(level), shape=shape, **kind, **options)
        on_progress(1.0)  # tifffile asks for no more than it needs, so that nothing is told of the last tile
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _LevelTiles:
    """The tiles of all levels of an array, in the order of the file, told as they are written.

    Levels that are not given are taken from level 0, and so are those of volumes in a store, in which z is
    halved, too.
    """

    def __init__(self, levels: Sequence[Any], on_progress: OnProgress) -> None:
        self._levels, self._on_progress, self._done = levels, on_progress, 0
        *stack, height, width = levels[0].shape
        self.shapes = [(*stack, *shape) for shape in level_shapes((height, width))]
        self._count = sum(prod(stack) * prod(map(len, _starts(shape))) for shape in self.shapes)

    def of(self, level: int) -> Iterator[NDArray[Any]]:
        """Yield the tiles of one level of all planes."""
        given = level < len(self._levels) and tuple(self._levels[level].shape) == self.shapes[level]
        array, step = (self._levels[level], 1) if given else (self._levels[0], 2**level)
        *stack, _, _ = self.shapes[level]
        for place in product(*map(range, stack), *_starts(self.shapes[level])):
            parts = (slice(start * step, (start + FILE_TILE) * step, step) for start in place[-2:])
            yield _filled(np.asarray(array[(*place[:-2], *parts)]))
            self._done += 1
            self._on_progress(self._done / self._count)


def _starts(shape: Sequence[int]) -> tuple[range, range]:
    """Return where tiles begin along y and x."""
    height, width = shape[-2:]
    return range(0, height, FILE_TILE), range(0, width, FILE_TILE)


def _filled(part: NDArray[Any]) -> NDArray[Any]:
    """Return a whole tile; what lies beside the array is 0."""
    room = [(0, FILE_TILE - length) for length in part.shape]
    return np.pad(part, room) if any(map(any, room)) else np.ascontiguousarray(part)


def _ome_axes(axes: str) -> str:
    """Return names that OME knows; other axes of a stack become Z, T or C, whichever is free."""
    named = "".join(axis if axis in "TZCYX" else "?" for axis in axes.upper())
    for free in "ZTC":
        named = named if free in named else named.replace("?", free, 1)
    if "?" in named:
        words = f"an OME-TIFF holds stacks of at most three axes beside y and x, not {axes!r}"
        raise ValueError(f"{words}: segment a part of the stack")
    return named
