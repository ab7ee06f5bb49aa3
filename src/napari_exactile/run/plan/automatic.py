"""Choose the zone that takes the least predicted time; what zones cost is remembered.

The dock plans anew with every change of a field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, inf
from weakref import WeakKeyDictionary

from napari_exactile.geometry.interval import Interval, round_up
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.derived import Derived
from napari_exactile.run.plan.methods import Method

Zone = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a kind of device is: `best` multiply-accumulates per second, and `overhead` seconds a tile.

    Where a tile holds more than `comfortable` bytes, the speed falls with a power of how much more that is.
    """

    best: float
    overhead: float
    comfortable: float
    slowing: float = 0.25

    def seconds(self, work: float, peak: int, tiles: int) -> float:
        """Return the time of so many tiles that do `work` together and hold `peak` bytes each."""
        slower = max(1.0, peak / self.comfortable)
        return work / self.best * float(slower**self.slowing) + tiles * self.overhead


# CPU: fitted to bench/throughput.py, U-Nets of base 16 and 32 on two cores. Of the work per second of tiles
# that hold 30 MB, those of 100, 214, 400 and 730 MB did 0.8 - 0.9, 0.7, 0.5 - 0.7 and 0.6.
# CUDA: larger is better; the figures are a guess, as nothing has been measured there.
SPEEDS = {"cpu": Speed(58e9, 0.015, 50e6), "cuda": Speed(5e12, 0.02, inf)}
# Smaller zones are not tried once they are predicted to take so much longer than the best one.
HOPELESS = 1.3


def cheapest(lengths: Sequence[int], factor: Sequence[int], cost: Callable[[Zone], float]) -> Zone | None:
    """Return the zone of least `cost` for a region of these sides; None where every cost is infinite.

    Squares and cubes are tried from large to small, then zones next to the best one that are longer or
    shorter along one axis. Sides are multiples of F that share out the region evenly.
    """
    sides = [_sides(length, f, max(lengths)) for length, f in zip(lengths, factor, strict=True)]

    costs = cache(cost)
    squares = list(dict.fromkeys(zip(*sides, strict=True)))
    best = squares[0]
    for zone in squares:
        best = min(best, zone, key=costs)
        if costs(zone) > HOPELESS * costs(best):
            break
    while costs(better := min(_beside(best, sides), key=costs)) < costs(best):
        best = better
    return None if costs(best) == inf else best


def _sides(length: int, factor: int, largest: int) -> list[int]:
    """Return side lengths, the whole first and falling by about a quarter, each an even share of `length`."""
    sides, target = [], float(largest)
    while target > 16:
        parts = ceil(length / min(target, length))
        sides.append(round_up(ceil(length / parts), factor))
        target *= 0.75
    return [*sides, factor]


def _beside(zone: Zone, sides: Sequence[Sequence[int]]) -> Iterator[Zone]:
    """Yield the zones that differ by one or two sizes along one axis."""
    for axis, side in enumerate(sides):
        sizes = list(dict.fromkeys(side))
        place = sizes.index(zone[axis])
        for size in sizes[max(0, place - 2) : place + 3]:
            yield (*zone[:axis], size, *zone[axis + 1 :])


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
