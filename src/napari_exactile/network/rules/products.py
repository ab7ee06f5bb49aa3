"""Rules of matrix products with constant weights: a sum over the channels of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.window import Same
from napari_exactile.network.rules.table import Operator, Region, refused, rule
from napari_exactile.network.traced.failures import NEAR
from napari_exactile.network.traced.graph import Graph, Node, Ref
from napari_exactile.network.traced.layout import Layout


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the image, as a matrix of pixels, with constant weights on its left or right."""

    op: Any
    weight: torch.Tensor
    bias: torch.Tensor | None
    flipped: bool
    axes: int
    label: str = "matrix product"

    @property
    def reaches(self) -> tuple[Same, ...]:
        """The same box of the input as of the output, on every axis."""
        return (Same(),) * self.axes

    @property
    def work(self) -> float:
        """Weights that each pixel is multiplied with."""
        return float(prod(self.weight.shape[-2:]))

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Multiply the pixels of `wanted`."""
        image, weight = inputs[0].crop_dense(wanted), self.weight
        if weight.ndim == 3:
            weight = weight.expand(image.shape[0], -1, -1)
        pair = (weight, image) if self.flipped else (image, weight)
        result: torch.Tensor = self.op(*pair) if self.bias is None else self.op(self.bias, *pair)
        return result


def attention(tokens: Sequence[int], features: Sequence[int], axes: int) -> str:
    """Return what looks at what, where tokens are compared by features, by the axes that lie in both."""
    if features:
        return "attention between channels, each of which is the whole image"
    if not tokens:
        return "attention at each pixel by itself, which has no rule"
    if len(tokens) < axes:
        return "attention along a whole row or column of the image"
    return "global attention: every pixel looks at every other"


def _factors(node: Node) -> tuple[Any, Any]:
    return node.args[-2], node.args[-1]


def _layout(node: Node, sources: Sequence[Layout]) -> Layout | None:
    left, right = _factors(node)
    if len(sources) != 1 or isinstance(left, Ref) == isinstance(right, Ref):
        return None
    (source,) = sources
    dims = list(source.dims)
    summed, beside = (-1, -2) if isinstance(left, Ref) else (-2, -1)
    if any(source.lengths[axis] > 1 for axis in dims[summed]):
        return None
    # One pixel cannot be told from one channel: axes of one pixel are not summed over, but lie beside.
    pair = dims[-2] + dims[-1]
    dims[summed], dims[beside] = (), pair
    return Layout(tuple(dims), node.shape, source.lengths)


@rule("mm", "bmm", "addmm", layout=_layout, anywhere=True)
def _product(node: Node, graph: Graph) -> Operator:
    left, right = _factors(node)
    weight, bias = (right if isinstance(left, Ref) else left), (node.args[0] if len(node.args) == 3 else None)
    if node.kwargs:
        raise refused(node, "it scales the terms of its sum, which has no rule")
    if len(node.inputs) > 1:
        rows, summed = graph.layout(node.inputs[0]).dims[-2:]
        raise refused(
            node, f"it multiplies the image with itself: {attention(rows, summed, graph.axes)}", NEAR
        )
    if node.layout is None:
        raise refused(node, "it sums over the pixels of the image")
    if weight.ndim == 3 and graph.layout(node.inputs[0]).dims[0]:
        if weight.shape[0] > 1 and weight.stride(0):
            raise refused(node, "it has other weights at every row of the image")
        weight = weight[:1]  # the same at every row: torch spreads the weights of linear layers so
    if bias is not None and (isinstance(right, Ref) or bias.ndim > 1):
        raise refused(node, "it adds a constant that varies over the image")
    return Product(node.op, weight, bias, isinstance(right, Ref), graph.axes)
