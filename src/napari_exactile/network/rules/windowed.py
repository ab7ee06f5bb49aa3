"""Rules of the operators with a sliding window: convolution and transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.nn import functional as F

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.window import TransposedWindow, Window
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
class Convolution:
    """A convolution; beyond the image's real edge it sees zeros, elsewhere real neighbours."""

    reaches: tuple[Window, ...]
    extent: tuple[int, ...]
    weight: torch.Tensor
    bias: torch.Tensor | None
    groups: int
    label: str = "convolution"

    @property
    def work(self) -> float:
        """Kernel elements times output channels."""
        return float(self.weight.numel())

    @property
    def papers_kernel(self) -> tuple[int, ...]:
        """Its kernel, holes included."""
        return tuple(reach.span for reach in self.reaches)

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Compute `wanted` with padding only where it touches the real edge."""
        image = inputs[0].padded(need_of(self.reaches, wanted), self.extent)
        return _convolve(self, image, transposed=False, output_padding=[0] * len(wanted))


@dataclass(frozen=True, slots=True)
class TransposedConvolution:
    """A transposed convolution, computed from the inputs that add to the wanted outputs, then cropped."""

    reaches: tuple[TransposedWindow, ...]
    extent: tuple[int, ...]
    weight: torch.Tensor
    bias: torch.Tensor | None
    groups: int
    label: str = "transposed convolution"

    @property
    def work(self) -> float:
        """Kernel elements times input channels, spread over the finer output grid."""
        return self.weight.numel() / prod(reach.step for reach in self.reaches)

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Compute `wanted`; output padding is asked for only where no input reaches the last outputs."""
        given = tuple(
            need.clip(Interval(0, length))
            for need, length in zip(need_of(self.reaches, wanted), self.extent, strict=True)
        )
        image, given = self._begun(wanted, inputs[0].crop(given), given)
        made = tuple(reach.made(interval) for reach, interval in zip(self.reaches, given, strict=True))
        short = [max(0, want.stop - got.stop) for want, got in zip(wanted, made, strict=True)]
        result = _convolve(self, image, transposed=True, output_padding=short)
        grown = tuple(got.grow(0, more) for got, more in zip(made, short, strict=True))
        return Region(result, grown).crop(wanted)

    def _begun(self, wanted: Box, image: torch.Tensor, given: Box) -> tuple[torch.Tensor, Box]:
        """Put a zero ahead where no input reaches the first outputs: in the gaps of long steps."""
        firsts = (reach.first(want) for reach, want in zip(self.reaches, wanted, strict=True))
        lacking = [max(0, got.start - first) for got, first in zip(given, firsts, strict=True)]
        if any(lacking):
            image = F.pad(image, [n for lack in reversed(lacking) for n in (lack, 0)])
        return image, tuple(got.grow(lack, 0) for got, lack in zip(given, lacking, strict=True))


def _convolve(
    layer: Convolution | TransposedConvolution,
    image: torch.Tensor,
    transposed: bool,
    output_padding: list[int],
) -> torch.Tensor:
    """Call torch's convolution without padding of its own: the image already holds what lies around."""
    steps = [reach.step for reach in layer.reaches]
    dilations = [reach.dilation for reach in layer.reaches]
    result: torch.Tensor = torch.ops.aten.convolution(
        image,
        layer.weight,
        layer.bias,
        steps,
        [0] * len(steps),
        dilations,
        transposed,
        output_padding,
        layer.groups,
    )
    return result


# The form in recorded TorchScript adds flags that choose among kernels: they change no number by intent.
@rule("convolution", "_convolution")
def _convolution(node: Node, graph: Graph) -> Operator:
    arguments = bound_arguments(node)
    weight, source = arguments["weight"], node.inputs[0]
    if len(node.inputs) > 1 or not isinstance(weight, torch.Tensor):
        raise refused(node, "its weights depend on the image")
    require_axes(node, graph, weight.ndim - 2)
    numbers = (per_axis(arguments[key], graph.axes) for key in ("stride", "padding", "dilation"))
    axes = zip(weight.shape[2:], *numbers, strict=True)
    kind = TransposedWindow if arguments["transposed"] else Window
    reaches: Any = tuple(kind(*axis) for axis in axes)
    make = TransposedConvolution if arguments["transposed"] else Convolution
    return make(reaches, graph.spatial_shape(source), weight, arguments["bias"], arguments["groups"])


def per_axis(value: int | Sequence[int], axes: int) -> list[int]:
    """Return one number per spatial axis; torch writes a single one for all axes alike."""
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values
