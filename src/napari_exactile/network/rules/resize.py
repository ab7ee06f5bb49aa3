"""Rules of resizing: a part is resized by torch itself where that comes out alike, else with its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch

from napari_exactile.geometry.interval import Box, Interval, box_shape
from napari_exactile.geometry.window import Cubic, Linear, Nearest
from napari_exactile.network.rules.resample import Resampling, table_of
from napari_exactile.network.rules.table import Operator, Region, bound_arguments, refused, require_axes, rule
from napari_exactile.network.traced.failures import FOLLOWS
from napari_exactile.network.traced.graph import Graph, Node

# Up to here, the float32 coordinates that torch computes are exact, whatever the power of two.
LONGEST = 2**23

# Ratios of larger numbers would ask for images and zones that are multiples of those.
LARGEST_TERM = 256

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


@rule(*_NEAREST, *_NEAREST_EXACT)
def _nearest(node: Node, graph: Graph) -> Operator:
    # The exact form asks for the input under the centre of output o: with a whole factor, o // factor too.
    return _resizing(node, graph, Nearest, _repeats, "nearest resizing")


@rule(*_LINEAR)
def _linear(node: Node, graph: Graph) -> Operator:
    return _resizing(node, graph, Linear, _is_power_of_two, "linear resizing")


@rule("upsample_bicubic2d")
def _cubic(node: Node, graph: Graph) -> Operator:
    return _resizing(node, graph, Cubic, _is_power_of_two, "cubic resizing")


@rule("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
def _antialiased(node: Node, graph: Graph) -> Operator:
    axes = _axes(node, graph)
    (before, after, _), (_, columns, _) = axes
    if columns == 1 and before != after:
        # Seen with torch 2.13 on the CPU: rows of one column are the first neighbour's, not the weighted sum.
        raise refused(node, "torch resizes rows wrongly where a single column is left", "Use a wider image")
    return _resampling(node, graph, "antialiased resizing")


# For each axis its length before and after, and the factor that the network asks for, if it does.
Axes = list[tuple[int, int, float | None]]


def _axes(node: Node, graph: Graph) -> Axes:
    require_axes(node, graph, len(node.shape) - 2)
    asked = (value for name, value in bound_arguments(node).items() if name.startswith("scale"))
    axes = list(zip(graph.spatial_shape(node.inputs[0]), node.shape[2:], asked, strict=True))
    if max(max(before, after) for before, after, _ in axes) > LONGEST:
        raise refused(node, f"beyond {LONGEST} px, torch computes inexact places in the resized image")
    return axes


def _resizing(
    node: Node,
    graph: Graph,
    kind: type[Nearest | Linear],
    fits: Callable[[Node, int, int, float | None], bool],
    label: str,
) -> Operator:
    """Return the operator that resizes parts as torch does, if all factors are whole and fit."""
    axes, options, ratios = _axes(node, graph), _options(node), _ratios(node, graph)
    factors = [ratio.denominator for ratio in ratios]
    each = list(zip(axes, factors, strict=True))
    whole = all(ratio.numerator == 1 for ratio in ratios)
    whole = whole and all(factor * before == after for (before, after, _), factor in each)
    if any(options) or not whole or not all(fits(node, n, factor, scale) for (n, _, scale), factor in each):
        return _resampling(node, graph, label)
    reaches = tuple(kind(factor) for factor in factors)
    return Resizing(reaches, graph.spatial_shape(node.inputs[0]), node.op, options, label)


def _resampling(node: Node, graph: Graph, label: str) -> Operator:
    """Return the operator that resizes by torch's own weights."""
    axes, options, ratios = _axes(node, graph), _options(node), _ratios(node, graph)
    tables = tuple(table_of(node.name, *axis[:2], options, axis[2], node.dtype) for axis in axes)
    each = list(zip(tables, ratios, strict=True))
    anchor = "" if all(table.repeats(ratio) for table, ratio in each) else _ROUNDED
    if anchor and any(
        ratio * after != before for (before, after, _), ratio in zip(axes, ratios, strict=True)
    ):
        anchor = _UNEVEN
    if any(options) and any(before != after for before, after, _ in axes):
        anchor = "with align_corners, the grid of its result depends on the size of the image"
    return Resampling(tuple(table.reach(ratio) for table, ratio in each), tables, anchor, label)


_ROUNDED = (
    "torch rounds the places that it resizes to, and rounds the more the farther they are from the origin"
)


_UNEVEN = (
    "it resizes to the size of another tensor, and where the image is no multiple of what the network divides"
    " it by, that ratio depends on the size of the image"
)


def _ratios(node: Node, graph: Graph) -> list[Fraction]:
    """Return the inputs per output along each axis: those of an image that F divides, if that is known."""
    axes, aligned = _axes(node, graph), any(_options(node))
    even = graph.even
    if even is None:
        return [_ratio(node, *axis, aligned) for axis in axes]
    if even.names == graph.names:
        return _ratios(even.nodes[node.index], even)
    return [_nominal(*axis) or _ratio(node, *axis, aligned) for axis in axes]


def _nominal(before: int, after: int, scale: float | None) -> Fraction | None:
    """Return the whole factor, or its inverse, that two sizes would have if the image were even.

    One of them is the other one's, divided and rounded; None where no such factor fits. A guess for networks
    that pad some sizes and not others, so that their operators cannot be compared.

    >>> _nominal(101, 201, None), _nominal(51, 401, None), _nominal(201, 101, None), _nominal(100, 150, None)
    (Fraction(1, 2), Fraction(1, 8), Fraction(2, 1), None)
    """
    if scale is not None:
        return None
    short, long = sorted((before, after))
    nearest = round(long / short)
    # Of small tensors, several fit: networks halve.
    powers = (2**n for n in range(1, long.bit_length()))
    fitting = (k for k in (*powers, nearest) if k * (short - 1) < long < k * (short + 1))
    factor = next(fitting, None)
    if factor is None:
        return None
    return Fraction(1, factor) if before < after else Fraction(factor)


def _options(node: Node) -> tuple[bool, ...]:
    arguments = bound_arguments(node)
    return (arguments["align_corners"],) if "align_corners" in arguments else ()


def _ratio(node: Node, before: int, after: int, scale: float | None, aligned: bool) -> Fraction:
    """Return the inputs per output in the simplest terms that the grids allow."""
    ratios = (
        [Fraction(before, after)] if scale is None else [1 / Fraction(scale).limit_denominator(LARGEST_TERM)]
    )
    if aligned and min(before, after) > 1:
        ratios.append(Fraction(before - 1, after - 1))
    simplest = min(ratios, key=lambda ratio: max(ratio.numerator, ratio.denominator))
    if max(simplest.numerator, simplest.denominator) <= LARGEST_TERM:
        return simplest
    raise refused(
        node,
        f"it resizes {before} px to {after}, which is no simple ratio: zones would have no common grid",
        FOLLOWS,
    )


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
