"""What the numbers that a network gives can be, read off its last operators."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod
from typing import Any

import torch

from napari_exactile.network.rules.channels import dims_of
from napari_exactile.network.rules.table import bound_arguments
from napari_exactile.network.shares import Shares
from napari_exactile.network.span import ANY, Span, hull, number
from napari_exactile.network.span_rules import PIECES, SAME, SPAN_RULES
from napari_exactile.network.traced.constants import distinct
from napari_exactile.network.traced.graph import Graph, Node, Ref

# So many operators are followed backwards: what bounds an output stands near its end.
FAR = 64


@dataclass(frozen=True, slots=True)
class Gives:
    """Bounds of a network's output, and the name of the operator that sets them ("" where none does)."""

    span: Span = ANY
    operator: str = ""


def gives(graph: Graph) -> Gives:
    """Return what the output of a graph can be, as far as its last operators tell.

    Operators that change no value, or only mix values (views, crops, resizing by neighbours, means), are
    looked through.
    """
    walk = _Walk(graph)
    span = walk.span(graph.output)
    if span == ANY:
        return Gives()
    return Gives(span, walk.decisive(graph.output).lstrip("_").removesuffix("_forward"))


class _Walk:
    """Goes from the output towards the image."""

    def __init__(self, graph: Graph) -> None:
        self._nodes, self._known = graph.nodes, dict[int, Span]()
        self._shares = Shares(graph, lambda argument: self.of(argument).low >= 0)

    def span(self, index: int) -> Span:
        """Return the bounds of one node's result; a guess at them stops no network, whatever happens."""
        if index not in self._known:
            too_far = len(self._known) > FAR
            self._known[index] = ANY  # until it is known
            if not too_far:
                try:
                    self._known[index] = self._read(self._nodes[index])
                except Exception:  # an operator in a form that no rule has foreseen
                    self._known[index] = ANY
        return self._known[index]

    def _read(self, node: Node) -> Span:
        if node.op is None:
            return ANY
        if _is_choice(node):
            shape = self._nodes[node.inputs[0]].shape
            return Span(0, prod(shape[dim] for dim in dims_of(node, len(shape))) - 1, "classes")
        if node.dtype == torch.bool or self._shares.is_share(node):
            return Span(0, 1)
        if self._shares.is_logarithm(node):
            return Span(-inf, 0, "logarithms")
        rule = SPAN_RULES.get(node.name)
        span = rule(self, bound_arguments(node)) if rule and not _is_place(node) else ANY
        return span if node.dtype.is_floating_point or _fits(span, node.dtype) else ANY

    def of(self, argument: Any) -> Span:
        """Return the bounds of an argument: a result, a number, a constant, or a list of these."""
        if isinstance(argument, Ref):
            return self.span(argument.index)
        if isinstance(argument, list | tuple):
            return hull([self.of(one) for one in argument])
        if isinstance(argument, torch.Tensor) and argument.numel() and not argument.is_complex():
            low, high = (float(one) for one in distinct(argument).detach().float().aminmax())
            return Span(low, high)
        return number(argument) if isinstance(argument, int | float) else ANY

    def shape(self, argument: Ref) -> tuple[int, ...]:
        """Return the shape of a result."""
        return self._nodes[argument.index].shape

    def decisive(self, index: int) -> str:
        """Return the name of the last operator that is not looked through."""
        node = self._nodes[index]
        while node.name in SAME and node.inputs and not _is_choice(node):
            node = self._nodes[node.inputs[0]]
        return node.name


# Their second results say where values lie, not which.
_PICKING = ("max", "min", "topk", "sort", "median", "kthvalue", "mode")


def _is_choice(node: Node) -> bool:
    """Return whether a result numbers what was chosen from."""
    return node.name in {"argmax", "argmin", "argsort"} or (node.name in _PICKING and node.result == 1)


def _is_place(node: Node) -> bool:
    return node.result > 0 and node.name not in PIECES


def _fits(span: Span, dtype: torch.dtype) -> bool:
    """Return whether whole numbers of a type hold these: others come out as any."""
    most = torch.iinfo(dtype)
    return most.min <= span.low and span.high <= most.max
