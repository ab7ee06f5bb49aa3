"""Where the elements of a network's output lie on the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.words import lengths, times


@dataclass(frozen=True, slots=True)
class OutputGrid:
    """Along each axis, element i of the output stands for `stride` pixels of the image from
    `stride * i + offset` on, counted from the image's corner.

    `image` is the image's shape, `shape` that of the part of the output that belongs to it.

    >>> grid = OutputGrid((30,), (8,), (Fraction(4),), (Fraction(0),))
    >>> grid.covered, grid.centre([0]), grid.is_of_image
    ((Interval(start=0, stop=30),), (1.5,), False)
    """

    image: tuple[int, ...]
    shape: tuple[int, ...]
    stride: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]

    @property
    def is_of_image(self) -> bool:
        """Whether the output has an element for each pixel, on that pixel."""
        return self.shape == self.image and not any(self.offset) and all(s == 1 for s in self.stride)

    @property
    def margins(self) -> tuple[tuple[int, int], ...]:
        """The pixels at the image's edges that lack elements of their own: (before, after) per axis."""
        axes = zip(self.image, self.shape, self.stride, self.offset, strict=True)
        return tuple((max(0, ceil(o)), max(0, ceil(m - o - s * n))) for m, n, s, o in axes)

    @property
    def covered(self) -> Box:
        """The smallest box of the image that holds all pixels that the output stands for."""
        axes = zip(self.image, self.shape, self.stride, self.offset, strict=True)
        return tuple(Interval(floor(o), ceil(o + s * n)).clip(Interval(0, m)) for m, n, s, o in axes)

    def centre(self, element: Sequence[int]) -> tuple[float, ...]:
        """Return where an element's centre lies, in pixels from the centre of the image's first pixel."""
        axes = zip(element, self.stride, self.offset, strict=True)
        return tuple(float(s * i + o + (s - 1) / 2) for i, s, o in axes)

    def describe(self) -> str:
        """Return the grid in words for people.

        >>> OutputGrid((572, 572), (388, 388), (Fraction(1),) * 2, (Fraction(92),) * 2).describe()
        '388 x 388 labels of 1 px, from 92 px on'
        """
        return in_words(self.shape, self.stride, self.offset)

    def pixel_size(self, size: Sequence[float]) -> tuple[float, ...]:
        """Return the size of an element where the image's pixels have `size`, along as many last axes.

        Axes before those of the grid are a stack's, whose planes stay as far apart as they are.
        """
        stride = (*[Fraction(1)] * (len(size) - len(self.stride)), *self.stride[-len(size) :])
        return tuple(float(n * s) for n, s in zip(size, stride, strict=True))


def in_words(
    shape: Sequence[int], stride: Sequence[Fraction | float], offset: Sequence[Fraction | float]
) -> str:
    """Return what `OutputGrid.describe` says of a grid, also where there is no more of it than this."""
    size = times(shape)
    step, first = (lengths([f"{float(n):g}" for n in each]) for each in (stride, offset))
    return f"{size} labels of {step} px{f', from {first} px on' if any(offset) else ''}"
