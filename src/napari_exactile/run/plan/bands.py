"""Bands: the zones that are computed one after the other, by one worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from napari_exactile.geometry.interval import Box, Interval, box_shape
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.network.skewed.course import FAST, FRUGAL, Thrift

PartOf = Callable[[Box], Box | None]


@dataclass(frozen=True, slots=True)
class Walked:
    """A region is walked along `axis`, in bands of `band` pixels along each axis: multiples of the zone.

    With `frugal`, it takes less memory and more time.
    """

    axis: int
    band: tuple[int, ...]
    frugal: bool = False

    @classmethod
    def along(cls, region: Box, band: tuple[int, ...], frugal: bool = False) -> Walked:
        """Return the walk along the longest axis of a region, the first of those."""
        sides = box_shape(region)
        return cls(sides.index(max(sides)), band, frugal)

    @property
    def said(self) -> tuple[tuple[int, ...], bool]:
        """The band and whether it is frugal: what `along` makes it of, beside the region."""
        return self.band, self.frugal

    @property
    def thrift(self) -> Thrift:
        """How memory is weighed against time."""
        return FRUGAL if self.frugal else FAST

    def zones(self, tiling: Tiling) -> tuple[int, ...]:
        """Return the zones of a band along each axis."""
        return tuple(length // zone for length, zone in zip(self.band, tiling.zone, strict=True))

    def bands(self, tiling: Tiling) -> Tiling:
        """Return the bands as if they were zones: number by number, they are those of `Bands`."""
        return replace(tiling, zone=self.band)


@dataclass(frozen=True, slots=True)
class Band:
    """Numbers of tiles that are computed in this order."""

    number: int
    tiles: tuple[int, ...]

    def without(self, done: Callable[[int], bool]) -> Band:
        """Return what is left of it."""
        return replace(self, tiles=tuple(tile for tile in self.tiles if not done(tile)))


class Bands:
    """The bands of a tiling, with a length: each has the zones of one shard, and each zone is in one band.

    `part` gives the box of the labels that belongs to a box of the image, `labels` their shape, and `shard`
    the shape of a shard: the bands follow from these alone. Without shards, and where zones reach over them,
    as in a region that does not begin on a multiple of F, each zone is a band. With `walked`, the zones along
    each axis of bands that are walked, the longest axis first, these are the bands.

    >>> tiling = Tiling((64, 96), (16, 16), (32, 32), (0, 0))
    >>> bands = Bands(tiling, lambda zone: zone, (64, 96), (64, 64))
    >>> len(bands), bands.band(0).tiles, bands.band(1).tiles, bands.of_tile(5)
    (2, (0, 1, 3, 4), (2, 5), 1)
    """

    def __init__(
        self, tiling: Tiling, part: PartOf, labels: tuple[int, ...],
        shard: tuple[int, ...] | None = None, walked: Walked | None = None,
    ) -> None:  # fmt: skip
        self._grid, self._count = tiling.grid, len(tiling)
        self._first = 0 if walked is None else walked.axis
        self._axes: tuple[tuple[range, ...], ...] | None = None
        if walked is not None:
            self._axes = tuple(map(_groups, tiling.grid, walked.zones(tiling)))
        elif shard is not None:
            self._axes = _axes(tiling, part, labels, shard)
        self._shape = () if self._axes is None else tuple(map(len, self._axes))
        self._known: dict[int, int] = {}

    def __len__(self) -> int:
        return self._count if self._axes is None else prod(self._shape)

    def band(self, number: int) -> Band:
        """Return one band by its number, without making the others."""
        if self._axes is None:
            return Band(number, (number,))
        places = zip(self._axes, _places(number, self._shape), strict=True)
        tiles = list(product(*(spans[place] for spans, place in places)))
        if self._first:  # zones along it are done one after the other
            tiles.sort(key=lambda tile: tile[self._first])
        return Band(number, tuple(_number(tile, self._grid) for tile in tiles))

    def of_tile(self, index: int) -> int:
        """Return the number of the band that a tile is in; what was asked once is known."""
        if self._axes is None:
            return index
        if index not in self._known:
            spans = zip(self._axes, _places(index, self._grid), strict=True)
            places = [next(n for n, inside in enumerate(axis) if span in inside) for axis, span in spans]
            self._known[index] = _number(places, self._shape)
        return self._known[index]


def _groups(zones: int, together: int) -> tuple[range, ...]:
    """Return the places of so many zones, so many of them together."""
    return tuple(range(start, min(start + together, zones)) for start in range(0, zones, together))


def _axes(
    tiling: Tiling, part: PartOf, labels: tuple[int, ...], shard: tuple[int, ...]
) -> tuple[tuple[range, ...], ...] | None:
    """Return the spans of each axis in the shards along it; None where some reach over a shard."""
    found = [_spans(_parts(tiling, part, axis), length, shard[axis]) for axis, length in enumerate(labels)]
    whole = [spans for spans in found if spans is not None]
    return tuple(whole) if len(whole) == len(found) else None


def _spans(parts: Sequence[Interval | None], length: int, shard: int) -> tuple[range, ...] | None:
    """Return what spans of the tiling lie in each shard along an axis of so many labels."""
    places, last = list[int](), 0
    for part in parts:
        if part is not None:
            last = part.start // shard
            if (part.stop - 1) // shard != last:
                return None
        places.append(last)  # a span without labels is computed with the one before it
    starts = [places.index(place) for place in range(-(-length // shard))]
    return tuple(range(start, stop) for start, stop in zip(starts, [*starts[1:], len(places)], strict=True))


def _parts(tiling: Tiling, part: PartOf, axis: int) -> list[Interval | None]:
    """Return what belongs to each span of one axis; the parts of a box are made axis by axis."""
    region, found = tiling.region, list[Interval | None]()
    for span in tiling.spans(axis):
        box = part((*region[:axis], span, *region[axis + 1 :]))
        found.append(None if box is None else box[axis])
    return found


def _places(number: int, shape: Sequence[int]) -> tuple[int, ...]:
    places, rest = list[int](), number
    for length in reversed(shape):
        rest, place = divmod(rest, length)
        places.append(place)
    return tuple(reversed(places))


def _number(places: Sequence[int], shape: Sequence[int]) -> int:
    number = 0
    for place, length in zip(places, shape, strict=True):
        number = number * length + place
    return number
