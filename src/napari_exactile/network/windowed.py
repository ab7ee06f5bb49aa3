"""Rules of the operators with a sliding window: convolution, transposed convolution, pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.window import TransposedWindow, Window
from napari_exactile.network.graph import Graph, Node
from napari_exactile.network.rules import Operator, Region, bound_arguments, refused, rule


def need_of(reaches: Sequence[Window | TransposedWindow], wanted: Box) -> Box:
    """Return what a windowed operator needs for `wanted`, edges not regarded."""
    return tuple(reach.need(interval) for reach, interval in zip(reaches, wanted, strict=True))


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
        made = tuple(reach.made(interval) for reach, interval in zip(self.reaches, given, strict=True))
        short = [max(0, want.stop - got.stop) for want, got in zip(wanted, made, strict=True)]
        result = _convolve(self, inputs[0].crop(given), transposed=True, output_padding=short)
        grown = tuple(got.grow(0, more) for got, more in zip(made, short, strict=True))
        return Region(result, grown).crop(wanted)


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


@rule("convolution")
def _convolution(node: Node, graph: Graph) -> Operator:
    arguments = bound_arguments(node)
    weight, source = arguments["weight"], node.inputs[0]
    if len(node.inputs) > 1 or not isinstance(weight, torch.Tensor):
        raise refused(node, "its weights depend on the image")
    numbers = (_per_axis(arguments[key], graph) for key in ("stride", "padding", "dilation"))
    axes = zip(weight.shape[2:], *numbers, strict=True)
    kind = TransposedWindow if arguments["transposed"] else Window
    reaches: Any = tuple(kind(*axis) for axis in axes)
    make = TransposedConvolution if arguments["transposed"] else Convolution
    return make(reaches, graph.spatial_shape(source), weight, arguments["bias"], arguments["groups"])


@dataclass(frozen=True, slots=True)
class Pooling:
    """A pooling whose padding, if any, never wins (max) or does not exist (average)."""

    reaches: tuple[Window, ...]
    extent: tuple[int, ...]
    op: Any
    label: str
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Pool exactly the windows of `wanted`."""
        image = inputs[0].padded(need_of(self.reaches, wanted), self.extent, float("-inf"))
        kernels, steps = [r.kernel for r in self.reaches], [r.step for r in self.reaches]
        result: torch.Tensor
        if self.op in _MAX_POOLS.values():
            result, _indices = self.op(image, kernels, steps, 0, [r.dilation for r in self.reaches])
        else:
            result = self.op(image, kernels, steps)
        return result


_aten = torch.ops.aten
_MAX_POOLS = {
    "max_pool2d_with_indices": _aten.max_pool2d_with_indices.default,
    "max_pool3d_with_indices": _aten.max_pool3d_with_indices.default,
}
_AVERAGE_POOLS = {"avg_pool2d": _aten.avg_pool2d.default, "avg_pool3d": _aten.avg_pool3d.default}


@rule(*_MAX_POOLS)
def _max_pool(node: Node, graph: Graph) -> Operator:
    return Pooling(
        _pool_windows(node, graph), graph.spatial_shape(node.inputs[0]), _MAX_POOLS[node.name], "max pooling"
    )


@rule(*_AVERAGE_POOLS)
def _average_pool(node: Node, graph: Graph) -> Operator:
    arguments = bound_arguments(node)
    if any(arguments["padding"]) or arguments["ceil_mode"] or arguments["divisor_override"] is not None:
        raise refused(node, "average pooling with padding, ceil_mode or divisor_override has no rule yet")
    return Pooling(
        _pool_windows(node, graph),
        graph.spatial_shape(node.inputs[0]),
        _AVERAGE_POOLS[node.name],
        "average pooling",
    )


def _pool_windows(node: Node, graph: Graph) -> tuple[Window, ...]:
    arguments = bound_arguments(node)
    kernel = _per_axis(arguments["kernel_size"], graph)
    step = _per_axis(arguments["stride"], graph) or kernel
    padding = _per_axis(arguments["padding"], graph)
    dilation = _per_axis(arguments.get("dilation", 1), graph)
    return tuple(Window(*axis) for axis in zip(kernel, step, padding, dilation, strict=True))


def _per_axis(value: int | Sequence[int], graph: Graph) -> list[int]:
    """Return one number per spatial axis; torch writes a single one for all axes alike."""
    values = [value] if isinstance(value, int) else list(value)
    return values * graph.axes if len(values) == 1 else values
