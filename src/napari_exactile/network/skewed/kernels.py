"""How rows of a layer are made from rows of others: by the rules, or by faster calls that do the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.rules.local import Pointwise
from napari_exactile.network.rules.pooling import MaxPooling
from napari_exactile.network.rules.table import Operator, Region, need_of
from napari_exactile.network.rules.windowed import Convolution
from napari_exactile.network.skewed.slab import is_plain
from napari_exactile.network.skewed.turned import Turned
from napari_exactile.network.traced.graph import Graph, Made, Node, Ref


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a tensor: `box` says where they lie in the whole one, in the turned order, as the tensor is."""

    tensor: torch.Tensor
    box: Box


# Makes the rows in a box from those of the inputs; writes into `out` where that is as fast.
Kernel = Callable[[Box, Sequence[Rows], torch.Tensor], torch.Tensor]


def kernel_of(node: Node, operator: Operator, graph: Graph, turned: Turned) -> Kernel:
    """Return what makes rows of a node, in the turned order where its tensors are plain."""
    plain = all(is_plain(graph.layout(index)) for index in (node.index, *node.inputs))
    fast = _fast(operator, node, turned) if plain else None
    return fast or _by_rule(node, operator, graph, turned, plain)


def _by_rule(node: Node, operator: Operator, graph: Graph, turned: Turned, plain: bool) -> Kernel:
    """Return what runs the operator, on turned tensors where it can be turned, or on those of the image."""
    other = turned.operator(operator) if plain else None
    if other is not None:
        return lambda wanted, inputs, out: other.run(wanted, [Region(x.tensor, x.box) for x in inputs])
    layouts = [graph.layout(source) for source in node.inputs]
    dims = [() if layout.is_last else layout.dims for layout in layouts]
    back = [turned.tensor_back if is_plain(layout) else _as_it_is for layout in layouts]
    turn = turned.tensor if is_plain(graph.layout(node.index)) else _as_it_is

    def run(wanted: Box, inputs: Sequence[Rows], out: torch.Tensor) -> torch.Tensor:
        regions = [
            Region(turn_back(x.tensor), turned.back(x.box), own)
            for x, own, turn_back in zip(inputs, dims, back, strict=True)
        ]
        return turn(operator.run(turned.back(wanted), regions))

    return run


def _as_it_is(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


@singledispatch
def _fast(operator: Operator, node: Node, turned: Turned) -> Kernel | None:
    """Return a faster way for plain tensors; most operators have none."""
    return None


@_fast.register
def _convolution(operator: Convolution, node: Node, turned: Turned) -> Kernel | None:
    if not _has_onednn(operator.weight) or len(operator.reaches) == 1:
        return None
    other: Any = turned.operator(operator)
    steps, dilations = ([getattr(r, key) for r in other.reaches] for key in ("step", "dilation"))

    def run(wanted: Box, inputs: Sequence[Rows], out: torch.Tensor) -> torch.Tensor:
        need = need_of(other.reaches, wanted)
        inside = tuple(n.clip(Interval(0, length)) for n, length in zip(need, other.extent, strict=True))
        image = Region(inputs[0].tensor, inputs[0].box).crop(inside)
        sides = [_Padded.of(*axis) for axis in zip(need, inside, steps, wanted, strict=True)]
        if any(map(any, (side.before for side in sides))):
            image = F.pad(image, [n for side in reversed(sides) for n in side.before])
        found = torch.mkldnn_convolution(
            image, other.weight, other.bias, [s.both for s in sides], steps, dilations, other.groups
        )
        index: Any = (..., *(side.cut for side in sides))
        return found[index]

    return run


def _has_onednn(weight: torch.Tensor) -> bool:
    is_here = weight.dtype is torch.float32 and weight.device.type == "cpu"
    return is_here and bool(torch.backends.mkldnn.enabled)


@dataclass(frozen=True, slots=True)
class _Padded:
    """Padding along an axis: `before` by a copy, on `both` sides by the convolution, then `cut`."""

    before: tuple[int, int]
    both: int
    cut: slice

    @classmethod
    def of(cls, need: Interval, inside: Interval, step: int, wanted: Interval) -> _Padded:
        """Return what is padded where only part of the need lies inside."""
        ahead, behind = inside.start - need.start, need.stop - inside.stop
        if ahead < 0 or behind < 0:  # what is needed lies outside altogether
            ahead, behind = max(ahead, 0), max(behind, 0)
        both = max(ahead, behind)
        first, rest = divmod(both - ahead, step)
        if rest:
            return cls((ahead, behind), 0, slice(0, len(wanted)))
        return cls((0, 0), both, slice(first, first + len(wanted)))


@_fast.register
def _pooling(operator: MaxPooling, node: Node, turned: Turned) -> Kernel | None:
    """Pool 2 x 2: four times as fast as by the operator, which finds places, too."""
    pairs = all((w.kernel, w.step, w.padding, w.dilation) == (2, 2, 0, 1) for w in operator.reaches)
    if not pairs or len(operator.reaches) != 2 or operator.places or operator.others:
        return None

    def run(wanted: Box, inputs: Sequence[Rows], out: torch.Tensor) -> torch.Tensor:
        image = Region(inputs[0].tensor, inputs[0].box).crop(need_of(operator.reaches, wanted))
        image, to = image[0].movedim(0, -1), out[0].movedim(0, -1)
        high = torch.maximum(image[0::2], image[1::2])
        torch.maximum(high[:, 0::2], high[:, 1::2], out=to)
        return out

    return run


@_fast.register
def _pointwise(operator: Pointwise, node: Node, turned: Turned) -> Kernel | None:
    """Call the operator on turned tensors: slabs have no gaps, so that nothing is made dense first."""
    leaves = tree_leaves((operator.node.args, operator.node.kwargs))
    if any(isinstance(leaf, Region | Made) for leaf in leaves) or not _same_along(leaves, turned):
        return None

    def run(wanted: Box, inputs: Sequence[Rows], out: torch.Tensor) -> torch.Tensor:
        parts = {i: _dense(x, wanted) for i, x in zip(node.inputs, inputs, strict=True)}

        def fill(leaf: Any) -> Any:
            return parts[leaf.index] if isinstance(leaf, Ref) else leaf

        args, kwargs = tree_map(fill, (operator.node.args, operator.node.kwargs))
        result = node.op(*args, **kwargs)
        one: torch.Tensor = result[node.result] if isinstance(result, tuple | list) else result
        return one

    return run


def _same_along(leaves: Sequence[Any], turned: Turned) -> bool:
    """Tell whether constants are the same along all axes of the image, so that these may be turned."""
    if turned.first == 0:
        return True
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    return all(tensor.numel() == 1 or tensor.ndim < turned.axes for tensor in tensors)


def _dense(rows: Rows, wanted: Box) -> torch.Tensor:
    part = Region(rows.tensor, rows.box).crop(wanted)
    flat = part.movedim(1, -1)
    return part if flat.is_contiguous() else flat.contiguous().movedim(-1, 1)
