"""Rules of padding and cropping: what lies beyond the real edge is a constant or a copy of what is inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.window import Mirror, Repeated, Window
from napari_exactile.network.rules.channels import dims_of, over_channels
from napari_exactile.network.rules.table import (
    Operator,
    Region,
    bound_arguments,
    need_of,
    refused,
    require_axes,
    rule,
)
from napari_exactile.network.traced.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class ConstantPadding:
    """A constant around the image, or around the channels; negative counts crop."""

    reaches: tuple[Window, ...]
    extent: tuple[int, ...]
    channels: tuple[int, ...]
    value: float
    label: str = "padding"
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Put the constant only where `wanted` lies beyond the real edge."""
        part = inputs[0].padded(need_of(self.reaches, wanted), self.extent, self.value)
        if any(self.channels):
            part = F.pad(part, (0, 0) * len(wanted) + self.channels, value=self.value)
        return part


@rule("constant_pad_nd")
def _constant(node: Node, graph: Graph) -> Operator:
    arguments = bound_arguments(node)
    # torch counts padding from the last axis to the first: (before, after) of each.
    pads, spatial = list(arguments["pad"]), 2 * graph.axes
    before = reversed((pads + [0] * spatial)[:spatial:2])
    reaches = tuple(Window(kernel=1, padding=count) for count in before)
    extent = graph.spatial_shape(node.inputs[0])
    return ConstantPadding(reaches, extent, tuple(pads[spatial:]), arguments["value"])


@dataclass(frozen=True, slots=True)
class CopiedPadding:
    """Copies of what is inside, beyond the real edge: reflected, or the edge repeated."""

    reaches: tuple[Mirror | Repeated, ...]
    extent: tuple[int, ...]
    label: str
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Pick for every element of `wanted` the one that it copies."""
        axes = tuple(zip(self.reaches, wanted, self.extent, strict=True))
        box = tuple(reach.inside(interval, length) for reach, interval, length in axes)
        part = inputs[0].crop(box)
        for axis, (reach, interval, length) in enumerate(axes):
            if reach.need(interval) != box[axis]:
                outputs = range(interval.start, interval.stop)
                places = [reach.source(output, length) - box[axis].start for output in outputs]
                index = torch.tensor(places, device=part.device)
                part = part.index_select(axis - len(axes), index)
        return part


@rule(*(f"reflection_pad{axes}d" for axes in (1, 2, 3)))
def _reflection(node: Node, graph: Graph) -> Operator:
    reaches = tuple(Mirror(count) for count in _before(node, graph))
    return CopiedPadding(reaches, graph.spatial_shape(node.inputs[0]), "reflection padding")


@rule(*(f"replication_pad{axes}d" for axes in (1, 2, 3)))
def _replication(node: Node, graph: Graph) -> Operator:
    reaches = tuple(Repeated(count) for count in _before(node, graph))
    return CopiedPadding(reaches, graph.spatial_shape(node.inputs[0]), "replication padding")


def _before(node: Node, graph: Graph) -> list[int]:
    """Return the padding before the first element of each axis; raise NotExactError where it crops."""
    pads = list(bound_arguments(node)["padding"])
    require_axes(node, graph, len(pads) // 2)
    if min(pads) < 0:
        raise refused(node, "it crops by a negative padding", "Crop with a slice instead")
    return pads[::2][::-1]


@rule("roll", anywhere=True)
def _roll(node: Node, graph: Graph) -> Operator:
    dims = dims_of(node, len(node.shape))
    reason = "it moves the image around its edges: the far edge becomes a neighbour"
    return over_channels(node, graph, dims, reason, "Shifted windows cannot be computed in tiles")
