"""Passes over the image that gather what whole-image operators must know, and what is kept between them.

Every statistic of a level needs those of the levels before it, so each level takes one pass over the image.
A pass begins at the image and replays what lies before its statistics, or at tensors that an earlier pass has
kept: that costs memory instead of arithmetic.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

from napari_exactile.geometry.interval import Interval
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cone.demands import Demands
from napari_exactile.network.whole.freeze import Frozen, Statistic

# What one element of an operator without multiplications costs beside a multiply-accumulate: it is read and
# written, which takes longer than the arithmetic.
ELEMENT_WORK = 4.0


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the image: it computes the nodes `results` from the image and from kept tensors.

    `statistics` are gathered from results, the tensors of `kept` are written whole for later passes, those of
    `forgotten` are of no use after this pass. `given` are the kept tensors that it can read.
    """

    statistics: tuple[Statistic, ...]
    results: tuple[int, ...]
    given: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    forgotten: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """All passes in order, the last of which computes the output, and the most `bytes` kept at once."""

    passes: tuple[Pass, ...]
    bytes: int = 0

    @property
    def surveys(self) -> tuple[Pass, ...]:
        """The passes before the last one: over the whole image, for its statistics."""
        return self.passes[:-1]

    @property
    def kept(self) -> frozenset[int]:
        """The tensors that passes keep for later ones: what makes this schedule of `PassPlanner.schedule`."""
        return frozenset(index for one in self.passes for index in one.kept)

    @property
    def last(self) -> Pass:
        """The pass that computes the output."""
        return self.passes[-1]


