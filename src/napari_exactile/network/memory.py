"""Predict the memory and the arithmetic of a plan from the graph, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from napari_exactile.geometry.interval import Box, Interval, volume
from napari_exactile.network.halo import BoundGraph, boxes, last_uses


def peak_bytes(bound: BoundGraph, computed: Sequence[Box | None]) -> int:
    """Return the most bytes of tensors alive at once when each node computes its box in `computed`."""
    sizes = [_bytes(bound, index, box) for index, box in enumerate(computed)]
    done = last_uses(bound.graph, range(len(bound.graph.nodes)))
    alive = peak = sizes[0]
    for node, _operator in bound.steps:
        alive += sizes[node.index]
        # An operator may copy its inputs into another layout while it runs.
        peak = max(peak, alive + sum(sizes[source] for source in node.inputs))
        alive -= sum(sizes[source] for source in done[node.index])
    return peak


def boxes_trimmed(bound: BoundGraph, zone: Box) -> tuple[Box | None, ...]:
    """Return the box of every tensor that trimmed execution computes for `zone`."""
    return boxes([bound.demands.of(axis, interval) for axis, interval in enumerate(zone)])


def boxes_whole_tile(bound: BoundGraph, tile: Box) -> tuple[Box | None, ...]:
    """Return the box of every tensor that the unchanged network computes for `tile`, up to edge effects."""
    return tuple(
        tuple(
            Interval(int(side.start / s), max(int(side.start / s) + 1, int(side.stop / s)))
            for side, s in zip(tile, stride, strict=True)
        )
        for stride in bound.strides
    )


def work_whole(bound: BoundGraph) -> float:
    """Return the multiply-accumulates of one pass over the whole padded image."""
    return sum(operator.work * prod(bound.graph.spatial_shape(node.index)) for node, operator in bound.steps)


def work_trimmed(bound: BoundGraph, spans: Sequence[Iterable[Interval]]) -> float:
    """Return the multiply-accumulates of trimmed execution of all zones, given their intervals per axis.

    A zone is a product of intervals, so the sum over all zones is a product of sums over rows and columns.
    """
    lengths = [bound.demands.lengths(axis, intervals) for axis, intervals in enumerate(spans)]
    return sum(
        operator.work * prod(length[node.index] for length in lengths) for node, operator in bound.steps
    )


def work_whole_tile(bound: BoundGraph, reads: Sequence[Iterable[Interval]]) -> float:
    """Return the multiply-accumulates of sending every whole tile through the network."""
    share = prod(
        sum(len(interval) for interval in intervals) / length
        for intervals, length in zip(reads, bound.graph.spatial_shape(0), strict=True)
    )
    return work_whole(bound) * share


def _bytes(bound: BoundGraph, index: int, box: Box | None) -> int:
    node = bound.graph.nodes[index]
    return 0 if box is None else volume(box) * node.features * node.dtype.itemsize
