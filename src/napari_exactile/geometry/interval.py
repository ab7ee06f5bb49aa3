"""Half-open integer intervals, and the boxes made of one interval per axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from math import prod


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The integers start, start + 1, ..., stop - 1; empty when start == stop.

    >>> Interval(2, 5).grow(1, 2)
    Interval(start=1, stop=7)
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            words = f"an interval cannot stop ({self.stop}) before it starts ({self.start})"
            raise ValueError(f"{words}: give its start first")

    def __len__(self) -> int:
        return self.stop - self.start

    def grow(self, before: int, after: int) -> Interval:
        """Widen by `before` at the start and `after` at the stop (negative values shrink)."""
        return Interval(self.start - before, self.stop + after)

    def hull(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        return Interval(min(self.start, other.start), max(self.stop, other.stop))

    def clip(self, outer: Interval) -> Interval:
        """Return the part inside `outer`; where there is none, the one nearest element of `outer`.

        An operator always gets something to read: an output that depends on padding alone still needs an
        input of at least one element to run on.
        """
        start = min(max(self.start, outer.start), outer.stop - 1)
        stop = max(min(self.stop, outer.stop), outer.start + 1)
        return Interval(start, max(stop, start + 1))

    def round_out(self, factor: int) -> Interval:
        """Widen to the next multiples of `factor`.

        >>> Interval(3, 17).round_out(8)
        Interval(start=0, stop=24)
        """
        return Interval(self.start // factor * factor, round_up(self.stop, factor))

    def within(self, outer: Interval) -> slice:
        """Return the slice that picks this interval from an array that holds `outer`."""
        if self.start < outer.start or self.stop > outer.stop:
            raise ValueError(f"{self} is not inside {outer}")
        return slice(self.start - outer.start, self.stop - outer.start)


Box = tuple[Interval, ...]


def common(one: Box, other: Box) -> Box | None:
    """Return what two boxes have in common; None where that is nothing.

    >>> common((Interval(0, 5),), (Interval(3, 9),)), common((Interval(0, 3),), (Interval(3, 9),))
    ((Interval(start=3, stop=5),), None)
    """
    sides = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)]
    return tuple(Interval(*side) for side in sides) if all(a < b for a, b in sides) else None


def sides_of(box: Box) -> tuple[tuple[int, int], ...]:
    """Return the start and the stop of every interval of a box, as records have them.

    >>> sides_of((Interval(2, 5),))
    ((2, 5),)
    """
    return tuple((side.start, side.stop) for side in box)


def box_of(sides: Iterable[tuple[int, int]]) -> Box:
    """Return the box that `sides_of` was given; raises ValueError where a side stops before it starts."""
    return tuple(Interval(*side) for side in sides)


def full_box(shape: Iterable[int]) -> Box:
    """Return the box of a whole array of this shape."""
    return tuple(Interval(0, length) for length in shape)


def box_shape(box: Box) -> tuple[int, ...]:
    """Return the length of a box along each axis."""
    return tuple(len(interval) for interval in box)


def volume(box: Box) -> int:
    """Return the number of elements in a box."""
    return prod(box_shape(box))


def moved(box: Box, by: Iterable[int]) -> Box:
    """Return the box moved by so many elements along each axis.

    >>> moved((Interval(2, 5),), [-2])
    (Interval(start=0, stop=3),)
    """
    return tuple(Interval(side.start + n, side.stop + n) for side, n in zip(box, by, strict=True))


def hull(intervals: Iterable[Interval]) -> Interval:
    """Return the smallest interval that holds all of `intervals`."""
    return reduce(Interval.hull, intervals)


def slices(box: Box, outer: Box | None = None) -> tuple[slice, ...]:
    """Return the index of `box` in an array that holds `outer` (by default: that starts at the origin)."""
    if outer is None:
        return tuple(slice(interval.start, interval.stop) for interval in box)
    return tuple(inner.within(out) for inner, out in zip(box, outer, strict=True))


def round_up(value: int, factor: int) -> int:
    """Return the smallest multiple of `factor` that is at least `value`.

    >>> round_up(92, 16)
    96
    """
    return -(-value // factor) * factor


def overlap(box: Box, other: Box) -> bool:
    """Tell whether two boxes have a pixel in common.

    >>> overlap((Interval(0, 4),), (Interval(3, 9),)), overlap((Interval(0, 4),), (Interval(4, 9),))
    (True, False)
    """
    return all(one.start < two.stop and two.start < one.stop for one, two in zip(box, other, strict=True))
