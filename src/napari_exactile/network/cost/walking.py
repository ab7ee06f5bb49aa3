"""Predict the memory of a walk from its course, without running it."""

from __future__ import annotations

from collections.abc import Collection

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.skewed.course import FAST, Course, Thrift

# After so many windows beyond the context, a walk repeats itself.
WINDOWS = 6


def peak_walked(
    bound: BoundGraph,
    axis: int,
    band: Box,
    results: Collection[int] = (),
    given: Collection[int] = (),
    thrift: Thrift = FAST,
) -> int:
    """Return the most bytes that walking a band along an axis holds at once, beside what is given."""
    course = Course(bound, axis, band, results, given, thrift)
    side = band[axis]
    first = course.demands.of(axis, side)[0]
    reach = 0 if first is None else len(first) - len(side)
    length = min(len(side), reach + (WINDOWS * course.window))
    rooms = course.rooms(Interval(side.start, side.start + length))
    slabs = sum(course.capacity(index, room) * course.row_bytes[index] for index, room in rooms.items())
    sizes = course.row_bytes.items()
    # What is made at once lies in memory of its own until it is written to its slab; oneDNN lays out weights.
    pieces = (min(course.most(index), course.length(index)) * size for index, size in sizes)
    weights = (getattr(operator, "weight", None) for _node, operator in bound.steps)
    laid_out = (weight.nbytes for weight in weights if weight is not None)
    return slabs + max(pieces, default=0) + max(laid_out, default=0)
