"""The demands of many zones: the graph is walked once for all zones that differ only by where they lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Protocol

from napari_exactile.geometry.interval import Interval
from napari_exactile.network.traced.graph import Graph

Demand = tuple[Interval | None, ...]
PartOf = Callable[[int, int, Interval], Interval | None]


class Walked(Protocol):
    """A graph with its rules, which tells what an interval of a node depends on."""

    @property
    def graph(self) -> Graph:
        """The nodes."""

    @property
    def factor(self) -> tuple[int, ...]:
        """F, along each axis."""

    @property
    def strides(self) -> tuple[tuple[Fraction, ...], ...]:
        """The stride of each node, along each axis."""

    def part(self, index: int, axis: int, zone: Interval, /) -> Interval | None:
        """Return the part of a node that belongs to a zone."""

    def inner_part(self, index: int, axis: int, zone: Interval, /) -> Interval:
        """Return the same where the image has no edge."""

    def walk(
        self, axis: int, wanted: Mapping[int, Interval], given: Collection[int] = (), edges: bool = True
    ) -> Demand:
        """Return what the wanted intervals depend on, node by node."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What an interval that starts within the first F depends on where the image has no edge.

    Moved by n times F, which moves each tensor by n of its `steps`, it stays true where every tensor goes on:
    for n from `first` to `last`.
    """

    demand: Demand
    steps: tuple[int, ...]
    first: int
    last: int

    def moved(self, n: int) -> Demand:
        """Return the demand of the interval that lies `n` times F farther on."""
        return tuple(
            None if part is None else Interval(part.start + n * step, part.stop + n * step)
            for part, step in zip(self.demand, self.steps, strict=True)
        )


class Demands:
    """What the nodes `results` depend on in zones all over an image of any size.

    Zones are intervals of the image; of each result, the part that belongs to a zone is wanted. The tensors
    of `given` are there already: what only they depend on is not.

    Shifting a zone by F shifts everything it depends on, unless a tensor's edge is in reach: so only the
    zones near edges are walked one by one.
    """

    def __init__(self, bound: Walked, results: Collection[int], given: Collection[int] = ()) -> None:
        self._bound, self._results, self._given = bound, results, given
        # Tiles of a row share their interval along y, those of a column along x.
        self.of: Callable[[int, Interval], Demand] = lru_cache(maxsize=2048)(self._of)
        self._edge: Callable[[int, Interval], Demand] = lru_cache(maxsize=1024)(self._at_edge)
        self._pattern: Callable[[int, int, int], _Pattern] = lru_cache(maxsize=256)(self._new_pattern)

    def lengths(self, axis: int, intervals: Iterable[Interval]) -> list[int]:
        """Return, for every tensor, the sum of its lengths along one axis over all these zones."""
        alike = Counter(self._first_alike(axis, interval) for interval in intervals)
        sums = [0] * len(self._bound.graph.nodes)
        for interval, count in alike.items():
            for index, part in enumerate(self.of(axis, interval)):
                sums[index] += count * len(part) if part else 0
        return sums

    def _of(self, axis: int, wanted: Interval) -> Demand:
        """Return, for every tensor, the interval that the zone `wanted` depends on, within its edges."""
        pattern, n = self._place(axis, wanted)
        inside = pattern.first <= n <= pattern.last
        return pattern.moved(n) if inside else self._edge(axis, wanted)

    def _first_alike(self, axis: int, interval: Interval) -> Interval:
        """Return the first interval whose demand is this one's but for a shift; itself where none is."""
        pattern, n = self._place(axis, interval)
        if not pattern.first <= n <= pattern.last:
            return interval
        back = (n - pattern.first) * self._bound.factor[axis]
        return Interval(interval.start - back, interval.stop - back)

    def _place(self, axis: int, interval: Interval) -> tuple[_Pattern, int]:
        """Return the pattern that an interval follows, and by how many F it is moved."""
        n, phase = divmod(interval.start, self._bound.factor[axis])
        return self._pattern(axis, phase, len(interval)), n

    def _new_pattern(self, axis: int, phase: int, length: int) -> _Pattern:
        bound, steps = self._bound, self._steps[axis]
        zone = Interval(phase, phase + length)
        wanted = self._wanted(axis, zone, self._unclipped)
        demand = bound.walk(axis, wanted, self._given, edges=False)
        if not wanted:
            return _Pattern(demand, steps, first=0, last=-1)
        ends = [bound.graph.spatial_shape(index)[axis] for index in range(len(steps))]
        parts = [(part, step, end) for part, step, end in zip(demand, steps, ends, strict=True) if part]
        first = max(-(part.start // step) for part, step, _end in parts)
        last = min((end - part.stop) // step for part, step, end in parts)
        # The first zone gets what a tensor has before the image, those in the last F what it has behind it.
        before_end = (bound.graph.spatial_shape(0)[axis] - zone.stop) // bound.factor[axis] - 1
        return _Pattern(demand, steps, max(first, 0 if phase else 1), min(last, before_end))

    def _at_edge(self, axis: int, zone: Interval) -> Demand:
        return self._bound.walk(axis, self._wanted(axis, zone, self._bound.part), self._given)

    def _wanted(self, axis: int, zone: Interval, part_of: PartOf) -> dict[int, Interval]:
        parts = {index: part_of(index, axis, zone) for index in self._results}
        return {index: part for index, part in parts.items() if part}

    def _unclipped(self, index: int, axis: int, zone: Interval) -> Interval | None:
        part = self._bound.inner_part(index, axis, zone)
        return part if len(part) else None

    @cached_property
    def _steps(self) -> tuple[tuple[int, ...], ...]:
        """Along each axis, the elements of every tensor that one F of the image has."""
        pairs = enumerate(self._bound.factor)
        return tuple(tuple(int(f / stride[axis]) for stride in self._bound.strides) for axis, f in pairs)
