"""Numbers of objects, or other labels, that need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zarr

CHUNK_SIDE = 512


@contextmanager
def numbers_on_disk(shape: Sequence[int], axes: str, folder: Path) -> Iterator[Any]:
    """Yield an array of uint32 zeros in a hidden folder, which is removed afterwards.

    Its chunks extend along y and x alone. Raises OSError where the `folder` cannot be written to.
    """
    chunks = tuple(CHUNK_SIDE if axis in "yx" else 1 for axis in axes)
    with TemporaryDirectory(prefix=".objects-", dir=folder) as scratch:
        yield zarr.create_array(scratch, shape=tuple(shape), chunks=chunks, dtype="uint32", fill_value=0)
