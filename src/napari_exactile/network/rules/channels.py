"""Rules of the operators that work along channels, or along any dimension that is no axis of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from napari_exactile.network.rules.local import Pointwise, pointwise
from napari_exactile.network.rules.table import Operator, aligned, bound_arguments, refused, rule
from napari_exactile.network.traced.graph import Graph, Node
from napari_exactile.network.traced.layout import Layout

SPATIAL = "it works along a spatial axis"


def dims_of(node: Node, rank: int) -> list[int]:
    """Return the dimensions that an operator works along, counted from the first; all where it names none."""
    arguments = bound_arguments(node)
    given = arguments.get("dim", arguments.get("dims"))
    if given is None or given == []:
        return list(range(rank))
    return [dim % rank for dim in ([given] if isinstance(given, int) else given)]


def over_channels(node: Node, graph: Graph, dims: Sequence[int], reason: str, remedy: str = "") -> Operator:
    """Return the operator that works along `dims` at each pixel alone; refuse where an axis is among them."""
    layout = graph.layout(node.inputs[0])
    if any(layout.dims[dim] for dim in dims):
        raise refused(node, reason, remedy)
    return Pointwise(node, graph.axes)


def reduced(node: Node, sources: Sequence[Layout]) -> Layout | None:
    """Return the layout of a result that lacks the dimensions it was computed along, unless they are kept."""
    if bound_arguments(node).get("keepdim"):
        return aligned(node, sources)
    return sources[0].without(dims_of(node, len(sources[0].dims)))


_ALONG = ("_softmax", "_log_softmax", "glu", "flip", "topk", "sort", "split", "split_with_sizes")
_NORMS = ("var", "var_mean", "std", "std_mean", "norm", "linalg_vector_norm")
_REDUCTIONS = ("argmax", "argmin", "sum", "mean", "prod", "amax", "amin", "logsumexp", "any", "all", *_NORMS)


@rule(*_ALONG, anywhere=True, results=True)
def _along(node: Node, graph: Graph) -> Operator:
    return over_channels(node, graph, dims_of(node, len(graph.layout(node.inputs[0]).dims)), SPATIAL)


@rule(*_REDUCTIONS, layout=reduced, anywhere=True, results=True)
def _reduction(node: Node, graph: Graph) -> Operator:
    return over_channels(node, graph, dims_of(node, len(graph.layout(node.inputs[0]).dims)), SPATIAL)


@rule("gather", anywhere=True)
def _gather(node: Node, graph: Graph) -> Operator:
    over_channels(node, graph, dims_of(node, len(node.shape)), SPATIAL)
    return pointwise(node, graph)


def _of_two(node: Node) -> bool:
    return torch.Tag.pointwise in node.op.tags


def _largest_layout(node: Node, sources: Sequence[Layout]) -> Layout | None:
    return aligned(node, sources) if _of_two(node) else reduced(node, sources)


# The larger of two tensors is the same name as the largest along a dimension.
@rule("max", "min", layout=_largest_layout, anywhere=True, results=True)
def _largest(node: Node, graph: Graph) -> Operator:
    return pointwise(node, graph) if _of_two(node) else _reduction(node, graph)


@rule("native_batch_norm", "_native_batch_norm_legit_no_training", anywhere=True)
def _batch_norm(node: Node, graph: Graph) -> Operator:
    if bound_arguments(node).get("training", False):
        raise refused(
            node,
            "it normalises with statistics of the whole image",
            "If this is a batch norm left in training mode, call .eval() on the model first",
        )
    return over_channels(node, graph, [1], "it has other weights at every row of the image")


@rule("native_layer_norm", anywhere=True)
def _layer_norm(node: Node, graph: Graph) -> Operator:
    count = len(bound_arguments(node)["normalized_shape"])
    reason = "it normalises with statistics of the whole image"
    return over_channels(node, graph, range(-count, 0), reason, "Normalise over the channels alone")


def _selected(node: Node, sources: Sequence[Layout]) -> Layout | None:
    return sources[0].without(dims_of(node, len(sources[0].dims)))


@rule("select", "unbind", layout=_selected, anywhere=True, results=True)
def _select(node: Node, graph: Graph) -> Operator:
    dims = dims_of(node, len(graph.layout(node.inputs[0]).dims))
    return over_channels(node, graph, dims, "it picks single rows of the image")


def _stacked(node: Node, sources: Sequence[Layout]) -> Layout | None:
    if len({layout.dims for layout in sources}) > 1:
        return None
    place = dims_of(node, len(node.shape))[0]
    return sources[0].with_new(place, node.shape[place])


@rule("stack", layout=_stacked, anywhere=True)
def _stack(node: Node, graph: Graph) -> Operator:
    if any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(node.args)):
        raise refused(node, "it stacks the image with a constant", "Join them with torch.cat")
    return pointwise(node, graph)


@rule("index_select", anywhere=True)
def _index_select(node: Node, graph: Graph) -> Operator:
    if len(node.inputs) > 1:
        raise refused(node, "what it picks depends on pixel values")
    return over_channels(node, graph, dims_of(node, len(node.shape)), "it picks single rows of the image")


@rule("index", anywhere=True)
def _index(node: Node, graph: Graph) -> Operator:
    given: list[Any] = bound_arguments(node)["indices"]
    places = [place for place, index in enumerate(given) if index is not None]
    if len(node.inputs) > 1:
        raise refused(node, "what it picks depends on pixel values")
    if len(places) != 1 or given[places[0]].ndim != 1:
        raise refused(node, "it picks along several dimensions at once")
    return over_channels(node, graph, places, "it picks single rows of the image")


@rule("channel_shuffle", anywhere=True)
def _channel_shuffle(node: Node, graph: Graph) -> Operator:
    return over_channels(node, graph, [1], SPATIAL)
