"""From an analysis and a tile size to a plan: which zones, from which tiles, at what cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from napari_exactile.geometry.interval import Box, Interval, full_box, round_up
from napari_exactile.geometry.tiling import Tile, Tiling, zone_of_tile
from napari_exactile.network.analysis import Analysis
from napari_exactile.network.halo import BoundGraph
from napari_exactile.network.memory import (
    boxes_trimmed,
    boxes_whole_tile,
    peak_bytes,
    work_trimmed,
    work_whole,
    work_whole_tile,
)
from napari_exactile.run.settings import Method

# A compromise: larger zones compute less again, smaller ones keep working sets in a CPU's cache.
COMFORTABLE_ZONE = 512


@dataclass(frozen=True, slots=True)
class Plan:
    """Zones that partition the region, each with its tile; iterable again and again, with a length.

    `required_radius` is what the network needs, `redundancy` the multiply-accumulates relative to one pass
    over the region (1.0 is the least possible), `peak_bytes` the predicted memory of the largest tile.
    `automatic` says that the tile size was chosen by the program.
    """

    tiling: Tiling
    method: Method
    required_radius: tuple[int, ...]
    redundancy: float
    peak_bytes: int
    automatic: bool

    def __len__(self) -> int:
        return len(self.tiling)

    def __iter__(self) -> Iterator[Tile]:
        return iter(self.tiling)

    @property
    def zor(self) -> tuple[int, ...]:
        """Size of a full zone of responsibility, in pixels."""
        return self.tiling.zone

    @property
    def radius(self) -> tuple[int, ...]:
        """Context that a tile reads on every side of its zone, in pixels."""
        return self.tiling.radius

    @property
    def factor(self) -> tuple[int, ...]:
        """F: zones start on multiples of it."""
        return self.tiling.factor

    @property
    def tile(self) -> tuple[int, ...]:
        """Size of a full tile: `ZoR + 2 * Radius`."""
        return self.tile_with(self.radius)

    def tile_with(self, radius: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size that a full tile would have with another radius."""
        return tuple(z + 2 * r for z, r in zip(self.zor, radius, strict=True))

    @property
    def exact(self) -> bool:
        """Whether the labels are those of one pass over the whole image."""
        pairs = zip(self.radius, self.required_radius, strict=True)
        return all(radius >= required for radius, required in pairs)


def plan_tiles(
    analysis: Analysis,
    tile: int | Literal["auto"] = "auto",
    radius: int | Literal["auto"] | None = None,
    method: Method = "trimmed",
    region: Box | None = None,
    memory: int | None = None,
) -> Plan:
    """Return the plan of a tile size, in pixels and rounded down to multiples of F.

    `radius` None or "auto" is what the network needs; `memory` in bytes bounds an automatic tile. Raises
    NotExactError where the network is refused, and ValueError for a tile without a zone or for an undersized
    radius, which only the method "whole-tile" takes.
    """
    bound = analysis.require()
    required = analysis.radius
    assert required is not None
    chosen = required if radius in {None, "auto"} else _snapped(radius, bound.factor)
    _refuse_undersized(chosen, required, method)
    region = region or full_box(analysis.shape)
    if tile == "auto":
        zone = _automatic_zone(bound, region, chosen, method, memory)
    else:
        zone = zone_of_tile((tile,) * len(chosen), chosen, bound.factor)
    tiling = Tiling(analysis.shape, bound.factor, zone, chosen, region)
    cost, peak = _redundancy(bound, tiling, method), predicted_bytes(bound, zone, chosen, method)
    return Plan(tiling, method, required, cost, peak, automatic=tile == "auto")


def predicted_bytes(bound: BoundGraph, zone: tuple[int, ...], radius: tuple[int, ...], method: Method) -> int:
    """Return the predicted memory of one tile of this zone size, away from the image's edges."""
    shape = bound.graph.spatial_shape(0)
    middle = tuple(
        Interval(start, min(start + z, n))
        for z, n, f in zip(zone, shape, bound.factor, strict=True)
        for start in [max(0, (n - z) // 2 // f * f)]
    )
    if method == "trimmed":
        return peak_bytes(bound, boxes_trimmed(bound, middle))
    tile = tuple(m.grow(r, r).clip(Interval(0, n)) for m, r, n in zip(middle, radius, shape, strict=True))
    return peak_bytes(bound, boxes_whole_tile(bound, tile))


def largest_tile(analysis: Analysis, radius: tuple[int, ...], method: Method, memory: int) -> int | None:
    """Return the largest square tile whose predicted memory is at most `memory`; None where none fits."""
    bound = analysis.require()
    zones = _zone_sizes(bound, max(bound.graph.spatial_shape(0)))
    fits = [z for z in zones if predicted_bytes(bound, (z,) * len(radius), radius, method) <= memory]
    return fits[0] + 2 * max(radius) if fits else None


def _automatic_zone(
    bound: BoundGraph, region: Box, radius: tuple[int, ...], method: Method, memory: int | None
) -> tuple[int, ...]:
    """Take the comfortable size, or less where the memory or the region is smaller."""
    sizes = _zone_sizes(bound, COMFORTABLE_ZONE)
    limits = [round_up(len(span), f) for span, f in zip(region, bound.factor, strict=True)]
    for size in sizes:
        zone = tuple(min(size, limit) for limit in limits)
        if memory is None or predicted_bytes(bound, zone, radius, method) <= memory:
            return zone
    return tuple(bound.factor)


def _zone_sizes(bound: BoundGraph, largest: int) -> list[int]:
    """Return square zone sizes, falling by about a quarter, all multiples of F."""
    step = max(bound.factor)
    sizes, size = [], round_up(largest, step)
    while size > step:
        sizes.append(size)
        size = max(step, size * 3 // 4 // step * step)
    return [*sizes, step]


def _snapped(radius: int | str | None, factor: tuple[int, ...]) -> tuple[int, ...]:
    assert isinstance(radius, int)
    return tuple(round_up(radius, f) for f in factor)


def _refuse_undersized(radius: tuple[int, ...], required: tuple[int, ...], method: Method) -> None:
    if method == "trimmed" and any(r < need for r, need in zip(radius, required, strict=True)):
        raise ValueError(
            f"a radius of {min(radius)} px is too small: this model needs {max(required)} px. "
            'Leave it out, or choose the method "whole-tile" to see the error that it makes'
        )


def _redundancy(bound: BoundGraph, tiling: Tiling, method: Method) -> float:
    axes = range(len(tiling.shape))
    whole = work_whole(bound)
    if not whole:
        return 1.0  # such a network multiplies nothing
    for axis in axes:
        whole *= len(tiling.region[axis]) / tiling.padded_shape[axis]
    if method == "trimmed":
        return work_trimmed(bound, [tiling.spans(axis) for axis in axes]) / whole
    return work_whole_tile(bound, [tiling.reads(axis) for axis in axes]) / whole
