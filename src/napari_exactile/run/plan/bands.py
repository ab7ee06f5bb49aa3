"""Bands: the zones that one worker computes in order, and the labels that it alone writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from math import prod

from napari_exactile.geometry.interval import Box, Interval, hull
from napari_exactile.geometry.tiling import Tiling

PartOf = Callable[[Box], Box | None]


@dataclass(frozen=True, slots=True)
class Band:
    """Numbers of tiles that are computed in this order, and the box of the labels that the band `owns`.

    A zone that reaches into another band's box is in both, and each writes its own part of it.
    """

    number: int
    tiles: tuple[int, ...]
    owns: Box

    def without(self, done: Callable[[int], bool]) -> Band:
        """Return what is left of it."""
        return replace(self, tiles=tuple(tile for tile in self.tiles if not done(tile)))


class Bands:
    """The bands of a tiling, with a length: what each owns partitions the labels into whole shards.

    `part` gives the box of the labels that belongs to a box of the image, `labels` their shape, and `shard`
    the shape of a shard: the bands follow from these alone. Without shards, each zone is a band.

    >>> tiling = Tiling((64, 96), (16, 16), (32, 32), (0, 0))
    >>> bands = Bands(tiling, lambda zone: zone, (64, 96), (64, 64))
    >>> len(bands), bands.band(0).tiles, bands.band(1).tiles, bands.of_tile(5)
    (2, (0, 1, 3, 4), (2, 5), (1,))
    """

    def __init__(
        self, tiling: Tiling, part: PartOf, labels: tuple[int, ...], shard: tuple[int, ...] | None = None
    ) -> None:
        self.tiling = tiling
        self._grid = tiling.grid
        self._axes = tuple(
            _Axis.of(_parts(tiling, part, axis), length, None if shard is None else shard[axis])
            for axis, length in enumerate(labels)
        )
        self._shape = tuple(len(axis.owned) for axis in self._axes)

    def __len__(self) -> int:
        return prod(self._shape)

    def __iter__(self) -> Iterator[Band]:
        return map(self.band, range(len(self)))

    def band(self, number: int) -> Band:
        """Return one band by its number, without making the others."""
        places = _places(number, self._shape)
        pairs = list(zip(self._axes, places, strict=True))
        tiles = product(*(axis.spans[place] for axis, place in pairs))
        numbers = tuple(_number(tile, self._grid) for tile in tiles)
        return Band(number, numbers, tuple(axis.owned[place] for axis, place in pairs))

    def of_tile(self, index: int) -> tuple[int, ...]:
        """Return the numbers of the bands that a tile is in: one, unless its zone reaches over a shard."""
        spans = _places(index, self._grid)
        places = product(*(axis.places[span] for axis, span in zip(self._axes, spans, strict=True)))
        return tuple(_number(place, self._shape) for place in places)

    @property
    def overlap(self) -> bool:
        """Whether some tile is in several bands."""
        return any(len(places) > 1 for axis in self._axes for places in axis.places)

    def computed(self, cut: Callable[[Box, Box], Box]) -> Tiling:
        """Return the tiling as it is computed, where `cut` gives what a band computes of a zone.

        What several bands compute of a zone is in it once for each.
        """
        axes = range(len(self._axes))
        return _Computed(
            **{each.name: getattr(self.tiling, each.name) for each in fields(self.tiling)},
            every=tuple(tuple(self._spans(axis, cut)) for axis in axes),
        )

    def _spans(self, axis: int, cut: Callable[[Box, Box], Box]) -> Iterator[Interval]:
        here, region = self.tiling.spans(axis), self.tiling.region
        others = [hull(one.owned) for one in self._axes]
        for owned, spans in zip(self._axes[axis].owned, self._axes[axis].spans, strict=True):
            owns = (*others[:axis], owned, *others[axis + 1 :])
            for span in spans:
                yield cut((*region[:axis], here[span], *region[axis + 1 :]), owns)[axis]


@dataclass(frozen=True, slots=True)
class _Computed(Tiling):
    """A tiling whose spans are given, and need not partition anything."""

    every: tuple[tuple[Interval, ...], ...] = ()

    def spans(self, axis: int) -> tuple[Interval, ...]:
        """Return the intervals along one axis."""
        return self.every[axis]


@dataclass(frozen=True, slots=True)
class _Axis:
    """The bands along one axis: what each owns, the spans in it; and of each span, what bands it is in."""

    owned: tuple[Interval, ...]
    spans: tuple[tuple[int, ...], ...]
    places: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, parts: Sequence[Interval | None], length: int, shard: int | None) -> _Axis:
        """Return the bands along an axis of so many labels, given what belongs to each span of the tiling."""
        if shard is None:
            each = tuple((number,) for number in range(len(parts)))
            return cls(tuple(part or Interval(0, length) for part in parts), each, each)
        starts = range(0, length, shard)
        owned = tuple(Interval(start, min(start + shard, length)) for start in starts)
        places, last = list[tuple[int, ...]](), 0
        for part in parts:
            # A span without labels has to be told as done by somebody: by the band of the span before it.
            here = range(part.start // shard, (part.stop - 1) // shard + 1) if part else range(last, last + 1)
            places.append(tuple(here))
            last = here[-1]
        spans = [
            tuple(span for span, here in enumerate(places) if place in here) for place in range(len(owned))
        ]
        return cls(owned, tuple(spans), tuple(places))


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
