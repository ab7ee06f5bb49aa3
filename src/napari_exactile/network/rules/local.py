"""Rules of the operators whose output at a pixel depends on that pixel alone, over all channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._pytree import tree_map

from napari_exactile.geometry.interval import Box, full_box
from napari_exactile.geometry.window import Same
from napari_exactile.network.rules.table import Operator, Region, bound_arguments, refused, rule
from napari_exactile.network.traced.chance import DRAWS, is_random
from napari_exactile.network.traced.graph import Graph, Made, Node, Ref
from napari_exactile.network.traced.layout import Layout


@dataclass(frozen=True, slots=True)
class Pointwise:
    """Any operator that works pixel by pixel: run it on the same box of every input.

    `anchor` says why a tile by itself is not computed alike; empty where it is.
    """

    node: Node
    axes: int
    anchor: str = ""
    work: float = 0.0

    @property
    def label(self) -> str:
        """The operator's own name."""
        return self.node.name.strip("_").removeprefix("native_").replace("_", " ")

    @property
    def reaches(self) -> tuple[Same, ...]:
        """The same box of the input as of the output, on every axis."""
        return (Same(),) * self.axes

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Call the operator with every argument that lies along the image cropped to `wanted`."""
        parts = {i: region.crop_dense(wanted) for i, region in zip(self.node.inputs, inputs, strict=True)}

        def fill(leaf: Any) -> Any:
            if isinstance(leaf, Ref):
                return parts[leaf.index]
            return leaf.crop_dense(wanted) if isinstance(leaf, Region | Made) else leaf

        args, kwargs = tree_map(fill, (self.node.args, self.node.kwargs))
        result = self.node.op(*args, **kwargs)
        one: torch.Tensor = result[self.node.result] if isinstance(result, tuple | list) else result
        return one


# `clone` and its kin copy pixels or fill them alike; they carry no pointwise tag but reach nowhere.
_FILLS = ("fill", "zero", "zeros_like", "ones_like", "full_like")
_COPIES = ("clone", "detach", "alias", "_to_copy", "copy")


# Activations that torch does not tag; leaky_relu it has tagged since 2.13.
_ACTIVATIONS = ("hardswish", "leaky_relu", "log_sigmoid_forward", "_prelu_kernel")


@rule("pointwise", *_ACTIVATIONS, *_COPIES, *_FILLS, anywhere=True)
def pointwise(node: Node, graph: Graph) -> Operator:
    """Return the operator of a node whose inputs lie pixel on pixel; refuse where they do not."""
    lengths = graph.spatial_shape(node.index)
    if any(graph.spatial_shape(source) != lengths for source in node.inputs):
        raise refused(node, "it stretches one of its inputs over the image")
    laid: list[Region] = []

    def lay(leaf: Any) -> Any:
        if isinstance(leaf, Made):
            return leaf
        region = laid_on(leaf, graph.layout(node.index)) if isinstance(leaf, torch.Tensor) else None
        laid.extend([region] if region else [])
        return region or leaf

    args, kwargs = tree_map(lay, (node.args, node.kwargs))
    same = all(is_uniform(region) for region in laid)
    return Pointwise(replace(node, args=args, kwargs=kwargs), graph.axes, "" if same else _VARIES)


_VARIES = "it combines the image with a constant that varies over the image"


def laid_on(constant: torch.Tensor, layout: Layout) -> Region | None:
    """Return a constant as a region of the image, laid on the last dimensions; None where it is the same at
    every pixel."""
    dims = layout.dims[len(layout.dims) - constant.ndim :]
    own = tuple(() if size == 1 else dim for size, dim in zip(constant.shape, dims, strict=True))
    return Region(constant, full_box(layout.lengths), own) if any(own) else None


def is_uniform(region: Region) -> bool:
    """Return whether a constant is the same at every pixel after all: spread over the image, not stored."""
    strides = zip(region.tensor.stride(), region.dims, strict=True)
    return not any(stride for stride, dim in strides if dim)


@rule("native_dropout", anywhere=True)
def _dropout(node: Node, graph: Graph) -> Operator:
    """Return the operator of a dropout that drops nothing: it gives its input back."""
    if is_random(node.op, node.args, node.kwargs):
        raise refused(node, DRAWS)
    return pointwise(node, graph)


@rule("cat", anywhere=True)
def _cat(node: Node, graph: Graph) -> Operator:
    if graph.layout(node.index).dims[bound_arguments(node)["dim"]]:
        raise refused(node, "it joins tensors along a spatial axis")
    return pointwise(node, graph)
