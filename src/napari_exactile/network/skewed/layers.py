"""Nodes that are computed together: what one slab holds, and which pointwise steps happen on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from napari_exactile.geometry.window import Same
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.rules.local import Pointwise
from napari_exactile.network.rules.table import Operator, bound_arguments
from napari_exactile.network.skewed.slab import is_plain
from napari_exactile.network.traced.graph import Graph, Node

# Operators whose result is their input: as it is, or in another form of the same memory.
_SAME = {"view", "_unsafe_view", "alias", "detach", "clone", "native_dropout"}


@dataclass(frozen=True, slots=True)
class Part:
    """Channels from `channel` on of a layer, from the rows of other layers, its `sources`.

    `head` is the node whose operator makes them; without one, they begin as those of the only source. `steps`
    are nodes that work pixel by pixel on what is made.
    """

    head: int | None
    sources: tuple[int, ...]
    steps: tuple[int, ...] = ()
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """What lies in one slab: the tensor of node `index`. `steps` come after several parts are joined."""

    index: int
    parts: tuple[Part, ...] = ()
    steps: tuple[int, ...] = ()

    def then(self, node: Node, is_step: bool) -> Layer:
        """Return the layer of a node that reads this one alone, pixel by pixel."""
        steps = (node.index,) if is_step else ()
        if len(self.parts) == 1:
            (part,) = self.parts
            return Layer(node.index, (replace(part, steps=part.steps + steps),))
        return Layer(node.index, self.parts, self.steps + steps)


class _Grouping:
    """Goes through the nodes in their order; `layers` by the node that each ends with."""

    def __init__(self, bound: BoundGraph, results: Collection[int], given: Collection[int]) -> None:
        self._graph, self._results = bound.graph, set(results)
        alive = bound.graph.alive(results, given)
        self._steps = [(n, op) for n, op in bound.steps if n.index in alive and n.index not in given]
        self._readers = Counter(source for node, _op in self._steps for source in node.inputs)
        self.layers = {index: Layer(index) for index in sorted(alive & set(given))}

    def run(self) -> dict[int, Layer]:
        for node, operator in self._steps:
            self.layers[node.index] = self._joined(node) or self._following(node, operator)
        return dict(sorted(self.layers.items()))

    def _following(self, node: Node, operator: Operator) -> Layer:
        same = is_same(node, operator, self._graph)
        if same or self._is_step(node, operator):
            (source,) = set(node.inputs)
            if self._is_sole(source):
                return self.layers.pop(source).then(node, not same)
            return Layer(node.index, (Part(None, (source,), () if same else (node.index,)),))
        return Layer(node.index, (Part(node.index, node.inputs),))

    def _is_sole(self, source: int) -> bool:
        """Tell whether nobody else wants a layer as it is."""
        return bool(self.layers[source].parts) and self._readers[source] == 1 and source not in self._results

    def _is_step(self, node: Node, operator: Operator) -> bool:
        if not isinstance(operator, Pointwise) or len(node.inputs) != 1 or node.result:
            return False
        source = self._graph.nodes[node.inputs[0]]
        return (source.shape, source.dtype, source.layout) == (node.shape, node.dtype, node.layout)

    def _joined(self, node: Node) -> Layer | None:
        """Return the layer of a node that lays its inputs side by side, None for any other."""
        if not joins_channels(node, self._graph):
            return None
        parts, channel = [], 0
        for source in node.inputs:
            made = self.layers[source]
            if self._is_sole(source) and len(made.parts) == 1:
                parts.append(replace(self.layers.pop(source).parts[0], channel=channel))
            else:
                parts.append(Part(None, (source,), channel=channel))
            channel += self._graph.nodes[source].shape[1]
        return Layer(node.index, tuple(parts))


def layers_of(bound: BoundGraph, results: Collection[int], given: Collection[int]) -> dict[int, Layer]:
    """Return the layers in the order of execution, by their nodes; what is `given` has no parts."""
    return _Grouping(bound, results, given).run()


def is_same(node: Node, operator: Operator, graph: Graph) -> bool:
    """Tell whether the result of a node is its input."""
    if node.name not in _SAME or len(set(node.inputs)) != 1 or node.result:
        return False
    source = graph.nodes[node.inputs[0]]
    alike = (source.shape, source.dtype, source.layout) == (node.shape, node.dtype, node.layout)
    return alike and all(isinstance(reach, Same) for reach in operator.reaches)


def joins_channels(node: Node, graph: Graph) -> bool:
    """Tell whether a node lays plain tensors of its own type side by side along their channels."""
    if node.name != "cat" or len(node.inputs) < 2:
        return False
    tensors, dim = bound_arguments(node)["tensors"], bound_arguments(node)["dim"]
    plain = [is_plain(graph.layout(index)) for index in (node.index, *node.inputs)]
    types = {graph.nodes[index].dtype for index in (node.index, *node.inputs)}
    return len(tensors) == len(node.inputs) and dim % len(node.shape) == 1 and all(plain) and len(types) == 1
