"""Predict the arithmetic of a plan from the graph, in multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from napari_exactile.geometry.interval import Interval
from napari_exactile.network.cone.bound import BoundGraph


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
