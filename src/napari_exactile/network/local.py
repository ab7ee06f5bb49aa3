"""Rules of the operators whose output at a pixel depends on that pixel alone, over all channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_map

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.window import Same
from napari_exactile.network.graph import Graph, Node, Ref
from napari_exactile.network.rules import Operator, Region, bound_arguments, refused, rule


@dataclass(frozen=True, slots=True)
class Pointwise:
    """Any operator that works pixel by pixel: run it on the same box of every input."""

    node: Node
    axes: int
    work: float = 0.0

    @property
    def label(self) -> str:
        """The operator's own name."""
        return self.node.name.strip("_").replace("_", " ")

    @property
    def reaches(self) -> tuple[Same, ...]:
        """The same box of the input as of the output, on every axis."""
        return (Same(),) * self.axes

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Call the operator with each image-dependent argument cropped to `wanted`."""
        parts = {i: region.crop_dense(wanted) for i, region in zip(self.node.inputs, inputs, strict=True)}

        def fill(leaf: Any) -> Any:
            return parts[leaf.index] if isinstance(leaf, Ref) else leaf

        args, kwargs = tree_map(fill, (self.node.args, self.node.kwargs))
        result = self.node.op(*args, **kwargs)
        first: torch.Tensor = result[0] if isinstance(result, tuple | list) else result
        return first


# `clone` and its kin copy pixels; they carry no pointwise tag but reach nowhere.
@rule("pointwise", "clone", "detach", "alias", "_to_copy")
def _pointwise(node: Node, graph: Graph) -> Operator:
    shape = node.shape[2:]
    if any(graph.spatial_shape(source) != shape for source in node.inputs):
        raise refused(node, "it stretches one of its inputs over the image")
    for constant in (leaf for leaf in (*node.args, *node.kwargs.values()) if isinstance(leaf, torch.Tensor)):
        if any(length != 1 for length in constant.shape[-graph.axes :]):
            raise refused(node, "it combines the image with a constant that varies over the image")
    return Pointwise(node, graph.axes)


@rule("native_batch_norm", "_native_batch_norm_legit_no_training")
def _batch_norm(node: Node, graph: Graph) -> Operator:
    if bound_arguments(node).get("training", False):
        raise refused(
            node,
            "it normalises with statistics of the whole image",
            "If this is a batch norm left in training mode, call .eval() on the model first",
        )
    return Pointwise(node, graph.axes)


@rule("cat")
def _cat(node: Node, graph: Graph) -> Operator:
    return _over_channels(node, graph, "it joins tensors along a spatial axis")


@rule("_softmax", "_log_softmax", "argmax")
def _softmax(node: Node, graph: Graph) -> Operator:
    return _over_channels(node, graph, "it works along a spatial axis")


def _over_channels(node: Node, graph: Graph, otherwise: str) -> Operator:
    dimension = bound_arguments(node)["dim"]
    if dimension is None or dimension % len(node.shape) != 1:
        raise refused(node, otherwise)
    return Pointwise(node, graph.axes)
