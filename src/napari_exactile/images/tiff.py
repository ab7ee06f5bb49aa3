"""Labels and maps into tiled OME-TIFF files with their pixel size, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.images.from_tiff import open_tiff

__all__ = ["open_tiff", "save_labels", "save_values"]

# Side of the tiles in the file: a common choice that viewers read quickly.
FILE_TILE = 512


def save_labels(
    path: Path,
    labels: Any,
    class_names: Sequence[str],
    pixel_size: Sequence[float] | None = None,
    unit: str = "µm",
    axes: str | None = None,
    note: str = "",
) -> None:
    """Write labels (a (y, x) plane or a stack of them) and their class names as a tiled, compressed OME-TIFF.

    `pixel_size` is (y, x) in `unit`; `axes` names the axes, by default "yx", "zyx" or "tzyx"; `note` says
    in the description, before the class names, what a reader must know of the labels. The file appears
    under its name only when it is complete. Raises ValueError for stacks that OME cannot hold.
    """
    words = [f"{i} = {name}" for i, name in enumerate(class_names)]
    metadata = {
        "axes": _ome_axes(axes or "tzyx"[-labels.ndim :]),
        "Name": path.stem,
        "Description": "; ".join([note, *words] if note else words),
        **_physical_size(pixel_size, unit),
    }
    _write(path, labels, metadata)


def save_values(
    path: Path,
    values: NDArray[np.float32],
    pixel_size: Sequence[float] | None,
    note: str,
    axes: str = "yx",
) -> None:
    """Write numbers as they are, as `save_labels` writes labels; `note` says what they are.

    `pixel_size` is in micrometres, along the last axes.
    """
    metadata = {"axes": _ome_axes(axes), "Name": path.stem, "Description": note}
    metadata |= _physical_size(pixel_size, "µm")
    _write(path, values, metadata)


def _physical_size(pixel_size: Sequence[float] | None, unit: str) -> dict[str, Any]:
    if pixel_size is None:
        return {}
    sizes = {
        f"PhysicalSize{axis}": size for axis, size in zip("ZYX"[-len(pixel_size) :], pixel_size, strict=True)
    }
    return sizes | {f"{name}Unit": unit for name in sizes}


def _write(path: Path, pixels: NDArray[Any], metadata: dict[str, Any]) -> None:
    """Write a tiled, compressed OME-TIFF that appears under its name only when it is complete.

    Of arrays other than numpy's, a few tiles are in memory at once.
    """
    import tifffile

    partial = path.with_name(path.name + ".part")
    try:
        tifffile.imwrite(
            partial, np.ascontiguousarray(pixels) if isinstance(pixels, np.ndarray) else _tiles(pixels),
            shape=pixels.shape, dtype=pixels.dtype, ome=True, metadata=metadata, compression="zlib",
            tile=(FILE_TILE, FILE_TILE), photometric="minisblack", bigtiff=pixels.nbytes > 2**31,
        )  # fmt: skip
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _tiles(pixels: Any) -> Iterator[NDArray[Any]]:
    """Yield the tiles of a file in its order, plane by plane; those at the end are filled up with zeros."""
    *stack, rows, columns = pixels.shape
    corners = product(range(0, rows, FILE_TILE), range(0, columns, FILE_TILE))
    for plane, (y, x) in product(np.ndindex(*stack), tuple(corners)):
        found = np.asarray(pixels[(*plane, slice(y, y + FILE_TILE), slice(x, x + FILE_TILE))])
        yield np.pad(found, [(0, FILE_TILE - length) for length in found.shape])


def _ome_axes(axes: str) -> str:
    """Return names that OME knows; other axes of a stack become Z, T or C, whichever is free."""
    named = "".join(axis if axis in "TZCYX" else "?" for axis in axes.upper())
    for free in "ZTC":
        named = named if free in named else named.replace("?", free, 1)
    if "?" in named:
        raise ValueError(f"an OME-TIFF holds stacks of at most three axes beside y and x, not {axes!r}")
    return named
