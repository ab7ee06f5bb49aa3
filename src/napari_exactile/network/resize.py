"""Rules of resizing by factors whose weights are the same everywhere and exact in binary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Enlarging by a whole factor along each axis; `options` are the operator's arguments but for sizes."""

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


def _is_power_of_two(_node: Node, _length: int, factor: int, scale: float | None) -> bool:
    return not factor & (factor - 1) and scale in {None, float(factor)}


def _repeats(node: Node, length: int, factor: int, scale: float | None) -> bool:
    """Return whether torch repeats every element of a whole axis `factor` times.

    It multiplies places by a float32 that need not be 1 / factor, so this is looked up, for the whole axis
    as the network asks for it and as a part of it will be asked for.
    """
    resize = getattr(torch.ops.aten, node.name[:-2] + "1d").default
    # Neighbours differ, and all numbers can be told apart in every type.
    axis = (torch.arange(length) % 128).to(node.dtype)[None, None]
    repeated = axis.repeat_interleave(factor, -1)
    asked = {scale, float(factor)}
    return all(torch.equal(resize(axis, [length * factor], each), repeated) for each in asked)


@rule(*_NEAREST, *_NEAREST_EXACT)
def _nearest(node: Node, graph: Graph) -> Operator:
    # The exact form asks for the input under the centre of output o: with a whole factor, o // factor too.
    reaches = tuple(Nearest(factor) for factor in _factors(node, graph, _repeats))
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


def _factors(
    node: Node, graph: Graph, fits: Callable[[Node, int, int, float | None], bool] = _is_power_of_two
) -> tuple[int, ...]:
    """Return the factor along each axis; raise NotExactError for one that is not whole or does not fit."""
    require_axes(node, graph, len(node.shape) - 2)
    before, after = graph.spatial_shape(node.inputs[0]), node.shape[2:]
    asked = (value for name, value in bound_arguments(node).items() if name.startswith("scale"))
    for length, result, scale in zip(before, after, asked, strict=True):
        if result > LONGEST:
            raise refused(node, f"beyond {LONGEST} px, torch computes inexact places in the resized image")
        factor = result // length
        if factor * length != result or not factor or not fits(node, length, factor, scale):
            which = "factors of 2, 4, 8 ..." if fits is _is_power_of_two else "whole factors"
            raise refused(node, f"it resizes {length} px to {result}: only {which} have a rule yet")
    return tuple(result // length for length, result in zip(before, after, strict=True))
