"""Places of an image that are looked at to tell whether its pixels are still the same."""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from zlib import crc32

import numpy as np

from napari_exactile.geometry.interval import Box, Interval, full_box, volume
from napari_exactile.images.source import ImageSource

# Places by which an image is known again, with a side of so many pixels.
BLOCKS, SIDE = 32, 64
# Pixels of which one that changes shall be seen; of larger images in memory, as many are looked at.
LOOKED_AT = 2**22


def image_hash(source: ImageSource) -> str:
    """Return a hash of the type and of some places of an image, always the same ones."""
    found = sha256()
    for box in _places(source.shape, BLOCKS):
        block = source.read(box)
        found.update(f"{block.dtype} {block.shape}".encode())
        found.update(np.ascontiguousarray(block).data)
    return found.hexdigest()


def checksum_of(source: ImageSource) -> int:
    """Return a checksum of all pixels of a small image, and of some places of a large one: more in memory."""
    found = 0
    for box in _looked_at(source):
        found = crc32(np.ascontiguousarray(source.read(box)).data, found)
    return found


def _looked_at(source: Any) -> list[Box]:
    whole = full_box(source.shape)
    if volume(whole) * source.channels <= LOOKED_AT:
        return [whole]
    in_memory = isinstance(getattr(source, "array", None), np.ndarray)
    return _places(source.shape, LOOKED_AT // SIDE**2 // source.channels if in_memory else BLOCKS)


def _places(shape: tuple[int, ...], count: int) -> list[Box]:
    size = tuple(min(n, SIDE if axis >= len(shape) - 2 else 1) for axis, n in enumerate(shape))
    free = np.subtract(shape, size)
    shares = np.random.default_rng(0).random((count, len(shape)))
    shares[0], shares[-1] = 0, 1
    starts = (share * free for share in shares)
    return [
        tuple(Interval(int(n), int(n) + side) for n, side in zip(start, size, strict=True))
        for start in starts
    ]
