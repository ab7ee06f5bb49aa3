"""Predict the memory of a walk from its course, without running it."""

from __future__ import annotations

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.skewed.course import FAST, Thrift, course_of

# After so many windows beyond the context, a walk repeats itself.
WINDOWS = 6


def peak_walked(
    bound: BoundGraph,
    axis: int,
    band: Box,
    results: tuple[int, ...] = (),
    given: tuple[int, ...] = (),
    thrift: Thrift = FAST,
) -> int:
    """Return the most bytes that walking a band along an axis holds at once, beside what is given."""
    course = course_of(bound, axis, band, results, given, thrift)
    side = band[axis]
    first = course.demands.of(axis, side)[0]
    reach = 0 if first is None else len(first) - len(side)
    length = min(len(side), reach + (WINDOWS * course.window))
    rooms = course.rooms(Interval(side.start, side.start + length))
    slabs = sum(course.capacity(index, room) * course.row_bytes[index] for index, room in rooms.items())
    # What a head makes at once lies in memory of its own until it is written to its slab; steps go from slab
    # to slab. oneDNN lays out weights.
    pieces = (
        min(course.most(index), course.length(index)) * size
        for index, size in course.row_bytes.items()
        if any(part.head is not None for part in course.layers[index].parts)
    )
    weights = (getattr(operator, "weight", None) for _node, operator in bound.steps)
    laid_out = (weight.nbytes for weight in weights if weight is not None)
    return slabs + max(pieces, default=0) + max(laid_out, default=0)
