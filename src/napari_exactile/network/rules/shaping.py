"""Rules of the operators that pick a part of a tensor, or move and regroup its dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.window import Same, Window
from napari_exactile.network.rules.channels import dims_of
from napari_exactile.network.rules.local import Pointwise, pointwise
from napari_exactile.network.rules.table import Operator, Region, bound_arguments, need_of, refused, rule
from napari_exactile.network.traced.graph import Graph, Node
from napari_exactile.network.traced.layout import Layout, broadcast, regrouped


@dataclass(frozen=True, slots=True)
class Slice:
    """Every `step`-th element along one spatial axis, from `start` on; the other axes stay whole.

    `dim` is the tensor's dimension that the axis lies in.
    """

    axis: int
    dim: int
    axes: int
    start: int
    step: int
    label: str = "slice"
    work: float = 0.0

    @property
    def reaches(self) -> tuple[Same | Window, ...]:
        """Output i is input `start + i * step` along the sliced axis."""
        window = Window(kernel=1, step=self.step, padding=-self.start)
        return tuple(window if axis == self.axis else Same() for axis in range(self.axes))

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Pick `wanted`; where much is left out, copy it, so that the rest can be forgotten."""
        need = need_of(self.reaches, wanted)
        index: Any = (*(slice(None),) * self.dim, slice(None, None, self.step))
        part = replace(inputs[0], tensor=inputs[0].crop(need)[index], box=wanted)
        return part.tensor if self.step == 1 else part.crop_dense(wanted)


@rule("slice", anywhere=True)
def _slice(node: Node, graph: Graph) -> Operator:
    arguments = bound_arguments(node)
    dim = arguments["dim"] % len(node.shape)
    axes = graph.layout(node.inputs[0]).dims[dim]
    if not axes:  # batch or channels: alike at every pixel
        return Pointwise(node, graph.axes)
    if 0 in node.shape:
        raise refused(node, "it leaves nothing of the image")
    if len(axes) > 1:
        raise refused(node, "it picks from a list of pixels, across rows")
    # Ends that count from the far edge, or lie beyond it, are turned into plain ones by the whole length.
    length = graph.spatial_shape(node.inputs[0])[axes[0]]
    start, _stop, step = slice(arguments["start"], arguments["end"], arguments["step"]).indices(length)
    return Slice(axes[0], dim, graph.axes, start, step)


def _permuted(node: Node, sources: Sequence[Layout]) -> Layout | None:
    arguments, rank = bound_arguments(node), len(node.shape)
    order = list(range(rank))
    if "dims" in arguments:
        order = [dim % rank for dim in arguments["dims"]]
    else:
        one, other = arguments.get("dim0", 0) % rank, arguments.get("dim1", rank - 1) % rank
        order[one], order[other] = other, one
    return sources[0].permuted(order)


@rule("permute", "transpose", "t", layout=_permuted, anywhere=True)
def _permute(node: Node, graph: Graph) -> Operator:
    return Pointwise(node, graph.axes)


@dataclass(frozen=True, slots=True)
class Regrouped:
    """The same values in other dimensions, none of which cuts an axis of the image."""

    layout: Layout
    label: str
    work: float = 0.0

    @property
    def reaches(self) -> tuple[Same, ...]:
        """The same box of the input as of the output, on every axis."""
        return (Same(),) * len(self.layout.lengths)

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """View `wanted` in the shape that the box has."""
        return inputs[0].crop(wanted).reshape(self.layout.sizes(wanted))


def _viewed(node: Node, sources: Sequence[Layout]) -> Layout | None:
    return regrouped(sources[0], node.shape) if "size" in bound_arguments(node) else None


def _with_new(node: Node, sources: Sequence[Layout]) -> Layout | None:
    return sources[0].with_new(dims_of(node, len(node.shape))[0])


def _squeezed(node: Node, sources: Sequence[Layout]) -> Layout | None:
    (source,) = sources
    return source.without([dim for dim in dims_of(node, len(source.dims)) if source.shape[dim] == 1])


@rule("view", "_unsafe_view", layout=_viewed, anywhere=True)
@rule("unsqueeze", layout=_with_new, anywhere=True)
@rule("squeeze", layout=_squeezed, anywhere=True)
def _regroup(node: Node, graph: Graph) -> Operator:
    if node.layout is None:
        remedy = "To turn channels into pixels or back, use nn.PixelShuffle or nn.PixelUnshuffle"
        raise refused(node, "it mixes an axis of the image with channels or with another axis", remedy)
    return Regrouped(graph.layout(node.index), "view")


@dataclass(frozen=True, slots=True)
class Expanded(Regrouped):
    """The same values for every element of new or widened dimensions, none of which is of the image."""

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Repeat `wanted` without copying it."""
        return inputs[0].crop(wanted).expand(self.layout.sizes(wanted))


def _widened(node: Node, sources: Sequence[Layout]) -> Layout | None:
    (layout,) = sources
    for _ in range(len(node.shape) - len(layout.dims)):
        layout = layout.with_new(0)
    return broadcast([layout], node.shape)


@rule("expand", layout=_widened, anywhere=True)
def _expand(node: Node, graph: Graph) -> Operator:
    pointwise(node, graph)
    return Expanded(graph.layout(node.index), "expand")


@rule("repeat", layout=_widened, anywhere=True)
def _repeat(node: Node, graph: Graph) -> Operator:
    return pointwise(node, graph)
