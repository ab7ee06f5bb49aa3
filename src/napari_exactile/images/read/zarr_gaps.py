"""Chunks that a zarr does not store: listed where that is quick, counted as they are read where it is not."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any

from napari_exactile.images.gaps import GAPS, Gaps, Place

# So long a person waits for a list of all chunks.
LISTING_SECONDS = 1.0
# What the index of a shard says of a chunk that is not stored.
NOT_STORED = 2**64 - 1
CHECKSUM_BYTES = 4


def count_gaps(array: Any) -> None:
    """Find out which chunks of a zarr array are not stored; of other arrays, nothing is to be found out.

    They are listed once, or counted from now on as they are read, where a list takes over a second.
    """
    if GAPS.of(array) is None and _is_zarr(array):
        chunks = _Chunks(array)
        missing = _listed(chunks, array.store, monotonic() + LISTING_SECONDS)
        GAPS.keep(array, _gaps(array, chunks, missing))


def count_as_read(array: Any) -> None:
    """Count from now on, as they are read, which chunks of a zarr array are not stored."""
    if GAPS.of(array) is None and _is_zarr(array):
        GAPS.keep(array, _gaps(array, _Chunks(array), None))


def _is_zarr(array: Any) -> bool:
    return all(hasattr(array, name) for name in ("store", "metadata", "fill_value", "cdata_shape"))


def _gaps(array: Any, chunks: _Chunks, missing: int | None) -> Gaps:
    fill = _fill(array.fill_value)
    if missing is None:
        return Gaps("chunk", array.nchunks, fill, 0, chunks.piece, chunks.ask)
    return Gaps("chunk", array.nchunks, fill, missing)


def _listed(chunks: _Chunks, store: Any, deadline: float) -> int | None:
    """Return how many chunks are not stored; None where that takes too long, or nobody can say."""
    from zarr.core.sync import sync

    if not type(store).__module__.startswith("zarr."):  # those of others may list less than they hold
        return None
    try:
        chunks.stored = sync(_stored(store, chunks.path, deadline))
        return None if chunks.stored is None else _sum(chunks, deadline)
    except (OSError, NotImplementedError):
        return None
    finally:
        chunks.stored = None


def _fill(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) or hasattr(value, "dtype") else str(value or 0)


async def _stored(store: Any, path: str, deadline: float) -> set[str] | None:
    """Return the names of all that is stored under a path; None where that takes too long."""
    names: set[str] = set()
    async for name in store.list_prefix(f"{path}/" if path else ""):
        names.add(name)
        if monotonic() > deadline:
            return None
    return names


def _sum(chunks: _Chunks, deadline: float) -> int | None:
    missing = 0
    for place in chunks.places:
        missing += chunks.ask(place)[0]
        if monotonic() > deadline:
            return None
    return missing


class _Chunks:
    """The chunks of an array as they are stored: each by itself, or many in a shard.

    `stored` are the names of all that is there; None: that is looked up.
    """

    def __init__(self, array: Any) -> None:
        self._array, self.path = array, array.path
        self._sharded = getattr(array, "shards", None) is not None
        self.piece: Place = tuple(array.shards if self._sharded else array.chunks)
        self._chunk: Place = tuple(array.chunks)
        self.stored: set[str] | None = None

    @property
    def places(self) -> Iterable[Place]:
        """The places of all shards, or of all chunks where there are none."""
        return product(*(range(-(-n // side)) for n, side in zip(self._array.shape, self.piece, strict=True)))

    def ask(self, place: Place) -> tuple[int, int]:
        """Return how many chunks at one place are not stored, and how many there are."""
        inside = self._inside(place)
        key = "/".join(filter(None, (self._array.path, self._array.metadata.encode_chunk_key(place))))
        if not self._is_stored(key):
            return len(inside), len(inside)
        index = self._index(key) if self._sharded else None
        return (sum(index[number] == NOT_STORED for number in inside) if index else 0), len(inside)

    def _inside(self, place: Place) -> list[int]:
        """Return the numbers in their shard of those chunks that lie in the array, at least in part."""
        sides = zip(place, self.piece, self._chunk, self._array.shape, strict=True)
        free = [(side // chunk, -(-(n - at * side) // chunk)) for at, side, chunk, n in sides]
        grid = [count for count, _left in free]
        numbers = range(prod(grid))
        if all(left >= count for count, left in free):
            return list(numbers)
        return [n for n, at in zip(numbers, product(*map(range, grid)), strict=True) if _before(at, free)]

    def _is_stored(self, key: str) -> bool:
        from zarr.core.sync import sync

        if self.stored is not None:
            return key in self.stored
        root = getattr(self._array.store, "root", None)
        return (root / key).is_file() if isinstance(root, Path) else bool(sync(self._array.store.exists(key)))

    def _index(self, key: str) -> Sequence[int] | None:
        """Return where each chunk of a shard begins; None where that is told in a way of its own."""
        from zarr.abc.store import RangeByteRequest, SuffixByteRequest
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        codec = self._array.metadata.codecs[0]
        names = [type(one).__name__ for one in codec.index_codecs]
        if names not in (["BytesCodec"], ["BytesCodec", "Crc32cCodec"]):
            return None
        count = prod(side // chunk for side, chunk in zip(self.piece, self._chunk, strict=True))
        size = 16 * count + CHECKSUM_BYTES * (len(names) - 1)
        at_end = _value(codec.index_location) == "end"
        part = SuffixByteRequest(size) if at_end else RangeByteRequest(0, size)
        found = sync(self._array.store.get(key, default_buffer_prototype(), part))
        order = ">" if _value(codec.index_codecs[0].endian) == "big" else "<"
        return None if found is None else struct.unpack_from(f"{order}{2 * count}Q", found.to_bytes())[::2]


def _value(name: Any) -> str:
    """Return the text of what was an enumeration before zarr 3.4."""
    return str(getattr(name, "value", name))


def _before(at: Place, free: Sequence[tuple[int, int]]) -> bool:
    """Tell whether a chunk at this place in its shard begins before the array ends."""
    return all(number < left for number, (_count, left) in zip(at, free, strict=True))
