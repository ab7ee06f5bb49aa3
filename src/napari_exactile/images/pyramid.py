"""The levels of a label image, each half as large as the one before, made of nearest pixels.

Pixel i of level k is pixel `2**k * i` of level 0: labels are never averaged, no level depends on another one
but level 0, and boxes that partition level 0 partition every level, so that they can be written in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval

# Pixels of the last level, 512 x 512 or 64 x 64 x 64: what every viewer shows at once.
COARSEST = 2**18


def level_shapes(shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the spatial shapes of all levels, the whole image first.

    >>> level_shapes((1500, 700))
    ((1500, 700), (750, 350), (375, 175))
    """
    shapes = [tuple(shape)]
    while prod(shapes[-1]) > COARSEST:
        shapes.append(tuple(-(-length // 2) for length in shapes[-1]))
    return tuple(shapes)


def part_at(level: int, box: Box) -> Box | None:
    """Return the pixels of a level that are taken from `box` of level 0; None where there are none.

    >>> part_at(2, (Interval(3, 9),))
    (Interval(start=1, stop=3),)
    """
    step = 2**level
    part = tuple(Interval(-(-side.start // step), -(-side.stop // step)) for side in box)
    return part if all(map(len, part)) else None


def sampled(level: int, pixels: NDArray[Any], box: Box) -> NDArray[Any]:
    """Return those of the `pixels` in `box` of level 0 that a level takes; spatial axes come last."""
    step = 2**level
    index: Any = (..., *(slice(-side.start % step, None, step) for side in box))
    return np.asarray(pixels[index])