class PassPlanner:
    """Chooses what to keep by the costs of whole tensors; what tiles compute twice at seams is left out."""

    def __init__(self, frozen: Frozen, bound: BoundGraph) -> None:
        self.frozen, self.bound = frozen, bound
        # The same few budgets are asked for again and again, and bounds of powers of two serve as well.
        self._within: Callable[[int], Schedule] = lru_cache(maxsize=64)(self._chosen)
        # Another size of tiles asks for the same passes again.
        self._demands: Callable[[Pass], Demands] = lru_cache(maxsize=256)(self._demands_of)
        count = max((one.level for one in frozen.statistics), default=-1) + 1
        levels = range(count)
        self.statistics = [tuple(s for s in frozen.statistics if s.level == level) for level in levels]
        self.targets = [{one.source for one in group} for group in self.statistics]
        self.targets.append({frozen.graph.output})

    def within(self, budget: int) -> Schedule:
        """Return the passes, keeping tensors of at most `budget` bytes where that saves most arithmetic."""
        return self._within(1 << budget.bit_length() - 1 if budget > 0 else 0)

    def _chosen(self, budget: int) -> Schedule:
        return self.schedule(self.choose(budget))

    def _demands_of(self, one: Pass) -> Demands:
        return Demands(self.bound, one.results, frozenset(one.given))

    def work_of(self, one: Pass, spans: Sequence[Sequence[Interval]]) -> float:
        """Return the multiply-accumulates of one pass in zones, given their intervals along each axis."""
        demands = self._demands(one)
        lengths = [demands.lengths(axis, intervals) for axis, intervals in enumerate(spans)]
        computed = self.frozen.graph.alive(one.results, {0, *one.given}) - {0, *one.given}
        steps = ((node.index, operator) for node, operator in self.bound.steps if node.index in computed)
        return sum(operator.work * prod(length[index] for length in lengths) for index, operator in steps)

    @cached_property
    def bytes(self) -> list[int]:
        """The size of every node's whole tensor."""
        nodes = self.frozen.graph.nodes
        return [prod(node.shape) * node.dtype.itemsize for node in nodes]

    @cached_property
    def work(self) -> list[float]:
        """What it costs to compute every node's whole tensor."""
        work = [0.0]
        for node, operator in self.bound.steps:
            positions = prod(self.bound.graph.spatial_shape(node.index))
            work.append(positions * (operator.work + ELEMENT_WORK * node.features))
        return work

    @cached_property
    def candidates(self) -> list[int]:
        """The tensors that may be worth keeping: those that statistics are gathered of, small ones, and what
        later passes read and cannot make from those without multiplications, as sums beside shortcuts."""
        found = {one.source for one in self.frozen.statistics}
        found |= {index for index in self._read_later if self._multiplies(index, found)}
        for node in self.frozen.graph.nodes[1:]:
            if self.bytes[node.index] < min(self.bytes[source] for source in node.inputs):
                found.add(node.index)
        # They are read and written in boxes of the last dimensions.
        graph = self.frozen.graph
        return sorted(i for i in found - {0} if graph.layout(i).is_last)

    @property
    def _read_later(self) -> set[int]:
        """What is read by a node that is computed first in a later pass than it is itself."""
        first: dict[int, int] = {}
        for number, (computed, _read) in enumerate(self.simulate(frozenset())):
            first |= dict.fromkeys(computed - first.keys(), number)
        readers = (node for node in self.frozen.graph.nodes if node.index in first)
        return {i for node in readers for i in node.inputs if i in first and first[i] < first[node.index]}

    def _multiplies(self, index: int, given: set[int]) -> bool:
        computed = self.frozen.graph.alive({index}, given | {0}) - given - {0}
        operators = (self.bound.operators[i] for i in computed)
        return any(operator is not None and operator.work for operator in operators)

    def choose(self, budget: int) -> frozenset[int]:
        """Return what to keep: all that is of use where it fits, otherwise the most saved per byte."""
        everything = self.useful(frozenset(self.candidates))
        if self.peak(everything) <= budget:
            return everything
        return self.useful(self._greedy(budget))

    def _greedy(self, budget: int) -> frozenset[int]:
        """Keep one tensor after the other; what one saves can only shrink as others are kept."""
        kept: frozenset[int] = frozenset()
        cost = self.cost(kept)
        queue = [(-float("inf"), index) for index in self.candidates]
        while queue:
            _, index = heapq.heappop(queue)
            more = kept | {index}
            if self.peak(more) > budget:
                continue
            saved = (cost - self.cost(more)) / max(1, self.bytes[index])
            if queue and saved < -queue[0][0]:
                heapq.heappush(queue, (-saved, index))
            elif saved > 0:
                kept, cost = more, self.cost(more)
        return kept

    def cost(self, kept: frozenset[int]) -> float:
        """Return the work of all passes."""
        return sum(self.work[index] for computed, _ in self.simulate(kept) for index in computed)

    def simulate(self, kept: frozenset[int]) -> list[tuple[set[int], set[int]]]:
        """Return for every pass the nodes that it computes, and the kept tensors that it reads."""
        there: set[int] = set()
        passes = []
        for level, targets in enumerate(self.targets):
            alive = self.frozen.graph.alive(targets, there | {0})
            read = alive & there
            passes.append((alive - there - {0}, read))
            there |= {index for index in kept & alive if self.frozen.levels[index] <= level}
        return passes

    def lives(self, kept: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Return for each kept tensor that is of use the pass that writes it, and the last one to read it."""
        lives: dict[int, tuple[int, int]] = {}
        chosen = frozenset(kept)
        for number, (computed, read) in enumerate(self.simulate(chosen)):
            lives |= dict.fromkeys(computed & chosen, (number, number))
            lives |= {index: (lives[index][0], number) for index in read}
        return {index: life for index, life in lives.items() if life[1] > life[0]}

    def useful(self, kept: frozenset[int]) -> frozenset[int]:
        """Return the tensors that a later pass reads."""
        return frozenset(self.lives(kept))

    def peak(self, kept: frozenset[int]) -> int:
        """Return the most bytes that are kept at once."""
        lives = self.lives(kept)
        numbers = range(len(self.targets))
        return max(
            sum(self.bytes[i] for i, (first, last) in lives.items() if first <= n <= last) for n in numbers
        )

    def schedule(self, kept: frozenset[int]) -> Schedule:
        """Return the passes that keep these tensors."""
        lives = self.lives(kept)
        passes = []
        for number, targets in enumerate(self.targets):
            written = {index for index, (first, _) in lives.items() if first == number}
            there = {index for index, (first, last) in lives.items() if first < number <= last}
            gone = tuple(index for index, (_, last) in lives.items() if last == number)
            statistics = self.statistics[number] if number < len(self.statistics) else ()
            results = tuple(sorted(targets | written))
            passes.append(Pass(statistics, results, tuple(sorted(there)), tuple(sorted(written)), gone))
        return Schedule(tuple(passes), self.peak(kept))
