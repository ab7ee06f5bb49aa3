"""Predict the memory of one tile from the graph, without running it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, groupby
from math import ceil, prod
from typing import Any

import torch

from napari_exactile.geometry.interval import Box, box_shape, volume
from napari_exactile.network.cone.bound import BoundGraph, boxes
from napari_exactile.network.cost.scratch import Run, scratch
from napari_exactile.network.rules.padding import ConstantPadding, CopiedPadding
from napari_exactile.network.rules.shaping import Slice
from napari_exactile.network.rules.table import Operator
from napari_exactile.network.traced.graph import Node

_unsafe_view = torch.ops.aten._unsafe_view.default


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor while a tile is computed: whose memory it lies in, and how many bytes of its own it takes.

    A view lies in the memory of another tensor and takes none. `dense` says that it has no gaps, so that
    whoever reads it makes no copy first; `passing` is what making it took for as long as that lasted.
    """

    owner: int
    size: int
    dense: bool = True
    passing: int = 0


def peak_trimmed(bound: BoundGraph, zone: Box) -> int:
    """Return the most bytes that trimmed execution of `zone` holds at once, the tile's image included."""
    computed = boxes([bound.demands.of(axis, interval) for axis, interval in enumerate(zone)])
    held = [Held(0, _bytes(bound, 0, volume(_known(computed[0]))))]
    for node, operator in bound.steps:
        held.append(_trimmed(bound, node, operator, computed, held))
    return _peak(held, _last_uses(bound, held))


def peak_whole_tile(bound: BoundGraph, tile: Box) -> int:
    """Return the most bytes that the unchanged network holds at once for `tile`, the tile's image included.

    Python keeps what a module was called with until the module returns. What several steps of a module read,
    such as a skip connection, it keeps until its last use or until the module returns, depending on how the
    code is written, which the graph does not show: the mean of both is returned. Operators in place count as
    if they were not.
    """
    sides = [
        tuple(max(1, int(len(side) / s)) for side, s in zip(tile, stride, strict=True))
        for stride in bound.strides
    ]
    held = [Held(0, _bytes(bound, 0, prod(sides[0])))]
    for node, operator in bound.steps:
        held.append(_whole(bound, node, operator, sides, held))
    peaks = []
    for variables in (False, True):
        last = _last_uses(bound, held)
        for source, end in _kept(bound.graph.nodes, variables):
            last[held[source].owner] = max(last[held[source].owner], end)
        peaks.append(_peak(held, last))
    return sum(peaks) // 2


def _trimmed(
    bound: BoundGraph, node: Node, operator: Operator, computed: Sequence[Box | None], held: Sequence[Held]
) -> Held:
    """Return what trimmed execution holds of one node's result."""
    box, first = computed[node.index], node.inputs[0]
    if box is None:
        return Held(node.index, 0)
    needs = {source: _need(bound, operator, box, source) for source in node.inputs}
    copied = {i for i in needs if needs[i] != computed[i] or not held[i].dense}
    if _picks(bound, node, operator, needs[first]) or (_is_view(node.op) and first not in copied):
        return Held(held[first].owner, 0, dense=first not in copied)
    # A finer grid is made of whole elements of the coarser one, then cropped.
    sides = zip(box, needs[first], operator.reaches, strict=True)
    made = prod(max(len(b), ceil(len(n) / r.stride)) if r.stride < 1 else len(b) for b, n, r in sides)
    copies = sum(_bytes(bound, i, volume(needs[i])) for i in copied)
    run = Run(node, box_shape(needs[first]), bound.graph.nodes[first].features, made)
    passing = 0 if _is_view(node.op) else copies + scratch(operator, run)
    return Held(node.index, _bytes(bound, node.index, made), made == volume(box), passing)


