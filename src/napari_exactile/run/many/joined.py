"""Images one after the other, as one long row of pixels: what is measured of them is of all together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.source import ImageSource


class JoinedSource:
    """All pixels of several images along one axis, row by row; they have as many channels as the first.

    Statistics do not depend on where a pixel lies, so images may have any shapes.
    """

    name = "all images together"

    def __init__(self, images: Sequence[ImageSource]) -> None:
        self._images = tuple(images)
        self._stops = list(accumulate(prod(image.shape) for image in images))
        self.channels = images[0].channels
        self.shape = (self._stops[-1],)

    def read(self, box: Box) -> NDArray[Any]:
        """Return pixels (channels, n)."""
        return np.concatenate(list(self._parts(box[0])), axis=1)

    def _parts(self, wanted: Interval) -> Iterator[NDArray[Any]]:
        place = wanted.start
        while place < wanted.stop:
            number = bisect_right(self._stops, place)
            image, begin = self._images[number], ([0, *self._stops])[number]
            stop = min(wanted.stop, self._stops[number])
            yield _pixels(image, place - begin, stop - begin)
            place = stop


def _pixels(image: ImageSource, start: int, stop: int) -> NDArray[Any]:
    """Return the pixels of an image from one to another, counted row by row; rows are read whole."""
    width = image.shape[-1]
    rows = range(start // width, -(-stop // width))
    read = [_rows(image, *part) for part in _in_planes(image, rows)]
    flat = np.concatenate(read, axis=1)
    offset = rows.start * width
    return flat[:, start - offset : stop - offset]


def _in_planes(image: ImageSource, rows: range) -> Iterator[tuple[int, int, int]]:
    """Yield the plane, and the first and last row in it, of rows that may lie in several planes."""
    height = image.shape[-2] if len(image.shape) > 1 else 1
    row = rows.start
    while row < rows.stop:
        plane, first = divmod(row, height)
        last = min(height, first + rows.stop - row)
        yield plane, first, last
        row += last - first


def _rows(image: ImageSource, plane: int, first: int, last: int) -> NDArray[Any]:
    shape = image.shape
    leading = np.unravel_index(plane, shape[:-2]) if len(shape) > 2 else ()
    box = [Interval(int(n), int(n) + 1) for n in leading]
    box += [Interval(first, last)] if len(shape) > 1 else []
    read = image.read((*box, Interval(0, shape[-1])))
    return read.reshape(read.shape[0], -1)
