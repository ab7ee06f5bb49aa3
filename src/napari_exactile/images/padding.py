"""Read boxes of the padded image: beyond the bottom and right edge it is reflected, as numpy.pad does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.source import ImageSource


def read_padded(source: ImageSource, box: Box) -> NDArray[Any]:
    """Return `box` of the image reflected at its bottom and right: (channels, *box).

    Equal to that box of `numpy.pad(image, mode="reflect")`, also where the padding is longer than the image;
    only the pixels that it shows are read.
    """
    if all(interval.stop <= length for interval, length in zip(box, source.shape, strict=True)):
        return source.read(box)
    indices = [reflected(interval, length) for interval, length in zip(box, source.shape, strict=True)]
    window = tuple(Interval(int(np.min(index)), int(np.max(index)) + 1) for index in indices)
    block = source.read(window)
    for axis, (index, interval) in enumerate(zip(indices, window, strict=True), start=1):
        block = np.take(block, index - interval.start, axis=axis)
    return block


def reflected(interval: Interval, length: int) -> NDArray[np.intp]:
    """Return the pixel that each position of `interval` shows on an axis of `length` pixels."""
    positions = np.arange(interval.start, interval.stop)
    if length == 1:
        return np.zeros_like(positions)
    positions = positions % (2 * length - 2)
    return np.minimum(positions, 2 * length - 2 - positions)
