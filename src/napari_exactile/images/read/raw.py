"""Pixels that lie in a file as in an array, read where they are asked for.

They are not mapped into memory: a mapped file that becomes shorter takes the whole process down with it.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_exactile.images.slicing import Part, Sliced
from napari_exactile.why import UnreadError

# To begin another piece takes as long as to read so many bytes more.
GAP = 4096
# What is read beside what is wanted, at once.
LARGEST = 2**23


class RawArray(Sliced):
    """An array from byte `offset` of a file on, in the order of C, or of Fortran.

    Slicing reads what the slice touches, and little more. May be sliced from any thread; the file stays open
    with this object. Raises OSError where the file ends before the pixels do.
    """

    def __init__(
        self, path: Path, dtype: DTypeLike, shape: tuple[int, ...], offset: int = 0, *, fortran: bool = False
    ) -> None:
        super().__init__(shape, dtype)
        self.path, self._offset, self._fortran = path, offset, fortran
        self._file, self._lock = path.open("rb", buffering=0), Lock()
        finalize(self, self._file.close)

    def _read(self, parts: tuple[Part, ...]) -> NDArray[Any]:
        if self._fortran:
            return self._in_order(parts[::-1], self.shape[::-1]).transpose()
        return self._in_order(parts, self.shape)

    def _in_order(self, parts: tuple[Part, ...], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return a part of an array of `shape` whose last axis lies together."""
        ranges = [
            range(*part.indices(n)) if isinstance(part, slice) else range(part, part + 1)
            for part, n in zip(parts, shape, strict=True)
        ]
        out = np.empty([len(places) for places in ranges], self.dtype)
        if out.size:
            each = [self.dtype.itemsize * int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
            first = sum(places.start * step for places, step in zip(ranges, each, strict=True))
            steps = [places.step * step for places, step in zip(ranges, each, strict=True)]
            self._fill(out, self._offset + first, steps)
        return out[tuple(0 if isinstance(part, int) else slice(None) for part in parts)]

    def _fill(self, out: NDArray[Any], offset: int, steps: list[int]) -> None:
        """Read elements that lie `steps` bytes apart along each axis."""
        span = self._span(out.shape, steps)
        if span == out.nbytes:
            self._fill_together(out, offset)
            return
        inner = self._span(out.shape[1:], steps[1:])
        dense = steps[0] <= inner + GAP
        if span <= LARGEST and dense:
            found = np.empty(span, np.uint8)
            self._fill_together(found, offset)
            out[...] = np.ndarray(out.shape, self.dtype, found, 0, steps)
            return
        count = max(1, LARGEST // steps[0]) if dense else 1
        for start in range(0, len(out), count):
            part, place = out[start : start + count], offset + start * steps[0]
            one = len(part) == 1 and out.ndim > 1
            self._fill(part[0] if one else part, place, steps[1:] if one else steps)

    def _span(self, shape: tuple[int, ...], steps: list[int]) -> int:
        """Return from the first to the last byte of elements that lie so far apart."""
        return sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) + self.dtype.itemsize

    def _fill_together(self, out: NDArray[Any], offset: int) -> None:
        into, done = out.reshape(-1).view(np.uint8), 0
        with self._lock:
            self._file.seek(offset)
            while done < len(into):
                count = self._file.readinto(into[done:].data)
                if not count:
                    raise UnreadError(f"{self.path} has become shorter since it was opened; copy it again")
                done += count
