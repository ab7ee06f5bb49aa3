"""Rules of pooling, with whatever its windows count at the real edges of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

import torch

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.window import Window
from napari_exactile.geometry.words import counted
from napari_exactile.network.rules.table import Operator, Region, bound_arguments, need_of, refused, rule
from napari_exactile.network.rules.windowed import per_axis
from napari_exactile.network.traced.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class MaxPooling:
    """The largest value of each window; beyond the real edge there is nothing larger.

    `others` are windows along dimensions before those of the image: pooling a signal adds one of length 1.
    With `places`, the result is where in the whole plane, row by row, the largest values are.
    """

    reaches: tuple[Window, ...]
    extent: tuple[int, ...]
    op: Any
    others: tuple[Window, ...] = ()
    places: bool = False
    label: str = "max pooling"
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Pool exactly the windows of `wanted`."""
        image = inputs[0].padded(need_of(self.reaches, wanted), self.extent, float("-inf"))
        windows = (*self.others, *self.reaches)
        kernels, steps, dilations = zip(*((w.kernel, w.step, w.dilation) for w in windows), strict=True)
        largest, places = self.op(image, kernels, steps, 0, dilations)
        if not self.places:
            value: torch.Tensor = largest
            return value
        starts = [side.start for side in need_of(self.reaches, wanted)]
        return moved_places(places, image.shape[-len(wanted) :], starts, self.extent)


def moved_places(
    places: torch.Tensor, shape: Sequence[int], by: Sequence[int], into: Sequence[int]
) -> torch.Tensor:
    """Return places in `shape`, counted row by row, moved by so many elements, as counted in `into`."""
    axes = zip(torch.unravel_index(places, tuple(shape)), by, into, strict=True)
    return reduce(lambda flat, axis: flat * axis[2] + axis[0] + axis[1], axes, torch.zeros_like(places))


@dataclass(frozen=True, slots=True)
class AveragePooling:
    """The mean of each window; `counted` says along each axis which elements a window's divisor counts.

    `divisor`, where it is given, takes the place of every count. `others` are as in MaxPooling.
    """

    reaches: tuple[Window, ...]
    extent: tuple[int, ...]
    counted: tuple[Interval, ...]
    op: Any
    divisor: int | None
    others: tuple[Window, ...] = ()
    label: str = "average pooling"
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Sum the windows of `wanted`, zeros beyond the real edge, and divide by what they count."""
        image = inputs[0].padded(need_of(self.reaches, wanted), self.extent)
        counts = self.counts(wanted, image.device)
        windows = (*self.others, *self.reaches)
        kernels, steps = [w.kernel for w in windows], [w.step for w in windows]
        if counts is None:
            mean: torch.Tensor = self.op(image, kernels, steps, 0, False, True, self.divisor)
            return mean
        # torch keeps the sums of short numbers in float32 until they are divided.
        summed = image.float() if image.itemsize < 4 else image
        sums: torch.Tensor = self.op(summed, kernels, steps, 0, False, True, 1)
        return (sums / counts).to(image.dtype)

    def counts(self, wanted: Box, device: torch.device) -> torch.Tensor | None:
        """Return how many elements each window counts; None where all count alike."""
        if self.divisor is not None:
            return None
        axes = list(zip(self.reaches, self.counted, wanted, strict=True))
        if all(inside(reach.need(interval), counted) for reach, counted, interval in axes):
            return None
        columns = (torch.tensor(_counts(*axis), device=device) for axis in axes)
        every = torch.tensor(prod(window.kernel for window in self.others), device=device)
        return reduce(lambda product, column: product[..., None] * column, columns, every)


def inside(need: Interval, counted: Interval) -> bool:
    """Return whether all windows together stay within what is counted."""
    return need.start >= counted.start and need.stop <= counted.stop


def _counts(reach: Window, counted: Interval, wanted: Interval) -> list[int]:
    windows = (reach.need(Interval(output, output + 1)) for output in range(wanted.start, wanted.stop))
    return [min(w.stop, counted.stop) - max(w.start, counted.start) for w in windows]


_aten = torch.ops.aten
_MAX_POOLS = {
    "max_pool2d_with_indices": _aten.max_pool2d_with_indices.default,
    "max_pool3d_with_indices": _aten.max_pool3d_with_indices.default,
}
_AVERAGE_POOLS = {"avg_pool2d": _aten.avg_pool2d.default, "avg_pool3d": _aten.avg_pool3d.default}


@rule(*_MAX_POOLS, results=True)
def _max_pool(node: Node, graph: Graph) -> Operator:
    others, reaches = _windows(node, graph)
    if node.result:
        _require_unpooling(node, graph)
    extent, op = graph.spatial_shape(node.inputs[0]), _MAX_POOLS[node.name]
    return MaxPooling(reaches, extent, op, others, places=node.result == 1)


def _require_unpooling(node: Node, graph: Graph) -> None:
    users = [user.name for user in graph.nodes if node.index in user.inputs]
    if not users or not all(name.startswith("max_unpool") for name in users):
        raise refused(node, "it uses the indices of a max pooling otherwise than to unpool")


@rule(*_AVERAGE_POOLS)
def _average_pool(node: Node, graph: Graph) -> Operator:
    arguments, (others, reaches) = bound_arguments(node), _windows(node, graph)
    extent = graph.spatial_shape(node.inputs[0])
    # Windows that ceil_mode lets hang over the padding count what lies in the padding, and no more.
    margins = [reach.padding if arguments["count_include_pad"] else 0 for reach in reaches]
    counted = tuple(Interval(-m, length + m) for m, length in zip(margins, extent, strict=True))
    divisor = arguments["divisor_override"]
    return AveragePooling(reaches, extent, counted, _AVERAGE_POOLS[node.name], divisor, others)


@rule(*(f"{kind}{axes}d" for kind in ("_adaptive_avg_pool", "adaptive_max_pool") for axes in (1, 2, 3)))
def _adaptive_pool(node: Node, graph: Graph) -> Operator:
    raise refused(
        node,
        "its windows are shares of the image, and their number follows its size",
        "Use a pooling with a fixed window",
    )


def _windows(node: Node, graph: Graph) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    """Return the windows along dimensions before those of the image, and those along its axes."""
    arguments, count = bound_arguments(node), int(node.name.split("pool")[1][0])
    kernel = per_axis(arguments["kernel_size"], count)
    step = per_axis(arguments["stride"], count) or kernel
    padding = per_axis(arguments["padding"], count)
    dilation = per_axis(arguments.get("dilation", 1), count)
    windows = tuple(Window(*axis) for axis in zip(kernel, step, padding, dilation, strict=True))
    others, reaches = windows[: count - graph.axes], windows[count - graph.axes :]
    if count < graph.axes or any(window.padding or window.step != 1 for window in others):
        raise refused(
            node, f"it works along {counted(count, 'axis', 'axes')}, and this image has {graph.axes}"
        )
    return others, reaches
