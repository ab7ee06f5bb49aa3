"""Bounds of numbers, and what arithmetic makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, isfinite, isnan
from typing import Literal

Scale = Literal["logits", "probabilities", "logarithms"]
# What numbers are beside their bounds: logarithms of probabilities, or the numbers of classes.
Meaning = Literal["", "logarithms", "classes"]


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers between two bounds, and what they mean; a bound that is no number is none."""

    low: float = -inf
    high: float = inf
    meaning: Meaning = ""

    def __post_init__(self) -> None:
        if isnan(self.low) or isnan(self.high):
            object.__setattr__(self, "low", -inf)
            object.__setattr__(self, "high", inf)

    @property
    def scale(self) -> Scale:
        """What scores within these bounds are.

        >>> Span(0, 1).scale, Span(-inf, 0, "logarithms").scale, Span(0, 255).scale
        ('probabilities', 'logarithms', 'logits')
        """
        if self.meaning == "classes":
            return "logits"
        if self.low >= 0 and self.high <= 1:
            return "probabilities"
        return "logarithms" if self.meaning == "logarithms" else "logits"

    @property
    def one_sided(self) -> bool:
        """Whether no logits lie so: these have both signs, and no bounds."""
        return self.low >= 0 or self.high <= 0 or (isfinite(self.low) and isfinite(self.high))


ANY = Span()


def number(value: float) -> Span:
    """Return the bounds of one number."""
    return Span(value, value)


def hull(spans: Sequence[Span]) -> Span:
    """Return the bounds of numbers that lie in any of these; they mean something where all mean the same."""
    if not spans:
        return ANY
    meanings = {span.meaning for span in spans}
    meaning = meanings.pop() if len(meanings) == 1 else ""
    return Span(min(s.low for s in spans), max(s.high for s in spans), meaning)


def least(one: Span, other: Span) -> Span:
    """Return the bounds of the smaller of two numbers."""
    return Span(min(one.low, other.low), min(one.high, other.high))


def largest(one: Span, other: Span) -> Span:
    """Return the bounds of the larger of two numbers."""
    return Span(max(one.low, other.low), max(one.high, other.high))


def plus(one: Span, other: Span) -> Span:
    """Return the bounds of a sum."""
    return Span(one.low + other.low, one.high + other.high)


def times(one: Span, other: Span) -> Span:
    """Return the bounds of a product."""
    # 0 times an endless bound is 0: the bound itself is never reached.
    ends = [a * b if a and b else 0.0 for a, b in product((one.low, one.high), (other.low, other.high))]
    return Span(min(ends), max(ends))


def inverse(span: Span) -> Span:
    """Return the bounds of 1 divided by a number.

    >>> inverse(Span(1, inf)), inverse(Span(0, 1)) == ANY
    (Span(low=0.0, high=1.0, meaning=''), True)
    """
    return ANY if span.low <= 0 <= span.high else Span(1 / span.high, 1 / span.low)


def size(span: Span) -> Span:
    """Return the bounds of a number without its sign."""
    ends = abs(span.low), abs(span.high)
    return Span(0.0 if span.low <= 0 <= span.high else min(ends), max(ends))


def power(base: Span, exponent: Span) -> Span:
    """Return the bounds of a power: those of its corners, where no number is negative.

    >>> power(Span(0, 1), Span(1, 3)), power(Span(-3, 2), number(2))
    (Span(low=0.0, high=1.0, meaning=''), Span(low=0.0, high=9.0, meaning=''))
    """
    if exponent.low == exponent.high and exponent.low % 2 == 0:
        base = size(base)
    if base.low < 0:
        return ANY
    if exponent.low < 0:
        return Span(0, inf)
    ends = [_power(a, b) for a, b in product((base.low, base.high), (exponent.low, exponent.high))]
    return Span(min(ends), max(ends))


def _power(base: float, exponent: float) -> float:
    try:
        return float(pow(base, exponent))
    except OverflowError:
        return inf
