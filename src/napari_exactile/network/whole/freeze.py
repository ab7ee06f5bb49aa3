"""Turn a trace into a graph of operators that look at neighbourhoods alone, and what they must know first.

Operators that look at the whole image are replaced by what they are when their statistics are known, and
whatever depends on those alone becomes a constant. Where nothing is known yet, other values stand in: boxes,
costs and numbers of nodes do not depend on them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from napari_exactile.network.rules.resample import Enlarged
from napari_exactile.network.rules.table import layout_of, refused
from napari_exactile.network.traced.constants import computed, distinct
from napari_exactile.network.traced.graph import Graph, Made, Node, Ref
from napari_exactile.network.traced.layout import Layout
from napari_exactile.network.whole.reductions import Partial, Reduction
from napari_exactile.network.whole.rules import Whole, whole_of


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
class _Constant:
    value: torch.Tensor | Made
    level: int


# What became of the nodes of a trace, by their numbers there.
_Become = dict[int, Ref | _Constant]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A graph without operators that look at the whole image, and what they look for.

    `levels` tells of every node after how many passes over the image it can be computed.
    """

    traced: Graph
    graph: Graph
    statistics: tuple[Statistic, ...]
    levels: tuple[int, ...]
    _become: _Become = field(repr=False)

    def known(self, values: Mapping[int, Partial]) -> tuple[Node, ...]:
        """Return the nodes of the graph that are others once these values are known, by keys of statistics.

        They have their numbers and layouts: nothing but constants in their arguments is new.
        """
        return self.learnt(values, values)[1]

    def learnt(
        self, values: Mapping[int, Partial], new: Collection[int]
    ) -> tuple[Frozen, tuple[Node, ...]]:  # fmt: skip
        """Return what knows all these values where this one knows them but for those of the keys `new`, and
        the nodes that are others for it."""
        become, changed, nodes = dict(self._become), set[int](), []
        for node in self.traced.nodes:
            if node.index in become and (node.index in new or not changed.isdisjoint(node.inputs)):
                result, _whole = _replaced(_filled(node, become), self.graph.nodes, values.get(node.index))
                before = become[node.index]
                if isinstance(result, Node):
                    assert isinstance(before, Ref), "what depends on the image does so, whatever is known"
                    layout = self.graph.nodes[before.index].layout
                    nodes.append(replace(result, index=before.index, layout=layout))
                else:
                    assert isinstance(before, _Constant), "and what does not, does not"
                    become[node.index] = replace(before, value=result)
                    changed.add(node.index)
        return replace(self, _become=become), tuple(nodes)


def freeze(traced: Graph, values: Mapping[int, Partial] | None = None) -> Frozen:
    """Return the graph with its whole-image operators replaced; `values` are those that are known.

    Raises NotExactError where a constant made from them would be as large as the image.
    """
    walk = _Walk(traced, values or {})
    for node in traced.nodes[1:]:
        walk.visit(node)
    return walk.result()


def _filled(node: Node, become: _Become) -> Node:
    """Return a node of the trace with what its inputs have become."""

    def filled(leaf: Any) -> Any:
        made = become[leaf.index] if isinstance(leaf, Ref) else leaf
        return made.value if isinstance(made, _Constant) else made

    args, kwargs = tree_map(filled, (node.args, node.kwargs))
    return replace(node, args=args, kwargs=kwargs)


def _replaced(
    node: Node, sources: Sequence[Node], known: Partial | None
) -> tuple[Node | torch.Tensor | Made, Whole | None]:
    """Return what takes the place of a node whose inputs are among `sources`, and what it looks for."""
    if not node.inputs:
        return folded(node), None
    whole = whole_of(node, [sources[source].layout for source in node.inputs])
    if whole is None:
        return node, None
    return whole.known(known or whole.reduction.unknown(sources[node.inputs[0]].shape)), whole


class _Walk:
    """Goes through a trace from the image to the output."""

    def __init__(self, traced: Graph, values: Mapping[int, Partial]) -> None:
        self._traced, self._values = traced, values
        image = replace(traced.nodes[0], layout=Layout.last(traced.nodes[0].shape, traced.axes))
        self._nodes, self._levels = [image], [0]
        self._become: _Become = {0: Ref(0)}
        self._statistics: list[Statistic] = []

    def visit(self, node: Node) -> None:
        """Take over one operator as it is, as a constant, or as what it is with statistics."""
        level = max((self._level(source) for source in node.inputs), default=0)
        filled = _filled(node, self._become)
        result, whole = _replaced(filled, self._nodes, self._values.get(node.index))
        if whole is not None:
            (source,) = filled.inputs
            label = whole.label or node.name.removeprefix("native_").replace("_", " ")
            one = Statistic(node.index, source, whole.reduction, level, label, node.place)
            self._statistics.append(one)
            level += 1
        if isinstance(result, Node):
            self._append(node.index, result, level)
        else:
            self._become[node.index] = _Constant(result, level)

    def _append(self, traced: int, node: Node, level: int) -> None:
        layouts = [self._nodes[source].layout for source in node.inputs]
        index = len(self._nodes)
        self._become[traced] = Ref(index)
        self._nodes.append(replace(node, index=index, layout=layout_of(node, layouts)))
        self._levels.append(level)

    def _level(self, traced: int) -> int:
        made = self._become[traced]
        return made.level if isinstance(made, _Constant) else self._levels[made.index]

    def result(self) -> Frozen:
        """Return what is left, without nodes that nobody needs."""
        output = self._become[self._traced.output]
        if isinstance(output, _Constant):
            raise refused(self._traced.nodes[self._traced.output], "the output is the same at every pixel")
        graph = replace(self._traced, nodes=tuple(self._nodes), output=output.index)
        sources = [one.source for one in self._statistics]
        numbers = graph.numbers(sources)
        statistics = tuple(replace(one, source=numbers[one.source]) for one in self._statistics)
        levels = tuple(level for index, level in enumerate(self._levels) if index in numbers)
        return Frozen(self._traced, graph.pruned(sources), statistics, levels, self._renumbered(numbers))

    def _renumbered(self, numbers: Mapping[int, int]) -> _Become:
        return {
            traced: Ref(numbers[made.index]) if isinstance(made, Ref) else made
            for traced, made in self._become.items()
            if isinstance(made, _Constant) or made.index in numbers
        }


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
