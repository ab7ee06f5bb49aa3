"""What zones cost: remembered, as the dock plans anew with every change of a field."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari_exactile.geometry.interval import Interval
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.derived import Derived
from napari_exactile.run.plan.methods import Method

Cost = tuple[int, float]

# Of each graph as long as somebody holds it. What a zone costs does not depend on the memory that is free.
_known: WeakKeyDictionary[BoundGraph, dict[tuple[Tiling, Method], Cost]] = WeakKeyDictionary()


def zone_cost(analysis: Derived, tiling: Tiling, method: Method) -> Cost:
    """Return the bytes of one tile and the multiply-accumulates of all, without passes that come before."""
    known = _known.setdefault(analysis.bound, {})
    if (tiling, method) not in known:
        peak = predicted_bytes(analysis.bound, tiling.zone, tiling.radius, method)
        known[tiling, method] = peak, method.work(analysis.bound, tiling)
    return known[tiling, method]


def predicted_bytes(bound: BoundGraph, zone: tuple[int, ...], radius: tuple[int, ...], method: Method) -> int:
    """Return the predicted memory of one tile of this zone size, away from the image's edges."""
    shape = bound.graph.spatial_shape(0)
    middle = tuple(
        Interval(start, min(start + z, n))
        for z, n, f, side in zip(zone, shape, bound.factor, bound.grid(shape).covered, strict=True)
        for start in [max(side.start, (side.start + side.stop - z) // 2) // f * f]
    )
    return method.peak(bound, middle, radius)
