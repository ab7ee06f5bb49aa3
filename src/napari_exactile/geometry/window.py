"""How far an operator reaches along one axis: sliding windows, forwards and transposed, and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Protocol

from napari_exactile.geometry.interval import Interval


class Reach(Protocol):
    """What one axis of an operator needs of its input; kinds of reach inherit from it."""

    __slots__ = ()

    @property
    def stride(self) -> Fraction:
        """Input elements per output element."""
        ...

    @property
    def shift(self) -> Fraction:
        """Where output 0 begins, in input elements: with the length of a stride, it lies at the centre of
        what it reads."""
        return Fraction(0)

    def need(self, wanted: Interval) -> Interval:
        """Return the input interval that the output interval `wanted` depends on, edges not regarded."""
        ...

    def inside(self, wanted: Interval, length: int) -> Interval:
        """Return the part of an input of `length` elements that `wanted` depends on."""
        return self.need(wanted).clip(Interval(0, length))


@dataclass(frozen=True, slots=True)
class Same(Reach):
    """Output i depends on input i alone."""

    @property
    def stride(self) -> Fraction:
        """One: the grids are the same."""
        return Fraction(1)

    def need(self, wanted: Interval) -> Interval:
        """Return `wanted` itself."""
        return wanted


@dataclass(frozen=True, slots=True)
class Window(Reach):
    """Output i depends on inputs i * step - padding + dilation * (0 .. kernel - 1).

    >>> Window(kernel=3, step=2, padding=1).need(Interval(0, 4))
    Interval(start=-1, stop=8)
    """

    kernel: int
    step: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def stride(self) -> Fraction:
        """The step of the window."""
        return Fraction(self.step)

    @property
    def shift(self) -> Fraction:
        """What the padding leaves of the margin that the window needs beside a step.

        >>> Window(kernel=3).shift, Window(kernel=2, step=2).shift, Window(kernel=3, step=2, padding=1).shift
        (Fraction(1, 1), Fraction(0, 1), Fraction(-1, 2))
        """
        return Fraction(self.span - self.step, 2) - self.padding

    @property
    def span(self) -> int:
        """Input elements from the first to the last that one output reads."""
        return self.dilation * (self.kernel - 1) + 1

    def need(self, wanted: Interval) -> Interval:
        """Return the inputs under the windows of `wanted`; negative ones lie in the padding."""
        start = wanted.start * self.step - self.padding
        return Interval(start, (wanted.stop - 1) * self.step - self.padding + self.span)


@dataclass(frozen=True, slots=True)
class TransposedWindow(Reach):
    """Input i adds to outputs i * step - padding + dilation * (0 .. kernel - 1).

    >>> TransposedWindow(kernel=2, step=2).need(Interval(3, 6))
    Interval(start=1, stop=3)
    """

    kernel: int
    step: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def stride(self) -> Fraction:
        """The inverse of the step: a transposed window refines the grid."""
        return Fraction(1, self.step)

    @property
    def shift(self) -> Fraction:
        """How far outputs reach beyond the first input, but for what is cropped.

        >>> TransposedWindow(kernel=4, step=2).shift, TransposedWindow(kernel=4, step=2, padding=1).shift
        (Fraction(-1, 2), Fraction(0, 1))
        """
        return (self.padding - Fraction(self.span - self.step, 2)) / self.step

    @property
    def span(self) -> int:
        """Outputs from the first to the last that one input adds to."""
        return self.dilation * (self.kernel - 1) + 1

    def need(self, wanted: Interval) -> Interval:
        """Return the inputs that add to `wanted`; at least one, so that there is something to run on."""
        start = -(-(wanted.start + self.padding - self.span + 1) // self.step)
        stop = (wanted.stop - 1 + self.padding) // self.step + 1
        return Interval(start, max(stop, start + 1))

    def first(self, wanted: Interval) -> int:
        """Return the last input at or before the first output wanted, whether it adds to it or not."""
        return (wanted.start + self.padding) // self.step

    def made(self, given: Interval) -> Interval:
        """Return the outputs that the inputs `given` add to, cropping by `padding` not regarded."""
        start = given.start * self.step - self.padding
        return Interval(start, (given.stop - 1) * self.step - self.padding + self.span)


@dataclass(frozen=True, slots=True)
class Nearest(Reach):
    """Enlarging by repetition: output o is input o // factor.

    >>> Nearest(4).need(Interval(3, 9))
    Interval(start=0, stop=3)
    """

    factor: int

    @property
    def stride(self) -> Fraction:
        """The inverse of the factor: resizing refines the grid."""
        return Fraction(1, self.factor)

    def need(self, wanted: Interval) -> Interval:
        """Return the inputs that are repeated in `wanted`."""
        return Interval(wanted.start // self.factor, (wanted.stop - 1) // self.factor + 1)


@dataclass(frozen=True, slots=True)
class Linear(Reach):
    """Enlarging by linear interpolation: output o lies at (o + 1/2) / factor - 1/2, between two inputs.

    This is the grid without aligned corners. Beyond the first and the last input, these are repeated.

    >>> Linear(2).need(Interval(0, 4)), Linear(2).need(Interval(3, 4))
    (Interval(start=-1, stop=3), Interval(start=1, stop=3))
    """

    factor: int

    @property
    def stride(self) -> Fraction:
        """The inverse of the factor: resizing refines the grid."""
        return Fraction(1, self.factor)

    def need(self, wanted: Interval) -> Interval:
        """Return the inputs on both sides of `wanted`; -1 and beyond the last stand for the edge itself."""
        # A factor of 1 puts every output on an input: the second one then has no weight.
        taps = 1 if self.factor == 1 else 2
        return Interval(self._before(wanted.start), self._before(wanted.stop - 1) + taps)

    def _before(self, output: int) -> int:
        return (2 * output + 1 - self.factor) // (2 * self.factor)


@dataclass(frozen=True, slots=True)
class Cubic(Linear):
    """Enlarging by cubic interpolation: on the grid of Linear, from two inputs on each side.

    >>> Cubic(2).need(Interval(0, 4)), Cubic(2).need(Interval(3, 4)), Cubic(1).need(Interval(3, 4))
    (Interval(start=-2, stop=4), Interval(start=0, stop=4), Interval(start=3, stop=4))
    """

    def need(self, wanted: Interval) -> Interval:
        """Return the inputs around `wanted`; those beyond the edges stand for the edge itself."""
        # Named in full: a slotted dataclass is made twice, and super() would look for the first.
        nearest = Linear.need(self, wanted)
        return nearest if self.factor == 1 else nearest.grow(1, 1)


@dataclass(frozen=True, slots=True)
class Copied(Reach):
    """Padding by copies of what is inside: `before` elements ahead of the first."""

    before: int

    @property
    def stride(self) -> Fraction:
        """One: padding keeps the grid."""
        return Fraction(1)

    @property
    def shift(self) -> Fraction:
        """The padding lies before the first input."""
        return Fraction(-self.before)

    def need(self, wanted: Interval) -> Interval:
        """Return the same elements on the input's own count; those outside are copies."""
        return wanted.grow(self.before, -self.before)


