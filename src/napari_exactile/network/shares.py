"""Which numbers of a traced network are provably shares of a whole: of a softmax, or of their own sum."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from napari_exactile.network.rules.channels import dims_of
from napari_exactile.network.rules.table import bound_arguments
from napari_exactile.network.traced.forms import storage
from napari_exactile.network.traced.graph import Graph, Node, Ref

# So many operators may stand between a quotient and the total that it was divided by.
FAR = 8
_KEEPS = frozenset({"alias", "clone", "contiguous", "detach", "_to_copy"})
_SHAPES = frozenset({"unsqueeze", "view", "reshape", "_unsafe_view", "expand", *_KEEPS})


@dataclass(frozen=True, slots=True)
class Part:
    """Channels of a `whole` that adds up to one at most; each by itself along `dim`, or None: their sum."""

    whole: Hashable
    channels: frozenset[int]
    dim: int | None


class Shares:
    """Knows which nodes of a graph are shares; `positive` tells of an argument that it is never below 0."""

    def __init__(self, graph: Graph, positive: Callable[[Any], bool]) -> None:
        self._nodes, self._positive = graph.nodes, positive
        self._parts: dict[int, Part | None] = {}

    def is_share(self, node: Node) -> bool:
        """Return whether each number is one share, the sum of some, or a part of what it was divided by."""
        return self._own_total(node, "div") is not None or self._part(node) is not None

    def is_logarithm(self, node: Node) -> bool:
        """Return whether each number is the logarithm of a share: its own logsumexp was subtracted."""
        return self._own_total(node, "sub") is not None

    @cached_property
    def _forms(self) -> list[int]:
        """For each node a number that is that of another one where both compute the same."""
        forms: list[int] = []
        known: dict[Hashable, int] = {}
        for node in self._nodes:
            key = str(node.op), node.result, _key((node.args, node.kwargs), forms)
            forms.append(known.setdefault(key, len(forms)))
        return forms

    def _node(self, argument: Any) -> Node | None:
        return self._nodes[argument.index] if isinstance(argument, Ref) else None

    def _own_total(self, node: Node, name: str) -> tuple[int, ...] | None:
        """Return the dimensions of the total of itself that a tensor was divided by, or of more than that.

        None where it is no such quotient, () where it was divided by itself and more; with "sub", the same of
        logarithms.
        """
        if node.name != name:
            return None
        given = bound_arguments(node)
        one, other = self._node(given["self"]), self._node(given["other"])
        if one is None or other is None or given.get("rounding_mode") or given.get("alpha", 1) != 1:
            return None
        if name == "div" and not self._positive(given["self"]):
            return None
        return self._covered(one, other, "sum" if name == "div" else "logsumexp")

    def _covered(self, one: Node, other: Node, total: str, far: int = FAR) -> tuple[int, ...] | None:
        """Return the dimensions along which `other` is a total of `one`, or more; () where it is no total."""
        other = self._below(other, {"expand", *_KEEPS})
        if total == "sum" and self._same(one, other):
            return ()
        found = (self._covered(one, term, total, far - 1) for term in self._terms(other) if far)
        if total == "sum" and (dims := next((dims for dims in found if dims is not None), None)) is not None:
            return dims
        return self._total(one, other.shape, self._below(other, _SHAPES), total)

    def _total(self, one: Node, shape: tuple[int, ...], other: Node, total: str) -> tuple[int, ...] | None:
        if not self._adds_up(other, total):
            return None
        source = self._nodes[other.inputs[0]]
        dims = tuple(dims_of(other, len(source.shape)))
        kept = tuple(1 if dim in dims else n for dim, n in enumerate(source.shape))
        aligned = (1,) * (len(kept) - len(shape)) + shape == kept
        return dims if aligned and (self._same(one, source) or self._is_slice(one, source, dims)) else None

    def _below(self, node: Node, names: Collection[str]) -> Node:
        while node.name in names and node.inputs:
            node = self._nodes[node.inputs[0]]
        return node

    def _terms(self, node: Node) -> list[Node]:
        """Return those of which none is larger than a node's result."""
        if node.name not in {"add", "clamp_min", "clamp", "maximum"}:
            return []
        given = bound_arguments(node)
        if given.get("alpha", 1) != 1 or given.get("max") is not None:
            return []
        if node.name != "add":
            pair = [given["self"], given.get("other")]
        else:
            ends = (given["self"], given["other"]), (given["other"], given["self"])
            pair = [one for one, other in ends if self._positive(other)]
        return [term for one in pair if (term := self._node(one)) is not None]

    def _adds_up(self, node: Node, total: str) -> bool:
        norm = node.name == "linalg_vector_norm" and bound_arguments(node).get("ord") == 1
        return node.name == total or (total == "sum" and norm)

    def _same(self, one: Node, other: Node) -> bool:
        return self._forms[one.index] == self._forms[other.index]

    def _is_slice(self, one: Node, source: Node, dims: tuple[int, ...]) -> bool:
        if one.name != "slice":
            return False
        along = bound_arguments(one)["dim"] % len(one.shape)
        return along in dims and self._same(self._nodes[one.inputs[0]], source)

    def _part(self, node: Node) -> Part | None:
        """Return what a node holds of a whole; None where that is not known."""
        if node.index not in self._parts:
            self._parts[node.index] = self._find(node)
        return self._parts[node.index]

    def _find(self, node: Node) -> Part | None:
        dim = self._whole(node)
        if dim is not None:
            return Part(self._forms[node.index], frozenset(range(node.shape[dim])), dim)
        rule = _PARTS.get(node.name)
        return rule(self, node) if rule and node.dtype.is_floating_point else None

    def _whole(self, node: Node) -> int | None:
        """Return the dimension along which a node adds up to one (or less)."""
        if node.name == "exp":
            source = self._nodes[node.inputs[0]]
            return self._along(source, "_log_softmax", "sub")
        return self._along(node, "_softmax", "div")

    def _along(self, node: Node, softmax: str, quotient: str) -> int | None:
        if node.name == softmax:
            return int(bound_arguments(node)["dim"]) % len(node.shape)
        dims = self._own_total(node, quotient) or ()
        return dims[0] if len(dims) == 1 else None

    def part_of(self, node: Node) -> tuple[Part | None, dict[str, Any], tuple[int, ...]]:
        """Return what the first input of a node holds, the node's arguments, and the shape of that input."""
        source = self._nodes[node.inputs[0]]
        return self._part(source), bound_arguments(node), source.shape

    def both(self, node: Node) -> tuple[Part, Part] | None:
        """Return what both terms of a sum hold, where they lie alike."""
        given = bound_arguments(node)
        one, other = self._node(given["self"]), self._node(given["other"])
        if one is None or other is None or given.get("alpha", 1) != 1 or one.shape != other.shape:
            return None
        parts = self._part(one), self._part(other)
        return parts if parts[0] and parts[1] else None  # type: ignore[return-value]