def _whole(
    bound: BoundGraph, node: Node, operator: Operator, sides: Sequence[tuple[int, ...]], held: Sequence[Held]
) -> Held:
    """Return what the unchanged network holds of one node's result; `sides` are those of all results."""
    first, made = node.inputs[0], prod(sides[node.index])
    size = _bytes(bound, node.index, made)
    if _is_view(node.op):
        whole = size >= _bytes(bound, first, prod(sides[first]))
        return Held(held[first].owner, 0, dense=held[first].dense and whole)
    copies = sum(_bytes(bound, i, prod(sides[i])) for i in set(node.inputs) if not held[i].dense)
    run = Run(node, sides[first], bound.graph.nodes[first].features, made)
    return Held(node.index, size, passing=copies + scratch(operator, run))


def _peak(held: Sequence[Held], last: Sequence[int]) -> int:
    """Return the most bytes at once, given the last node that reads each tensor's memory."""
    change = [0] * (len(held) + 1)
    for index, tensor in enumerate(held):
        change[index] += tensor.size
        change[last[index] + 1] -= tensor.size
    alive = accumulate(change[: len(held)])
    return max(now + tensor.passing for now, tensor in zip(alive, held, strict=True))


def _last_uses(bound: BoundGraph, held: Sequence[Held]) -> list[int]:
    """Return, for every node, the last one that reads its memory; image and result stay to the end."""
    last = list(range(len(held)))
    for node in bound.graph.nodes:
        for source in node.inputs:
            last[held[source].owner] = node.index
    for index in (0, held[bound.graph.output].owner):
        last[index] = len(held) - 1
    return last


def _kept(nodes: Sequence[Node], variables: bool) -> Iterator[tuple[int, int]]:
    """Yield, for every call of a module, each tensor that Python keeps until it returns, and its last node.

    That is what it was called with and, with `variables`, what several of its steps read.
    """
    paths = [tuple(node.place.split(".")) if node.place else () for node in nodes]
    for depth, call in _calls(paths):
        steps: defaultdict[int, set[Any]] = defaultdict(set)
        for number in call:
            for source in nodes[number].inputs:
                steps[source].add(paths[number][depth : depth + 1] or number)
        for source, readers in steps.items():
            if source < call[0] or (variables and len(readers) > 1):
                yield source, call[-1]


def _calls(paths: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, list[int]]]:
    """Yield the calls of modules: how deep each module lies, and the numbers of the nodes in it."""
    depths = range(1, max(map(len, paths)) + 1)
    if depths:  # otherwise nothing is known of the modules
        yield 0, list(range(len(paths)))
    for depth in depths:
        parents = [path[:depth] for path in paths]
        runs = (list(inside) for _, inside in groupby(range(len(paths)), parents.__getitem__))
        yield from ((depth, run) for run in runs if len(parents[run[0]]) == depth)


def _need(bound: BoundGraph, operator: Operator, box: Box, source: int) -> Box:
    """Return the box that an operator cuts out of one input, padding included."""
    axes = zip(operator.reaches, box, bound.graph.spatial_shape(source), strict=True)
    return tuple(r.inside(side, length) if r.stride < 1 else r.need(side) for r, side, length in axes)


def _picks(bound: BoundGraph, node: Node, operator: Operator, need: Box) -> bool:
    """Tell whether a result is a part of the input: a slice, or padding where no edge is near."""
    if isinstance(operator, ConstantPadding | CopiedPadding):
        sides = zip(need, bound.graph.spatial_shape(node.inputs[0]), strict=True)
        return all(side.start >= 0 and side.stop <= length for side, length in sides)
    return isinstance(operator, Slice) and operator.step == 1


@cache
def _is_view(op: Any) -> bool:
    """Tell whether torch returns the same memory in another form."""
    return op is _unsafe_view or op._schema.returns[0].alias_info is not None


def _known(box: Box | None) -> Box:
    assert box is not None, "dead nodes were removed by the trace"
    return box


def _bytes(bound: BoundGraph, index: int, pixels: int) -> int:
    node = bound.graph.nodes[index]
    return pixels * node.features * node.dtype.itemsize
