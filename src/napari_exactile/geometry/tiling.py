"""The partition of an image into zones of responsibility, each with the tile that it is computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from napari_exactile.geometry.interval import Box, Interval, full_box, round_up
from napari_exactile.geometry.words import counted, spans


@dataclass(frozen=True, slots=True)
class Tile:
    """One zone of responsibility (ZoR) and the box that is read for it.

    `box` is the zone, widened to multiples of F and by the radius, clipped at the edges of the padded image:
    `TileSize = ZoR + 2 * Radius` away from the edges.
    """

    index: int
    zone: Box
    box: Box


@dataclass(frozen=True, slots=True)
class Tiling:
    """Zones of one size that partition a region of an image, without overlap and without gap.

    `shape` is the image's, `factor` is F, `zone` the size of a full ZoR, `radius` the context around it, all
    in pixels per axis. `region` is the box to cover (by default the whole image). Zones start on multiples
    of F; the first and last of an axis are narrower where the region ends inside them. A radius that is no
    multiple of F makes tiles that start off the grid: nothing exact comes of them. `padded_shape` is that of
    the image that tiles are cut from: by default, the image is padded to multiples of F.
    """

    shape: tuple[int, ...]
    factor: tuple[int, ...]
    zone: tuple[int, ...]
    radius: tuple[int, ...]
    region: Box = ()
    padded_shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.region:
            object.__setattr__(self, "region", full_box(self.shape))
        if not self.padded_shape:
            padded = tuple(round_up(n, f) for n, f in zip(self.shape, self.factor, strict=True))
            object.__setattr__(self, "padded_shape", padded)
        if not len(self.shape) == len(self.factor) == len(self.zone) == len(self.radius) == len(self.region):
            raise ValueError(
                f"shape {self.shape}, factor {self.factor}, zone {self.zone}, radius {self.radius} "
                "and region must have the same number of axes: give each as many"
            )
        for axis, interval in enumerate(self.region):
            self._check_axis(axis, interval)

    def _check_axis(self, axis: int, interval: Interval) -> None:
        factor, zone, radius = self.factor[axis], self.zone[axis], self.radius[axis]
        if self.shape[axis] < 1:
            words = f"the image is empty along axis {axis}: its shape is {self.shape}"
            raise ValueError(f"{words}; choose one with pixels")
        check_inside(axis, interval, self.shape[axis])
        if zone < 1 or zone % factor:
            words = f"a zone of {zone} px is not a positive multiple of the size factor {factor}"
            raise ValueError(f"{words}: choose {max(1, zone // factor) * factor} px, say")
        if radius < 0:
            raise ValueError(f"a radius is at least 0 px, not {radius}")

    @property
    def grid(self) -> tuple[int, ...]:
        """Return the number of zones along each axis."""
        return tuple(len(self.spans(axis)) for axis in range(len(self.shape)))

    def spans(self, axis: int) -> tuple[Interval, ...]:
        """Return the zones' intervals along one axis, in order."""
        region, factor, size = self.region[axis], self.factor[axis], self.zone[axis]
        first = region.start // factor * factor
        starts = range(first, region.stop, size)
        return tuple(Interval(max(s, region.start), min(s + size, region.stop)) for s in starts)

    def reads(self, axis: int) -> tuple[Interval, ...]:
        """Return the tiles' intervals along one axis, in order, inside the padded image."""
        factor, radius, length = self.factor[axis], self.radius[axis], self.padded_shape[axis]
        return tuple(tile_around(span, factor, radius, length) for span in self.spans(axis))

    def __len__(self) -> int:
        return prod(self.grid)

    def __iter__(self) -> Iterator[Tile]:
        axes = range(len(self.shape))
        zones = product(*(self.spans(axis) for axis in axes))
        boxes = product(*(self.reads(axis) for axis in axes))
        return (Tile(i, zone, box) for i, (zone, box) in enumerate(zip(zones, boxes, strict=True)))

    def tile(self, index: int) -> Tile:
        """Return one tile by its number, without making the others."""
        if not 0 <= index < len(self):
            raise IndexError(f"tile {index} does not exist: there are {len(self)}")
        places, rest = [], index
        for length in reversed(self.grid):
            rest, place = divmod(rest, length)
            places.append(place)
        places.reverse()
        zone = tuple(self.spans(axis)[place] for axis, place in enumerate(places))
        box = tuple(self.reads(axis)[place] for axis, place in enumerate(places))
        return Tile(index, zone, box)

    def parts(self, window: Box) -> Iterator[tuple[Box, Box]]:
        """Yield, for every zone that meets `window`, its tile and the part of the zone inside."""
        axes = [self._parts(axis, inside) for axis, inside in enumerate(window)]
        for pairs in product(*axes):
            yield tuple(read for read, _ in pairs), tuple(part for _, part in pairs)

    def _parts(self, axis: int, window: Interval) -> list[tuple[Interval, Interval]]:
        return [
            (read, span.clip(window))
            for span, read in zip(self.spans(axis), self.reads(axis), strict=True)
            if span.start < window.stop and span.stop > window.start
        ]

    def nearest(self, window: Box) -> tuple[int, ...]:
        """Return the numbers of the tiles whose zones meet `window`, those nearest to its middle first.

        Distances are those of the zones' middles, in pixels. Other tiles are not looked at.
        """
        near: list[tuple[int, int]] = [(0, 0)]
        for axis, (side, length) in enumerate(zip(window, self.grid, strict=True)):
            places = self._distances(axis, side)
            near = [(far + d * d, number * length + n) for far, number in near for n, d in places]
        return tuple(number for _, number in sorted(near))

    def _distances(self, axis: int, window: Interval) -> list[tuple[int, int]]:
        """Return places along an axis whose zones meet `window`, with twice their distance to its middle."""
        region, size = self.region[axis], self.zone[axis]
        start, stop = max(window.start, region.start), min(window.stop, region.stop)
        if start >= stop:
            return []
        first = region.start // self.factor[axis] * self.factor[axis]
        middle = window.start + window.stop
        ends = ((n, first + n * size) for n in range((start - first) // size, (stop - 1 - first) // size + 1))
        return [(n, max(at, region.start) + min(at + size, region.stop) - middle) for n, at in ends]

    def at(self, point: tuple[int, ...]) -> int | None:
        """Return the number of the tile whose zone holds the pixel `point`, None outside the region."""
        number = 0
        for axis, position in enumerate(point):
            region, first = (
                self.region[axis],
                self.region[axis].start // self.factor[axis] * self.factor[axis],
            )
            if not region.start <= position < region.stop:
                return None
            number = number * self.grid[axis] + (position - first) // self.zone[axis]
        return number


def tile_around(span: Interval, factor: int, radius: int, length: int) -> Interval:
    """Return what the usual tiling reads for a zone along an axis of `length` px.

    The zone with `radius` on both sides, clipped to the axis. Where the axis is a multiple of F, a network
    may take multiples only, so where the radius is none, the tile goes on after its end, beyond the image's
    if need be (it is reflected there).

    >>> tile_around(Interval(320, 640), 16, 96, 2048), tile_around(Interval(320, 640), 16, 90, 2048)
    (Interval(start=224, stop=736), Interval(start=230, stop=742))
    >>> tile_around(Interval(1920, 2041), 16, 96, 2041)
    Interval(start=1824, stop=2041)
    """
    inside = span.round_out(factor).grow(radius, radius).clip(Interval(0, length))
    if inside.stop == length and length % factor:
        return inside
    return Interval(inside.start, inside.start + round_up(len(inside), factor))


def split_zone(zone: Box, size: tuple[int, ...], factor: tuple[int, ...]) -> tuple[Box, ...]:
    """Cut one zone into pieces of at most `size`, again on multiples of F."""
    shape = tuple(interval.stop for interval in zone)
    pieces = Tiling(shape, factor, size, (0,) * len(shape), region=zone)
    return tuple(tile.zone for tile in pieces)


def check_region(region: Box, shape: Sequence[int]) -> None:
    """Raise ValueError where a region has not the axes of an image of this shape, or does not lie in it."""
    if len(region) != len(shape):
        have = counted(len(shape), "axis", "axes")
        raise ValueError(
            f"a region of {spans(region)} does not fit an image of {have}: give start and stop for each"
        )
    for axis, (interval, length) in enumerate(zip(region, shape, strict=True)):
        check_inside(axis, interval, length)


def check_inside(axis: int, interval: Interval, length: int) -> None:
    """Raise ValueError where a region does not lie in the image along one axis, or is empty."""
    if not 0 <= interval.start < interval.stop <= length:
        raise ValueError(
            f"the region {interval.start}..{interval.stop} along axis {axis} does not lie in the image, "
            f"which has {length} px there: choose one that does"
        )


def zone_of_tile(tile: tuple[int, ...], radius: tuple[int, ...], factor: tuple[int, ...]) -> tuple[int, ...]:
    """Return the ZoR of a tile: `ZoR = TileSize - 2 * Radius`, rounded down to multiples of F.

    Raises ValueError where nothing is left, naming the smallest tile that works.
    """
    zone = tuple((t - 2 * r) // f * f for t, r, f in zip(tile, radius, factor, strict=True))
    if min(zone) < 1:
        smallest = max(2 * r + f for r, f in zip(radius, factor, strict=True))
        raise ValueError(
            f"a tile of {min(tile)} px is too small: the context takes {max(radius)} px on every "
            f"side, so the smallest tile is {smallest} px"
        )
    return zone
