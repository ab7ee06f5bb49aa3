"""A part of an array that is read only when it is sliced itself: one channel, or every so many pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.images.reading import pixels
from napari_exactile.images.slicing import Part, Sliced


class View(Sliced):
    """One place along some axes of an array, and every so many elements along others, without a copy.

    `parts` has an integer or a slice from 0 on for each axis of `array`. What is read is in the machine's
    byte order.
    """

    def __init__(self, array: Any, parts: tuple[Part, ...]) -> None:
        self.array, self.parts = array, parts
        sides = zip(parts, array.shape, strict=True)
        shape = tuple(len(range(*part.indices(n))) for part, n in sides if isinstance(part, slice))
        super().__init__(shape, np.dtype(array.dtype).newbyteorder("="))

    def _read(self, parts: tuple[Part, ...]) -> NDArray[Any]:
        wanted = iter(parts)
        inner = tuple(
            part if isinstance(part, int) else _through(part.step or 1, next(wanted)) for part in self.parts
        )
        return pixels(self.array, inner).astype(self.dtype, copy=False)


def _through(step: int, part: Part) -> Part:
    """Return which elements of the array are a part of every `step`th of them."""
    if isinstance(part, int):
        return part * step
    if part.stop == part.start:
        return slice(0, 0)
    return slice(part.start * step, (part.stop - 1) * step + 1, part.step * step)
