"""Rules of the operators that turn channels into pixels of a finer grid, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.window import Nearest, Window
from napari_exactile.network.rules.table import Operator, Region, bound_arguments, need_of, refused, rule
from napari_exactile.network.traced.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class PixelShuffle:
    """Every pixel becomes a square of `factor` x `factor`, from as many channels."""

    factor: int
    label: str = "pixel shuffle"
    work: float = 0.0

    @property
    def reaches(self) -> tuple[Nearest, ...]:
        """Output o comes from input o // factor."""
        return (Nearest(self.factor),) * 2

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Shuffle the pixels that `wanted` lies in, then crop."""
        given = need_of(self.reaches, wanted)
        made = tuple(Interval(g.start * self.factor, g.stop * self.factor) for g in given)
        return Region(F.pixel_shuffle(inputs[0].crop(given), self.factor), made).crop(wanted)


@dataclass(frozen=True, slots=True)
class PixelUnshuffle:
    """Every square of `factor` x `factor` pixels becomes one, with as many times the channels."""

    factor: int
    label: str = "pixel unshuffle"
    work: float = 0.0

    @property
    def reaches(self) -> tuple[Window, ...]:
        """Squares lie side by side."""
        return (Window(kernel=self.factor, step=self.factor),) * 2

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Gather the squares of `wanted`."""
        given = need_of(self.reaches, wanted)
        return F.pixel_unshuffle(inputs[0].crop(given), self.factor)


@rule("pixel_shuffle", "pixel_unshuffle")
def _shuffle(node: Node, graph: Graph) -> Operator:
    if graph.axes != 2:
        raise refused(node, f"it shuffles two axes, and this image has {graph.axes}")
    arguments = bound_arguments(node)
    if "upscale_factor" in arguments:
        return PixelShuffle(arguments["upscale_factor"])
    return PixelUnshuffle(arguments["downscale_factor"])
