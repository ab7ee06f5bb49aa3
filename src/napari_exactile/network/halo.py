"""Walk a graph backwards: which box of every tensor does a box of the output depend on?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, lcm

# The rules register themselves when their modules are imported.
import napari_exactile.network.channels
import napari_exactile.network.local
import napari_exactile.network.padding
import napari_exactile.network.pooling
import napari_exactile.network.products
import napari_exactile.network.resize
import napari_exactile.network.shaping
import napari_exactile.network.shuffle
import napari_exactile.network.windowed  # noqa: F401
from napari_exactile.geometry.equations import radius_of_layers
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.demands import Demand, Demands
from napari_exactile.network.graph import Graph, Node, NotExactError, Refusal
from napari_exactile.network.layout import Layout
from napari_exactile.network.rules import Anchored, Operator, layout_of, operator_of, refused
from napari_exactile.network.windowed import Convolution


@dataclass(frozen=True)
class BoundGraph:
    """A graph with the operator of every node made ready; the image, node 0, has none."""

    graph: Graph
    operators: tuple[Operator | None, ...]

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

    @cached_property
    def steps(self) -> tuple[tuple[Node, Operator], ...]:
        """The nodes with their operators in the order of execution."""
        pairs = zip(self.graph.nodes, self.operators, strict=True)
        return tuple((node, operator) for node, operator in pairs if operator is not None)

    @cached_property
    def strides(self) -> tuple[tuple[Fraction, ...], ...]:
        """Return, for every node and axis, the input pixels per element of its tensor."""
        strides = [(Fraction(1),) * self.graph.axes]
        for node, operator in self.steps:
            sources = {strides[i] for i in node.inputs}
            if len(sources) > 1:
                raise refused(node, "it combines tensors of different resolution")
            scale = sources.pop()
            strides.append(tuple(s * reach.stride for s, reach in zip(scale, operator.reaches, strict=True)))
        return tuple(strides)

    @property
    def factor(self) -> tuple[int, ...]:
        """Return F per axis: the least common multiple of the numerators of all strides."""
        axes = range(self.graph.axes)
        return tuple(lcm(*(stride[axis].numerator for stride in self.strides)) for axis in axes)

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
        for node, operator in reversed(self.steps):
            interval = demand[node.index]
            if interval is not None and node.index not in given:
                for source in node.inputs:
                    length = self.graph.spatial_shape(source)[axis]
                    reach = operator.reaches[axis]
                    part = reach.inside(interval, length) if edges else reach.need(interval)
                    before = demand[source]
                    demand[source] = part if before is None else before.hull(part)
        return tuple(demand)

    def part(self, index: int, axis: int, zone: Interval) -> Interval | None:
        """Return the part of a node's tensor that belongs to a zone of the image; None where there is none.

        The parts of zones that partition the image partition the tensor, whatever its stride and length.
        """
        stride, length = self.strides[index][axis], self.graph.spatial_shape(index)[axis]
        start = min(ceil(zone.start / stride), length)
        at_end = zone.stop >= self.graph.spatial_shape(0)[axis]
        stop = length if at_end else min(ceil(zone.stop / stride), length)
        return Interval(start, stop) if stop > start else None

    def context(self, axis: int, index: int = 0) -> tuple[int, int]:
        """Return the pixels before and after an F-aligned zone that its result depends on, along one axis.

        `index` names another tensor than the image: what lies between it and the output.

        One zone of a single F tells all: shifting it by F shifts everything by F, and what is needed before
        (after) a longer zone is what is needed before its first (after its last) F.
        """
        factor, stride = self.factor[axis], self.strides[self.graph.output][axis]
        need = self.demand(axis, Interval(0, int(factor / stride)), edges=False)[index]
        assert need is not None, "dead nodes were removed by the trace"
        own = self.strides[index][axis]
        return max(0, int(-need.start * own)), max(0, int(need.stop * own) - factor)

    def margin(self, axis: int) -> int:
        """Return the pixels that a tile by itself needs on either side of any zone, along one axis.

        More than the context where a network shifts the image and later shifts it back, or mirrors it: a
        tensor in between must hold what the zone depends on, and a tile's tensors end where the tile does.
        """
        length, factor = self.graph.spatial_shape(0)[axis], self.factor[axis]
        sides = [(Interval(0, factor), False), (Interval(0, factor), True)]
        sides.append((Interval(length - factor, length), True))
        return max(self._margin(axis, zone, edges) for zone, edges in sides)

    def _margin(self, axis: int, zone: Interval, edges: bool) -> int:
        lengths, lacking = self.graph.spatial_shape, [0]
        stride = self.strides[self.graph.output][axis]
        wanted = Interval(int(zone.start / stride), int(zone.stop / stride))
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
            if isinstance(operator, Convolution):
                stride = self.strides[node.inputs[0]][axis]
                longest = (*longest, (stride, operator.reaches[axis].span))
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
    return Graph(tuple(nodes), graph.output)


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
