"""Walk a graph backwards: which box of every tensor does a box of the output depend on?"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, floor, lcm
from typing import Any

from napari_exactile.geometry.equations import radius_of_layers
from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.window import Reach
from napari_exactile.network.cone.demands import Demand, Demands
from napari_exactile.network.rules.table import (
    Anchored,
    InPapers,
    Operator,
    layout_of,
    operator_of,
    reaches_of,
    refused,
)
from napari_exactile.network.traced.graph import Graph, Node, NotExactError, Refusal
from napari_exactile.network.traced.layout import Layout

# Properties that no value of a constant has a part in.
GEOMETRY = ("reaches", "strides", "offsets", "factor")


@dataclass(frozen=True, eq=False)  # each is itself: what its zones cost is remembered with it
class BoundGraph:
    """A graph with the operator of every node made ready; the image, node 0, has none.

    `like` is the same network at another size, whose `offsets` it has where their nodes are the same.
    """

    graph: Graph
    operators: tuple[Operator | None, ...]
    like: BoundGraph | None = None

    @classmethod
    def bind(cls, graph: Graph) -> BoundGraph:
        """Apply the rules; raise one NotExactError that names every operator that has none."""
        graph = laid_out(graph)
        operators: list[Operator | None] = [None]
        refusals: list[Refusal] = []
        for node in graph.nodes[1:]:
            try:
                # What comes after an operator that moves pixels about in an unknown way cannot be judged.
                known = all(graph.nodes[source].layout for source in node.inputs)
                operators.append(operator_of(node, graph) if known else None)
            except NotExactError as error:
                operators.append(None)
                refusals.extend(error.refusals)
        if refusals:
            raise NotExactError(tuple(refusals))
        return cls(graph, tuple(operators))

    def exchanged(self, nodes: Iterable[Node]) -> BoundGraph:
        """Return the same graph with these nodes in place of those of their numbers.

        Nothing but constants in their arguments may be others: what follows from the rest is taken over.
        """
        all_nodes, operators = list(self.graph.nodes), list(self.operators)
        for node in nodes:
            all_nodes[node.index], operators[node.index] = node, operator_of(node, self.graph)
        graph = replace(self.graph, nodes=tuple(all_nodes))
        other = replace(self, graph=graph, operators=tuple(operators))
        vars(other).update((name, getattr(self, name)) for name in GEOMETRY)
        return other

    @cached_property
    def steps(self) -> tuple[tuple[Node, Operator], ...]:
        """The nodes with their operators in the order of execution."""
        pairs = zip(self.graph.nodes, self.operators, strict=True)
        return tuple((node, operator) for node, operator in pairs if operator is not None)

    @cached_property
    def found(self) -> dict[Hashable, Any]:
        """What was found out about it, kept as long as it is."""
        return {}

    @cached_property
    def reaches(self) -> tuple[tuple[tuple[Reach, ...], ...], ...]:
        """Return, for every node, each of its inputs and each axis, how far it reaches."""
        pairs = zip(self.graph.nodes, self.operators, strict=True)
        return tuple(
            tuple(reaches_of(operator, number) for number in range(len(node.inputs))) if operator else ()
            for node, operator in pairs
        )

    @cached_property
    def strides(self) -> tuple[tuple[Fraction, ...], ...]:
        """Return, for every node and axis, the input pixels per element of its tensor."""
        strides = [(Fraction(1),) * self.graph.axes]
        for node, _operator in self.steps:
            results = {
                tuple(s * reach.stride for s, reach in zip(strides[source], reaches, strict=True))
                for source, reaches in zip(node.inputs, self.reaches[node.index], strict=True)
            }
            if len(results) > 1:
                raise refused(node, "it combines tensors of different resolution")
            strides.append(results.pop())
        return tuple(strides)

    @cached_property
    def offsets(self) -> tuple[tuple[Fraction, ...], ...]:
        """Where element 0 of every node's tensor begins, in input pixels from the image's corner, per axis.

        A tensor that shares out its input evenly begins where that one does, and one that shares out the
        image begins at its corner: that is how networks with padding are trained. Otherwise an element lies
        at the centre of what it reads; where inputs differ, half a pixel at a crop say, in their middle.
        """
        if self.like and self.like.graph.names == self.graph.names:
            return self.like.offsets
        offsets = [(Fraction(0),) * self.graph.axes]
        for node, operator in self.steps:
            before = [offsets[i] for i in node.inputs]
            middle = [sum(found, Fraction(0)) / len(before) for found in zip(*before, strict=True)]
            axes = enumerate(zip(middle, operator.reaches, strict=True))
            offsets.append(tuple(self._offset(node, axis, own, reach) for axis, (own, reach) in axes))
        return tuple(offsets)

    def _offset(self, node: Node, axis: int, before: Fraction, reach: Reach) -> Fraction:
        whole, length, source = (self.graph.spatial_shape(i)[axis] for i in (0, node.index, node.inputs[0]))
        if length == ceil(whole / self.strides[node.index][axis]):
            return Fraction(0)
        if length == ceil(source / reach.stride):
            return before
        return before + self.strides[node.inputs[0]][axis] * reach.shift

    @cached_property
    def factor(self) -> tuple[int, ...]:
        """Return F per axis: the least common multiple of the numerators of all strides."""
        axes = range(self.graph.axes)
        return tuple(lcm(*(stride[axis].numerator for stride in self.strides)) for axis in axes)

    def grid(self, image: tuple[int, ...]) -> OutputGrid:
        """Return where the output lies on an image of this shape, which is padded to the graph's.

        Each pixel of padding adds 1 / stride elements at the end of the output: these go.
        """
        stride, offset = self.strides[self.graph.output], self.offsets[self.graph.output]
        axes = zip(*map(self.graph.spatial_shape, (self.graph.output, 0)), image, stride, strict=True)
        shape = tuple(n - floor((padded - length) / s) for n, padded, length, s in axes)
        return OutputGrid(image, shape, stride, offset)

    @cached_property
    def anchors(self) -> tuple[Refusal, ...]:
        """Why tiles by themselves are not computed as they are in the whole image: each operator, its reason.

        Where there are any, the usual tiling cannot be exact, whatever its radius.
        """
        found = ((node, op.anchor) for node, op in self.steps if isinstance(op, Anchored))
        return tuple(Refusal(node.name, node.place, reason) for node, reason in found if reason)

    @cached_property
    def demands(self) -> Demands:
        """The same as `demand` with edges, for many zones of the output."""
        return Demands(self, (self.graph.output,))

    def demand(self, axis: int, wanted: Interval, edges: bool = True) -> Demand:
        """Return, for every node, the interval along one axis that `wanted` of the output depends on.

        With `edges`, intervals are clipped to the tensors' real extents; without, the image has no edge.
        """
        return self.walk(axis, {self.graph.output: wanted}, edges=edges)

    def walk(
        self, axis: int, wanted: Mapping[int, Interval], given: Collection[int] = (), edges: bool = True
    ) -> Demand:
        """Return the same for intervals of several nodes, where the tensors of `given` are there already."""
        demand = [wanted.get(index) for index in range(len(self.graph.nodes))]
        for node, _operator in reversed(self.steps):
            interval = demand[node.index]
            if interval is not None and node.index not in given:
                for source, reaches in zip(node.inputs, self.reaches[node.index], strict=True):
                    length, reach = self.graph.spatial_shape(source)[axis], reaches[axis]
                    part = reach.inside(interval, length) if edges else reach.need(interval)
                    before = demand[source]
                    demand[source] = part if before is None else before.hull(part)
        return tuple(demand)

    def part(self, index: int, axis: int, zone: Interval) -> Interval | None:
        """Return the part of a node's tensor that begins in a zone of the image; None where there is none.

        The parts of zones that partition the image partition the tensor, whatever its stride, offset and
        length: what lies before the image belongs to the first zone, what lies behind it to the last.
        """
        start, stop = self._first_from(index, axis, zone.start), self._first_from(index, axis, zone.stop)
        return Interval(start, stop) if stop > start else None

    def _first_from(self, index: int, axis: int, place: int) -> int:
        """Return the first element of a node's tensor that begins at `place` in the image, or behind it."""
        length, whole = (self.graph.spatial_shape(i)[axis] for i in (index, 0))
        if place <= 0 or place >= whole:
            return length if place > 0 else 0
        first = self.inner_part(index, axis, Interval(place, place)).start
        if place > whole - self.factor[axis] and whole % self.factor[axis] == 0:
            # The image may end here: what follows is what its padding adds.
            first = max(first, length - floor((whole - place) / self.strides[index][axis]))
        return min(max(first, 0), length)

    def inner_part(self, index: int, axis: int, zone: Interval) -> Interval:
        """Return the same where neither image nor tensor has an edge."""
        stride, offset = self.strides[index][axis], self.offsets[index][axis]
        return Interval(ceil((zone.start - offset) / stride), ceil((zone.stop - offset) / stride))

    def context(self, axis: int, index: int = 0) -> tuple[int, int]:
        """Return the pixels before and after an F-aligned zone that its result depends on, along one axis.

        `index` names another tensor than the image: what lies between it and the output.

        One zone of a single F tells all: shifting it by F shifts everything by F, and what is needed before
        (after) a longer zone is what is needed before its first (after its last) F.
        """
        factor = self.factor[axis]
        need = self.demand(axis, self.inner_part(self.graph.output, axis, Interval(0, factor)), False)[index]
        assert need is not None, "dead nodes were removed by the trace"
        own, offset = self.strides[index][axis], self.offsets[index][axis]
        return max(0, int(-need.start * own - offset)), max(0, int(need.stop * own + offset) - factor)

    def margin(self, axis: int) -> int:
        """Return the pixels that a tile by itself needs on either side of any zone, along one axis.

        More than the context where a network shifts the image and later shifts it back, or mirrors it: a
        tensor in between must hold what the zone depends on, and a tile's tensors end where the tile does.
        """
        length, factor = self.graph.spatial_shape(0)[axis], self.factor[axis]
        first, last = Interval(0, min(factor, length)), Interval((length - 1) // factor * factor, length)
        sides = [(Interval(0, factor), False), (first, True), (last, True)]
        return max(self._margin(axis, zone, edges) for zone, edges in sides)

    def _margin(self, axis: int, zone: Interval, edges: bool) -> int:
        lengths, lacking = self.graph.spatial_shape, [0]
        stride = self.strides[self.graph.output][axis]
        wanted = Interval(int(zone.start / stride), ceil(zone.stop / stride))
        for index, need in enumerate(self.demand(axis, wanted, edges)):
            if need is not None:
                own = self.strides[index][axis]
                # Padding makes a tensor longer than the image on its grid, as it does in a tile.
                longer = lengths(index)[axis] * own - lengths(0)[axis]
                lacking += [ceil(zone.start - need.start * own), ceil(need.stop * own - longer) - zone.stop]
        return max(lacking)

    def paper_radius(self, axis: int) -> int:
        """Return Eq. 1 along the path where it is largest; transposed convolutions do not count in it."""
        layers: list[tuple[tuple[Fraction, int], ...]] = [()]
        for node, operator in self.steps:
            longest = max((layers[i] for i in node.inputs), key=radius_of_layers)
            if isinstance(operator, InPapers):
                stride = self.strides[node.inputs[0]][axis]
                longest = (*longest, (stride, operator.papers_kernel[axis]))
            layers.append(longest)
        return radius_of_layers(layers[self.graph.output])


def laid_out(graph: Graph) -> Graph:
    """Return the graph with the layout of every tensor, as far as the rules know it."""
    nodes: list[Node] = []
    for node in graph.nodes:
        sources = [nodes[source].layout for source in node.inputs]
        layout = layout_of(node, sources) if nodes else Layout.last(node.shape, graph.axes)
        assert layout is None or layout.shape == node.shape, f"the layout of {node.name} has another shape"
        nodes.append(replace(node, layout=layout))
    return replace(graph, nodes=tuple(nodes))


def boxes(demands: Sequence[Demand]) -> tuple[Box | None, ...]:
    """Join the demands along each axis to one box per node."""
    joined = zip(*demands, strict=True)
    return tuple(None if None in part else part for part in joined)


def last_uses(graph: Graph, computed: Collection[int]) -> list[list[int]]:
    """Return, for every node, the tensors that nobody needs after it, where the nodes `computed` run."""
    last = {source: node.index for node in graph.nodes if node.index in computed for source in node.inputs}
    uses: list[list[int]] = [[] for _ in graph.nodes]
    for source, user in last.items():
        uses[user].append(source)
    return uses
