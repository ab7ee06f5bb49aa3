"""Turn a trace into a graph of operators that look at neighbourhoods alone, and what they must know first.

Operators that look at the whole image are replaced by what they are when their statistics are known, and
whatever depends on those alone becomes a constant. Where nothing is known yet, other values stand in: boxes,
costs and numbers of nodes do not depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from napari_exactile.network.rules.resample import Enlarged
from napari_exactile.network.rules.table import layout_of, refused
from napari_exactile.network.traced.constants import computed, distinct
from napari_exactile.network.traced.graph import Graph, Made, Node, Ref
from napari_exactile.network.traced.layout import Layout
from napari_exactile.network.whole.reductions import Partial, Reduction
from napari_exactile.network.whole.rules import whole_of


@dataclass(frozen=True, slots=True)
class Statistic:
    """What one operator must know of the whole image: the `reduction` of the tensor of node `source`.

    `key` is the number of the operator in the trace; `level` how many passes over the image come before the
    one that can gather it.
    """

    key: int
    source: int
    reduction: Reduction
    level: int
    operator: str
    place: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """A graph without operators that look at the whole image, and what they look for.

    `levels` tells of every node after how many passes over the image it can be computed.
    """

    traced: Graph
    graph: Graph
    statistics: tuple[Statistic, ...] = ()
    levels: tuple[int, ...] = ()

    def with_values(self, values: Mapping[int, Partial]) -> Graph:
        """Return the same graph with what is known, by the keys of the statistics; the numbers stay."""
        return freeze(self.traced, values).graph


def freeze(traced: Graph, values: Mapping[int, Partial] | None = None) -> Frozen:
    """Return the graph with its whole-image operators replaced; `values` are those that are known.

    Raises NotExactError where a constant made from them would be as large as the image.
    """
    walk = _Walk(traced, values or {})
    for node in traced.nodes[1:]:
        walk.visit(node)
    return walk.result()


@dataclass(frozen=True, slots=True)
class _Constant:
    value: torch.Tensor | Made
    level: int


class _Walk:
    """Goes through a trace from the image to the output."""

    def __init__(self, traced: Graph, values: Mapping[int, Partial]) -> None:
        self._traced, self._values = traced, values
        image = replace(traced.nodes[0], layout=Layout.last(traced.nodes[0].shape, traced.axes))
        self._nodes, self._levels = [image], [0]
        self._made: dict[int, Ref | _Constant] = {0: Ref(0)}
        self._statistics: list[Statistic] = []

    def visit(self, node: Node) -> None:
        """Take over one operator as it is, as a constant, or as what it is with statistics."""
        level = max((self._level(source) for source in node.inputs), default=0)
        args, kwargs = tree_map(self._filled, (node.args, node.kwargs))
        filled = replace(node, args=args, kwargs=kwargs)
        if not filled.inputs:
            self._made[node.index] = _Constant(folded(filled), level)
            return
        layouts = [self._nodes[source].layout for source in filled.inputs]
        whole = whole_of(filled, layouts)
        if whole is None:
            self._append(node.index, filled, level)
            return
        (source,) = filled.inputs
        label = whole.label or node.name.removeprefix("native_").replace("_", " ")
        self._statistics.append(Statistic(node.index, source, whole.reduction, level, label, node.place))
        known = self._values.get(node.index) or whole.reduction.unknown(self._nodes[source].shape)
        result = whole.known(known)
        if isinstance(result, Node):
            self._append(node.index, result, level + 1)
        else:
            self._made[node.index] = _Constant(result, level + 1)

    def _append(self, traced: int, node: Node, level: int) -> None:
        layouts = [self._nodes[source].layout for source in node.inputs]
        index = len(self._nodes)
        self._made[traced] = Ref(index)
        self._nodes.append(replace(node, index=index, layout=layout_of(node, layouts)))
        self._levels.append(level)

    def _level(self, traced: int) -> int:
        made = self._made[traced]
        return made.level if isinstance(made, _Constant) else self._levels[made.index]

    def _filled(self, leaf: Any) -> Any:
        if not isinstance(leaf, Ref):
            return leaf
        made = self._made[leaf.index]
        return made.value if isinstance(made, _Constant) else made

    def result(self) -> Frozen:
        """Return what is left, without nodes that nobody needs."""
        output = self._made[self._traced.output]
        if isinstance(output, _Constant):
            raise refused(self._traced.nodes[self._traced.output], "the output is the same at every pixel")
        graph = replace(self._traced, nodes=tuple(self._nodes), output=output.index)
        sources = [one.source for one in self._statistics]
        numbers = graph.numbers(sources)
        statistics = tuple(replace(one, source=numbers[one.source]) for one in self._statistics)
        levels = tuple(level for index, level in enumerate(self._levels) if index in numbers)
        return Frozen(self._traced, graph.pruned(sources), statistics, levels)


def folded(node: Node) -> torch.Tensor | Made:
    """Return the result of a node of constants alone; one as large as the image takes no memory.

    Raises NotExactError where it would.
    """
    if any(isinstance(leaf, Made) for leaf in tree_leaves((node.args, node.kwargs))):
        raise refused(node, "it makes a constant as large as the image", "Join it with the image first")
    tensors = [leaf for leaf in tree_leaves((node.args, node.kwargs)) if isinstance(leaf, torch.Tensor)]
    if _enlarges_single_elements(node, tensors):
        spread: torch.Tensor = distinct(tensors[0]).expand(node.shape)
        return spread
    try:
        result = computed(node.op, node.args, node.kwargs)
    except MemoryError as error:
        if node.name.startswith(RESIZING) and len(tensors) == 1:
            return Enlarged.of(node, tensors[0])
        raise refused(node, str(error)) from error
    one: torch.Tensor = result[node.result] if isinstance(result, tuple | list) else result
    return one


RESIZING = ("upsample_", "_upsample_")


def _enlarges_single_elements(node: Node, tensors: list[torch.Tensor]) -> bool:
    """Return whether a node resizes what has one element along each axis: whatever the weights, it stays."""
    if len(tensors) != 1 or not node.name.startswith(RESIZING):
        return False
    pairs = zip(distinct(tensors[0]).shape, node.shape, strict=True)
    return all(before in {1, after} for before, after in pairs)
