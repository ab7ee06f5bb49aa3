"""Pixels that are NaN and are to be left out: where they are, and what becomes of their labels."""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.source import ImageSource


def missing_in(source: ImageSource, grid: OutputGrid, part: Box) -> NDArray[np.bool_]:
    """Return which elements of a part of the output lie on pixels that are NaN in some channel.

    Of an element that stands for several pixels, the first one counts.
    """
    axes = zip(part, grid.stride, grid.offset, grid.image, strict=True)
    places = [
        np.array([min(max(0, floor(stride * i + offset)), length - 1) for i in range(side.start, side.stop)])
        for side, stride, offset, length in axes
    ]
    window = tuple(Interval(int(place[0]), int(place[-1]) + 1) for place in places)
    pixels = source.read(window)
    if pixels.dtype.kind != "f":
        return np.zeros([len(place) for place in places], bool)
    found: NDArray[np.bool_] = np.isnan(pixels).any(axis=0)
    index: Any = np.ix_(*(place - side.start for place, side in zip(places, window, strict=True)))
    taken: NDArray[np.bool_] = found[index]
    return taken