def _key(tree: Any, forms: list[int]) -> Hashable:
    if isinstance(tree, Ref):
        return "node", forms[tree.index]
    if isinstance(tree, torch.Tensor):
        return "tensor", storage(tree), int(tree.storage_offset()), tree.dtype, tree.shape, tree.stride()
    if isinstance(tree, list | tuple):
        return tuple(_key(one, forms) for one in tree)
    if isinstance(tree, dict):
        return tuple((name, _key(one, forms)) for name, one in tree.items())
    return type(tree).__name__, repr(tree)


def _picked(part: Part, channels: list[int], kept: bool = True) -> Part | None:
    """Return the part of some channels, by their order; None where one is picked twice."""
    ordered = sorted(part.channels)
    chosen = frozenset(ordered[place] for place in channels)
    if len(chosen) < len(channels):
        return None
    return replace(part, channels=chosen, dim=part.dim if kept and len(chosen) > 1 else None)


def _kept(shares: Shares, node: Node) -> Part | None:
    return shares.part_of(node)[0]


def _sliced(shares: Shares, node: Node) -> Part | None:
    part, given, shape = shares.part_of(node)
    if part is None or node.shape == shape:
        return part
    dim = given["dim"] % len(shape)
    where = slice(given.get("start"), given.get("end"), given.get("step", 1))
    if dim == part.dim:
        return _picked(part, list(range(shape[dim]))[where])
    return replace(part, whole=(part.whole, len(shape) - dim, repr(where)))


def _selected(shares: Shares, node: Node) -> Part | None:
    part, given, shape = shares.part_of(node)
    if part is None or part.dim is None or given["dim"] % len(shape) != part.dim:
        return None
    return _picked(part, [given["index"] % shape[part.dim]], kept=False)


def _unbound(shares: Shares, node: Node) -> Part | None:
    part, given, shape = shares.part_of(node)
    if part is None or part.dim is None or given["dim"] % len(shape) != part.dim:
        return None
    return _picked(part, [node.result], kept=False)


def _split(shares: Shares, node: Node) -> Part | None:
    part, given, shape = shares.part_of(node)
    if part is None or part.dim is None or given["dim"] % len(shape) != part.dim:
        return None
    lengths = given.get("split_sizes") or [given["split_size"]] * node.result
    start = sum(lengths[: node.result])
    return _picked(part, list(range(start, start + node.shape[part.dim])))


def _indexed(shares: Shares, node: Node) -> Part | None:
    part, given, _shape = shares.part_of(node)
    indices = given["indices"] if node.name == "index" else [None] * given["dim"] + [given["index"]]
    places = [place for place, index in enumerate(indices) if index is not None]
    if part is None or places != [part.dim] or indices[places[0]].dtype == torch.bool:
        return None
    return _picked(part, [int(one) for one in indices[places[0]].reshape(-1)])


def _summed(shares: Shares, node: Node) -> Part | None:
    part, _given, shape = shares.part_of(node)
    if part is None or part.dim is None or dims_of(node, len(shape)) != [part.dim]:
        return None
    return replace(part, dim=None)


def _reshaped(shares: Shares, node: Node) -> Part | None:
    part, _given, shape = shares.part_of(node)
    if node.shape == shape:
        return part
    alike = [n for n in shape if n != 1] == [n for n in node.shape if n != 1]
    return part if part and part.dim is None and alike else None


def _added(shares: Shares, node: Node) -> Part | None:
    pair = shares.both(node)
    if pair is None or pair[0].whole != pair[1].whole or pair[0].channels & pair[1].channels:
        return None
    if any(part.dim is not None for part in pair):
        return None
    return replace(pair[0], channels=pair[0].channels | pair[1].channels)


_PARTS: Mapping[str, Callable[[Shares, Node], Part | None]] = (
    dict.fromkeys(_KEEPS, _kept)
    | dict.fromkeys(("unsqueeze", "squeeze", "view", "reshape", "_unsafe_view"), _reshaped)
    | dict.fromkeys(("index", "index_select"), _indexed)
    | dict.fromkeys(("split", "split_with_sizes"), _split)
    | {"slice": _sliced, "select": _selected, "unbind": _unbound, "sum": _summed, "add": _added}
)
