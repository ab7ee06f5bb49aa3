"""Rules of the operators whose output at a pixel depends on that pixel alone, over all channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.window import Same
from napari_exactile.network.graph import Graph, Node, Ref
from napari_exactile.network.layout import Layout
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
        one: torch.Tensor = result[self.node.result] if isinstance(result, tuple | list) else result
        return one


# `clone` and its kin copy pixels or fill them alike; they carry no pointwise tag but reach nowhere.
_COPIES = ("clone", "detach", "alias", "_to_copy", "zeros_like", "ones_like", "full_like")


# Activations that torch does not tag.
_ACTIVATIONS = ("hardswish", "log_sigmoid_forward", "_prelu_kernel")


@rule("pointwise", *_ACTIVATIONS, *_COPIES, anywhere=True)
def pointwise(node: Node, graph: Graph) -> Operator:
    """Return the operator of a node whose inputs lie pixel on pixel; refuse where they do not."""
    lengths = graph.spatial_shape(node.index)
    if any(graph.spatial_shape(source) != lengths for source in node.inputs):
        raise refused(node, "it stretches one of its inputs over the image")
    for constant in tree_leaves((node.args, node.kwargs)):
        if isinstance(constant, torch.Tensor) and varies(constant, graph.layout(node.index)):
            raise refused(node, "it combines the image with a constant that varies over the image")
    return Pointwise(node, graph.axes)


def varies(constant: torch.Tensor, layout: Layout) -> bool:
    """Return whether a constant, laid on the last dimensions of a tensor, has values for single pixels."""
    pairs = zip(reversed(constant.shape), reversed(layout.dims), strict=False)
    return any(size != 1 and dim for size, dim in pairs)


@rule("cat", anywhere=True)
def _cat(node: Node, graph: Graph) -> Operator:
    if graph.layout(node.index).dims[bound_arguments(node)["dim"]]:
        raise refused(node, "it joins tensors along a spatial axis")
    return pointwise(node, graph)
