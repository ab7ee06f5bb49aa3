"""The blocks of dask arrays: each is held to what was announced of it, and kept as long as there is room."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate, product
from math import isnan, prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.words import counted
from napari_exactile.images.reading import OtherShapeError, check, unmasked
from napari_exactile.images.slicing import Part, Sliced

# Of the memory that is free, decoded blocks may take this share, and never more bytes than that.
SHARE, MOST_KEPT = 1 / 8, 2**31
# So many bytes are computed at once: dask does so in parallel.
AT_ONCE = 2**26

Place = tuple[int, ...]
# Along one axis: the number of a block, what is wanted of it, and where that goes.
Piece = tuple[int, slice, slice]


def is_dask(array: Any) -> bool:
    """Tell whether an array is one of dask's; that need not be installed."""
    return all(hasattr(array, name) for name in ("__dask_graph__", "blocks", "numblocks", "chunks"))


def blocks_of(array: Any, name: str) -> Blocks:
    """Return what reads a dask array; raise ValueError where the size of a block is not known."""
    if any(isnan(length) for lengths in array.chunks for length in lengths):
        raise ValueError(
            f"'{name}' has dask blocks of unknown size: call its compute_chunk_sizes(), or compute it, first"
        )
    return Blocks(array)


class Blocks(Sliced):
    """A dask array whose blocks are computed when they are read, and kept while they fit into `budget` bytes.

    Slices of dask's own trust what it has announced of the blocks: behind one that has more rows, everything
    is shifted. They also compute a block, such as a whole file, anew for every slice. May be sliced from any
    thread. Raises OtherShapeError where a block is not what was announced.
    """

    def __init__(self, array: Any, budget: int | None = None) -> None:
        super().__init__(array.shape, array.dtype)
        self.array, self.budget = array, _budget() if budget is None else budget
        self._stops = [list(accumulate(lengths)) for lengths in array.chunks]
        self._kept, self._bytes = OrderedDict[Place, NDArray[Any]](), 0
        self._again, self._dropped, self._lock = 0, set[Place](), Lock()

    def begin(self) -> None:
        """Begin another run: what blocks are made of may have changed since the last one."""
        self.release()
        self._again = 0

    def release(self) -> None:
        """Let go of all blocks, to have their memory back."""
        with self._lock:
            self._kept.clear()
            self._bytes, self._dropped = 0, set()

    def describe(self) -> str:
        """Return in words what it has cost that not all blocks could be kept; nothing where they could."""
        if not self._again:
            return ""
        return (
            f"dask blocks of the image were computed {counted(self._again, 'time')} again, as only "
            f"{_size(self.budget)} of them were kept: smaller blocks, or OME-Zarr, would take less time"
        )

    def cost(self, axes: Sequence[int]) -> str:
        """Return in words what will be computed again and again while zones go along `axes`, row by row."""
        lengths = [max(side) for side in self.array.chunks]
        lengths = [self.shape[n] if n in axes[1:] else one for n, one in enumerate(lengths)]
        row, block = (prod(sizes) * self.dtype.itemsize for sizes in (lengths, map(max, self.array.chunks)))
        if row <= max(self.budget, block):
            return ""
        return (
            f"its dask blocks of {_size(block)} make rows of {_size(row)}, of which "
            f"{_size(self.budget)} are kept: they are computed again for every row of zones; smaller "
            "blocks, or OME-Zarr, would take less time"
        )

    def _read(self, parts: tuple[Part, ...]) -> NDArray[Any]:
        spans = [part if isinstance(part, slice) else slice(part, part + 1, 1) for part in parts]
        out = np.empty([len(range(span.start, span.stop, span.step)) for span in spans], self.dtype)
        pieces = (_pieces(span, stops) for span, stops in zip(spans, self._stops, strict=True))
        for lot in self._lots(product(*map(list, pieces))):
            blocks = self._blocks([tuple(number for number, _of, _to in pieces) for pieces in lot])
            for one, block in zip(lot, blocks, strict=True):
                out[tuple(to for _number, _of, to in one)] = block[tuple(of for _number, of, _to in one)]
        return out[tuple(0 if isinstance(part, int) else slice(None) for part in parts)]

    def _lots(self, wanted: Iterator[tuple[Piece, ...]]) -> Iterator[list[tuple[Piece, ...]]]:
        """Yield lists of blocks that are computed at once."""
        lot, size = list[tuple[Piece, ...]](), 0
        for pieces in wanted:
            bounds = self._bounds(tuple(number for number, _of, _to in pieces))
            size += prod(side.stop - side.start for side in bounds) * self.dtype.itemsize
            if lot and size > AT_ONCE:
                yield lot
                lot, size = [], 0
            lot.append(pieces)
        if lot:
            yield lot

    def _bounds(self, place: Place) -> tuple[slice, ...]:
        """Return where a block lies in the array."""
        sides = zip(self._stops, self.array.chunks, place, strict=True)
        return tuple(slice(stops[n] - lengths[n], stops[n]) for stops, lengths, n in sides)

    def _blocks(self, places: Sequence[Place]) -> list[NDArray[Any]]:
        """Return these blocks, of which nobody else computes one meanwhile."""
        with self._lock:
            found = {place: self._kept[place] for place in places if place in self._kept}
            found |= self._new([place for place in places if place not in found])
            for place in places:
                self._keep(place, found[place])
        return [found[place] for place in places]

    def _new(self, places: Sequence[Place]) -> dict[Place, NDArray[Any]]:
        from dask.base import compute

        wanted = [self.array.blocks[place] for place in places]
        computed = compute(*wanted) if wanted else ()  # type: ignore[no-untyped-call]
        found = {place: unmasked(block) for place, block in zip(places, computed, strict=True)}
        for place, block in found.items():
            try:
                check(block, self, self._bounds(place))
            except OtherShapeError as error:
                raise OtherShapeError(f"in its dask block {', '.join(map(str, place))}, {error}") from error
        self._again += sum(place in self._dropped for place in places)
        return found

    def _keep(self, place: Place, block: NDArray[Any]) -> None:
        """Keep a block as the one that was used last; those that were not for longest make room."""
        if place in self._kept:
            self._kept.move_to_end(place)
            return
        self._kept[place], self._bytes = block, self._bytes + block.nbytes
        while self._bytes > self.budget and len(self._kept) > 1:
            place, block = self._kept.popitem(last=False)
            self._bytes -= block.nbytes
            self._dropped.add(place)


def _budget() -> int:
    import psutil

    return min(int(psutil.virtual_memory().available * SHARE), MOST_KEPT)


def _pieces(span: slice, stops: Sequence[int]) -> Iterator[Piece]:
    """Yield what a span of one axis takes of each block that it touches."""
    place, done = span.start, 0
    while place < span.stop:
        number = bisect_right(stops, place)
        begins, stop = stops[number - 1] if number else 0, min(stops[number], span.stop)
        count = len(range(place, stop, span.step))
        yield number, slice(place - begins, stop - begins, span.step), slice(done, done + count)
        place, done = place + count * span.step, done + count


def _size(count: int) -> str:
    """Return a number of bytes in words.

    >>> _size(20_000), _size(3_000_000), _size(1_500_000_000)
    ('20 kB', '3 MB', '1.5 GB')
    """
    if count >= 10**9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 10**6 else f"{count / 1e3:.0f} kB"
