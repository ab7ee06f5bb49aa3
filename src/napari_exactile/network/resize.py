"""Rules of resizing by powers of two, whose weights are the same everywhere and exact in binary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from napari_exactile.geometry.interval import Box, Interval, box_shape
from napari_exactile.geometry.window import Cubic, Linear, Nearest
from napari_exactile.network.graph import Graph, Node
from napari_exactile.network.rules import Operator, Region, bound_arguments, refused, require_axes, rule

# Up to here, the float32 coordinates that torch computes are exact, whatever the power of two.
LONGEST = 2**23

_NEAREST = tuple(f"upsample_nearest{axes}d" for axes in (1, 2, 3))
_NEAREST_EXACT = tuple(f"_upsample_nearest_exact{axes}d" for axes in (1, 2, 3))
_LINEAR = ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")


@dataclass(frozen=True, slots=True)
class Resizing:
    """Enlarging by a power of two along each axis; `options` are the operator's arguments but for sizes."""

    reaches: tuple[Nearest | Linear, ...]
    extent: tuple[int, ...]
    op: Any
    options: tuple[bool, ...]
    label: str
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Enlarge the neighbours of `wanted`, then crop: only at the real edge is the rim of that right."""
        given = tuple(
            reach.need(interval).clip(Interval(0, length))
            for reach, interval, length in zip(self.reaches, wanted, self.extent, strict=True)
        )
        factors = [reach.factor for reach in self.reaches]
        made = tuple(Interval(g.start * f, g.stop * f) for g, f in zip(given, factors, strict=True))
        part = inputs[0].crop_dense(given)
        scales = [float(factor) for factor in factors]
        result = self.op(part, box_shape(made), *self.options, *scales)
        return Region(result, made).crop(wanted)


@rule(*_NEAREST, *_NEAREST_EXACT)
def _nearest(node: Node, graph: Graph) -> Operator:
    # The exact form asks for the input under the centre of output o: with a whole factor, o // factor too.
    reaches = tuple(Nearest(factor) for factor in _factors(node, graph))
    return Resizing(reaches, graph.spatial_shape(node.inputs[0]), node.op, (), "nearest resizing")


@rule(*_LINEAR)
def _linear(node: Node, graph: Graph) -> Operator:
    _refuse_aligned_corners(node)
    reaches = tuple(Linear(factor) for factor in _factors(node, graph))
    return Resizing(reaches, graph.spatial_shape(node.inputs[0]), node.op, (False,), "linear resizing")


@rule("upsample_bicubic2d")
def _cubic(node: Node, graph: Graph) -> Operator:
    _refuse_aligned_corners(node)
    reaches = tuple(Cubic(factor) for factor in _factors(node, graph))
    return Resizing(reaches, graph.spatial_shape(node.inputs[0]), node.op, (False,), "cubic resizing")


def _refuse_aligned_corners(node: Node) -> None:
    if bound_arguments(node)["align_corners"]:
        raise refused(
            node,
            "with align_corners there is no F: the grid of the result depends on the size of the image",
            "Train it with align_corners off",
        )


def _factors(node: Node, graph: Graph) -> tuple[int, ...]:
    """Return the factor along each axis; raise NotExactError for one that is not a power of two."""
    require_axes(node, graph, len(node.shape) - 2)
    before, after = graph.spatial_shape(node.inputs[0]), node.shape[2:]
    asked = (value for name, value in bound_arguments(node).items() if name.startswith("scale"))
    for length, result, scale in zip(before, after, asked, strict=True):
        factor = result // length
        if factor & (factor - 1) or factor * length != result or scale not in {None, float(factor)}:
            reason = f"it resizes {length} px to {result}: only factors of 2, 4, 8 ... have a rule yet"
            raise refused(node, reason)
        if result > LONGEST:
            raise refused(node, f"beyond {LONGEST} px, torch computes inexact places in the resized image")
    return tuple(result // length for length, result in zip(before, after, strict=True))