@dataclass(frozen=True, slots=True)
class Mirror(Copied):
    """Padding by reflection, the edge itself not repeated.

    >>> Mirror(2).source(0, 5), Mirror(2).source(2, 5), Mirror(2).source(7, 5)
    (2, 0, 3)
    >>> Mirror(2).inside(Interval(0, 2), 5)
    Interval(start=1, stop=3)
    """

    def source(self, output: int, length: int) -> int:
        """Return the input that one output copies."""
        place = abs(output - self.before)
        return place if place < length else 2 * (length - 1) - place

    def inside(self, wanted: Interval, length: int) -> Interval:
        """Return the hull of what `wanted` copies: near an edge, that lies deeper in than `wanted` itself."""
        turns = [o for o in (self.before, self.before + length - 1) if wanted.start <= o < wanted.stop]
        places = [self.source(o, length) for o in (wanted.start, wanted.stop - 1, *turns)]
        return Interval(min(places), max(places) + 1)


@dataclass(frozen=True, slots=True)
class Repeated(Copied):
    """Padding by repetition of the edge.

    >>> Repeated(2).source(0, 5), Repeated(2).source(8, 5), Repeated(2).inside(Interval(0, 2), 5)
    (0, 4, Interval(start=0, stop=1))
    """

    def source(self, output: int, length: int) -> int:
        """Return the input that one output copies."""
        return min(max(output - self.before, 0), length - 1)


@dataclass(frozen=True, slots=True)
class Resampled(Reach):
    """Resizing by any factor: output o depends on inputs first[o] .. stop[o] - 1, as torch places them.

    They lie between o * ratio + lowest and o * ratio + highest, so that the same can be said without edges.

    >>> half = Resampled((0, 2), (2, 4), ratio=Fraction(2), lowest=Fraction(0), highest=Fraction(1))
    >>> half.inside(Interval(1, 2), 4), half.need(Interval(-3, 1))
    (Interval(start=2, stop=4), Interval(start=-6, stop=2))
    """

    first: Sequence[int]
    stop: Sequence[int]
    ratio: Fraction
    lowest: Fraction
    highest: Fraction

    @property
    def stride(self) -> Fraction:
        """The ratio of the two grids."""
        return self.ratio

    def need(self, wanted: Interval) -> Interval:
        """Return what no output in `wanted` reaches beyond, wherever in the image it lies."""
        start = ceil(wanted.start * self.ratio + self.lowest)
        stop = floor((wanted.stop - 1) * self.ratio + self.highest) + 1
        return Interval(start, max(stop, start + 1))

    def inside(self, wanted: Interval, _length: int) -> Interval:
        """Return the hull of what the outputs in `wanted` depend on."""
        outputs = slice(wanted.start, wanted.stop)
        return Interval(min(self.first[outputs]), max(self.stop[outputs]))
