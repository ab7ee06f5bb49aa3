"""Resizing in a crop as in the whole image: the unchanged network, with torch's weights of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napari_exactile.geometry.interval import Interval
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.rules.resample import Resampling
from napari_exactile.network.rules.table import Anchored, Operator
from napari_exactile.network.traced.graph import Node
from napari_exactile.network.whole.freeze import RESIZING


def only_resizes(bound: BoundGraph) -> bool:
    """Tell whether crops of the image differ from the whole in nothing but where they are resized to."""
    like = bound.like
    if like is None or like.graph.names != bound.graph.names:
        return False
    pairs = zip(bound.steps, like.steps, strict=True)
    return all(_is_resizing(node) or _is_like(one, other) for (node, one), (_, other) in pairs)


def _is_like(one: Operator, other: Operator) -> bool:
    anchored = isinstance(one, Anchored) and bool(one.anchor)
    return not anchored and one.reaches == other.reaches


def _is_resizing(node: Node) -> bool:
    return node.name.startswith(RESIZING)


@contextmanager
def resizing_as_in_whole(bound: BoundGraph, start: Sequence[int]) -> Iterator[None]:
    """Let what runs in this thread resize a crop, which begins at `start`, with the weights of the whole.

    `start` is a multiple of F. The rim of the crop comes out as it may. Raises ValueError where the network
    resizes otherwise in a crop than in the whole image.
    """
    mode = _Resizing(bound, start)
    with mode:
        yield
    if mode.left:
        raise ValueError(_OTHERWISE)


_OTHERWISE = "in a crop of the image, the network resizes otherwise than in the whole"


class _Resizing(TorchDispatchMode):
    """Replaces what torch makes of a crop, one resizing of the trace after the other."""

    def __init__(self, bound: BoundGraph, start: Sequence[int]) -> None:
        super().__init__()
        self._bound, self._start = bound, start
        self.left = [step for step in bound.steps if _is_resizing(step[0])]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.__name__.startswith(RESIZING):
            return result
        if not self.left or self.left[0][0].name != func.__name__.split(".")[0]:
            raise ValueError(_OTHERWISE)
        node, operator = self.left.pop(0)
        return self._resized(node, operator, args[0], result) if isinstance(operator, Resampling) else result

    def _resized(
        self, node: Node, operator: Resampling, part: torch.Tensor, result: torch.Tensor
    ) -> torch.Tensor:
        other = part.float() if part.itemsize < 4 else part
        for axis in reversed(range(len(self._start))):
            held = self._interval(node.inputs[0], axis, part)
            wanted, table = self._interval(node.index, axis, result), operator.tables[axis]
            if wanted.stop > len(table.first):
                raise ValueError(_OTHERWISE)
            other = table.apply(other, axis - len(self._start), wanted, held)
        return other.to(result)

    def _interval(self, index: int, axis: int, part: torch.Tensor) -> Interval:
        """Return where a tensor of the crop lies in that of the whole image."""
        start = int(self._start[axis] / self._bound.strides[index][axis])
        return Interval(start, start + part.shape[axis - len(self._start)])
