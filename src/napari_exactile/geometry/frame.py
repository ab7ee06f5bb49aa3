"""The one map between two grids: the image's, and that of what a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_exactile.geometry.interval import Interval, round_up

AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class Frame:
    """How an `image` of this shape lies on what a network takes, of the shape `taken`.

    It lies at the origin, and beyond its far edges it is reflected, as numpy.pad does, also where that is
    longer than the image. Whoever must know how both differ asks here. Raises ValueError where the image does
    not fit.

    >>> frame = Frame.even((5, 32), (4, 16))
    >>> frame.taken, frame.words
    ((8, 32), ('reflected to 8 px', 'as it is'))
    >>> frame.shown(0, Interval(3, 8))
    [3, 4, 3, 2, 1]
    """

    image: tuple[int, ...]
    taken: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(n > m for n, m in zip(self.image, self.taken, strict=True)):
            raise ValueError(f"an image of {self.image} does not fit into {self.taken}")

    @classmethod
    def even(cls, image: Sequence[int], factor: Sequence[int]) -> Frame:
        """Return the frame that is a multiple of F along every axis."""
        return cls(tuple(image), tuple(round_up(n, f) for n, f in zip(image, factor, strict=True)))

    @property
    def words(self) -> tuple[str, ...]:
        """What becomes of the image along each axis, in words."""
        pairs = zip(self.image, self.taken, strict=True)
        return tuple(f"reflected to {m} px" if m > n else AS_IT_IS for n, m in pairs)

    def shown(self, axis: int, side: Interval) -> list[int]:
        """Return the pixel of the image that each place in an interval of what is taken shows."""
        period = max(1, 2 * self.image[axis] - 2)
        places = (place % period for place in range(side.start, side.stop))
        return [min(place, period - place) for place in places]

    def inside(self, box: Sequence[Interval]) -> bool:
        """Tell whether a box of what is taken is one of the image."""
        return all(side.stop <= length for side, length in zip(box, self.image, strict=True))
