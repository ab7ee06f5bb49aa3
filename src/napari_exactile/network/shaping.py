"""Rules of the operators that pick a part of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.window import Same, Window
from napari_exactile.network.graph import Graph, Node
from napari_exactile.network.local import Pointwise
from napari_exactile.network.rules import Operator, Region, bound_arguments, refused, rule


@dataclass(frozen=True, slots=True)
class Slice:
    """Every `step`-th element along one spatial axis, from `start` on; the other axes stay whole."""

    axis: int
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
        need = tuple(reach.need(interval) for reach, interval in zip(self.reaches, wanted, strict=True))
        steps = (slice(None, None, self.step if axis == self.axis else 1) for axis in range(self.axes))
        index: Any = (..., *steps)
        part = Region(inputs[0].crop(need)[index], wanted)
        return part.tensor if self.step == 1 else part.crop_dense(wanted)


@rule("slice")
def _slice(node: Node, graph: Graph) -> Operator:
    arguments = bound_arguments(node)
    axis = arguments["dim"] % len(node.shape) - 2
    if axis < 0:  # batch or channels: alike at every pixel
        return Pointwise(node, graph.axes)
    if 0 in node.shape:
        raise refused(node, "it leaves nothing of the image")
    # Ends that count from the far edge, or lie beyond it, are turned into plain ones by the whole length.
    length = graph.spatial_shape(node.inputs[0])[axis]
    start, _stop, step = slice(arguments["start"], arguments["end"], arguments["step"]).indices(length)
    return Slice(axis, graph.axes, start, step)
