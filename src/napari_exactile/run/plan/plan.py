"""From an analysis and a tile size to a plan: which zones, from which tiles, at what cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, prod
from typing import Literal, get_args

from napari_exactile.geometry.interval import Box, box_shape, full_box, round_up
from napari_exactile.geometry.tiling import Tile, Tiling, check_region, zone_of_tile
from napari_exactile.geometry.words import spans
from napari_exactile.network.analysis import Analysis, require_derived
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cost.passes import Schedule
from napari_exactile.network.derived import Derived
from napari_exactile.run.plan import given
from napari_exactile.run.plan.ahead import AHEAD, BEHIND
from napari_exactile.run.plan.automatic import SPEEDS, Speed, cheapest, predicted_bytes, zone_cost
from napari_exactile.run.plan.bands import Walked
from napari_exactile.run.plan.methods import SKEWED, TRIMMED, Method, method_of
from napari_exactile.run.plan.settings import MethodName
from napari_exactile.run.plan.walks import (
    AGAIN,
    SHORT_AGAIN,
    everywhere,
    good_zones,
    peak_of,
    redundancy,
    surveyed_in,
    walk_of,
)  # fmt: skip

# Where pieces need not be the fastest: larger ones compute less again, smaller ones need less memory.
COMFORTABLE_ZONE = 512
TOO_LITTLE = 'the method "skewed" needs more memory than there is for this image: choose "trimmed"'
# What a walk computes of what trimmed zones do, at most, where it is chosen on a GPU.
WORTH = 0.8


@dataclass(frozen=True, slots=True)
class Plan:
    """Zones that partition the region, each with its tile; iterable again and again, with a length.

    `required_radius` is what the network needs (empty: no radius is enough), `redundancy` the
    multiply-accumulates relative to one pass over the region (1.0 is the least possible), `peak_bytes` the
    predicted memory of the largest tile (0: it cannot be predicted).
    `automatic` says that the tile size was chosen by the program. `schedule` are the passes over the image:
    one, or more where operators look at all of it, whose cost `redundancy` counts too. `walked` are the bands
    of the method "skewed", `surveyed` those of the passes before the last.

    >>> import napari_exactile as ex
    >>> plan = ex.plan_tiles(ex.analyse("colonies-demo", (1024, 1024)), tile=512)
    >>> len(plan), plan.zor, plan.radius, plan.exact
    (16, (320, 320), (96, 96), True)
    >>> [tile.index for tile in plan][:3]
    [0, 1, 2]
    """

    tiling: Tiling
    method: Method
    required_radius: tuple[int, ...]
    redundancy: float
    peak_bytes: int
    automatic: bool
    schedule: Schedule
    walked: Walked | None = None
    surveyed: Walked | None = None

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
    def approximate(self) -> bool:
        """Whether the model cannot be exact, and is run with a radius that a person chose."""
        return not self.method.exact

    @property
    def exact(self) -> bool:
        """Whether the labels are those of one pass over the whole image."""
        if self.approximate:
            return False
        pairs = zip(self.radius, self.required_radius, strict=True)
        return all(radius >= required for radius, required in pairs)


def plan_tiles(  # noqa: PLR0913, PLR0917  (each is one choice)
    analysis: Analysis,
    tile: int | Literal["auto"] = "auto",
    radius: int | Literal["auto"] | None = None,
    method: MethodName = "auto",
    region: Box | None = None,
    memory: int | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    scratch: int = 0,
    stream: bool = False,
) -> Plan:
    """Return the plan of a tile size, in pixels and rounded down to multiples of F.

    `radius` None or "auto" is what the network needs; an automatic tile is the one that takes the least
    predicted time on this kind of `device` within `memory` bytes. `scratch` bytes may be kept between passes
    over the image; with `stream`, bands of the method "skewed" are short. Raises
    NotExactError where the network is refused, and ValueError for a tile without a zone or for an undersized
    radius, which only the method "whole-tile" takes.

    >>> import napari_exactile as ex
    >>> analysis = ex.analyse("colonies-demo", (1024, 1024))
    >>> ex.plan_tiles(analysis, tile=500).tile, ex.plan_tiles(analysis, tile=500).exact
    ((496, 496), True)
    >>> ex.plan_tiles(analysis, tile=500, radius=16, method="whole-tile").exact
    False
    """
    if not isinstance(analysis, Analysis):
        raise ValueError(f"tiles are planned for what analyse() returns, not {analysis!r}: call it first")
    scratch = given.whole("the scratch limit", scratch)
    given.choice("method", method, get_args(MethodName))
    tile, memory = given.pixels("a tile", tile), given.amount("the memory", memory)
    radius = None if radius is None else given.pixels("a radius", radius)
    how, region = method_of(method), given.box(region)
    derived = how.analysis(require_derived(analysis))
    factor, required = derived.factor, derived.radius
    chosen = required if radius is None or radius == "auto" else tuple(round_up(radius, f) for f in factor)
    how.refuse(derived, chosen)
    asked = region or full_box(derived.shape)
    region = _with_output(derived, asked)
    whole = Tiling(derived.shape, factor, factor, chosen, region, derived.frame.taken)
    typed = None if tile == "auto" else zone_of_tile((tile,) * len(chosen), chosen, factor)
    schedule, speed = derived.passes.within(scratch), SPEEDS[device]
    choosing = _Choosing(derived, whole, asked, typed, schedule, memory, speed, stream)
    return choosing.better(device) if method == "auto" else choosing.by(how)


@dataclass(frozen=True, slots=True)
class _Choosing:
    """What plans are chosen by: the `asked` region, and the zone that was `typed`, if one was."""

    analysis: Derived
    whole: Tiling
    asked: Box
    typed: tuple[int, ...] | None
    schedule: Schedule
    memory: int | None
    speed: Speed
    stream: bool

    def better(self, device: str) -> Plan:
        """Return the walk where there is one that computes no more than trimmed zones, or else these.

        What its bands may compute again does not count: it saves looking for the best zones, which takes long
        for large networks. On GPUs, nobody has measured walks: they have to save a fifth of the arithmetic.
        """
        try:
            walked = self.by(SKEWED)
        except ValueError:  # for want of memory
            return self.by(TRIMMED)
        worth = 1.0 if device == "cpu" else WORTH
        if walked.redundancy <= worth * (1 + (SHORT_AGAIN if self.stream else AGAIN)):
            return walked
        trimmed = self.by(TRIMMED)
        return walked if walked.redundancy <= worth * trimmed.redundancy else trimmed

    def by(self, how: Method) -> Plan:
        """Return the plan of a method."""
        automatic, schedule = self.typed is None, self.schedule
        if not how.walks:
            return planned(self.analysis, self._zones(how), self.asked, how, schedule, automatic)
        tiling, walked = self._walked()
        surveyed = self._surveyed()
        return planned(self.analysis, tiling, self.asked, how, schedule, automatic, walked, surveyed)

    def _zones(self, how: Method) -> Tiling:
        zone = self.typed or _automatic_zone(self.analysis, self.whole, how, self.memory, self.speed)
        return replace(self.whole, zone=zone)

    def _walked(self) -> tuple[Tiling, Walked]:
        """Return the zones that were typed, or the largest good ones, with bands that fit the memory."""
        bound, last = self.analysis.bound, self.schedule.last
        region, factor = self.whole.region, self.whole.factor
        for zone in [self.typed] if self.typed else good_zones(region, factor, self.stream):
            tiling = replace(self.whole, zone=zone)
            waiting = _waiting_bytes(bound, zone, self.whole.radius)
            if walked := walk_of(self.analysis, tiling, last, self.memory, waiting, self.stream):
                return tiling, walked
        raise ValueError(TOO_LITTLE)

    def _surveyed(self) -> Walked | None:
        """Return the bands of the passes over the image, if there are such."""
        waiting = _waiting_bytes(self.analysis.bound, self.whole.factor, self.whole.radius)
        found = surveyed_in(self.analysis, self.schedule, self.memory, waiting)
        if found is None and self.schedule.surveys:
            raise ValueError(TOO_LITTLE)
        return found


def planned(
    analysis: Derived, tiling: Tiling, asked: Box, how: Method, schedule: Schedule, automatic: bool,
    walked: Walked | None = None, surveyed: Walked | None = None,
) -> Plan:  # fmt: skip
    """Return the plan of zones, passes and bands that are chosen, with what it costs."""
    cost = redundancy(analysis, tiling, asked, how, schedule, walked, surveyed)
    if walked is None:
        peak = predicted_bytes(analysis.bound, tiling.zone, tiling.radius, how)
    else:
        peak = peak_of(analysis, tiling, walked, schedule.last)
    if surveyed is not None:
        whole = everywhere(analysis, tiling.factor)
        peak = max(peak, *(peak_of(analysis, whole, surveyed, one) for one in schedule.surveys))
    return Plan(tiling, how, analysis.radius, cost, peak, automatic, schedule, walked, surveyed)


def largest_tile(bound: BoundGraph, radius: tuple[int, ...], method: Method, memory: int) -> int | None:
    """Return the largest square tile whose predicted memory is at most `memory`; None where none fits."""
    zones = _zone_sizes(bound, max(bound.graph.spatial_shape(0)))
    fits = [z for z in zones if predicted_bytes(bound, (z,) * len(radius), radius, method) <= memory]
    return fits[0] + 2 * max(radius) if fits else None


def _automatic_zone(
    analysis: Derived, tiling: Tiling, method: Method, memory: int | None, speed: Speed
) -> tuple[int, ...]:
    """Return the zone that takes the least predicted time within the memory; a single F where none fits."""
    bound = analysis.bound

    def seconds(zone: tuple[int, ...]) -> float:
        tiles = replace(tiling, zone=zone)
        peak, work = zone_cost(analysis, tiles, method)
        fits = memory is None or peak + _waiting_bytes(bound, zone, tiling.radius) <= memory
        return speed.seconds(work, peak, len(tiles)) if fits else inf

    return cheapest(box_shape(tiling.region), bound.factor, seconds) or bound.factor


def _waiting_bytes(bound: BoundGraph, zone: tuple[int, ...], radius: tuple[int, ...]) -> int:
    """Return what is read ahead of a tile and waits to be written after others, at most."""
    image, output = bound.graph.nodes[0], bound.graph.nodes[bound.graph.output]
    tile = prod(z + 2 * r for z, r in zip(zone, radius, strict=True))
    read, written = tile * image.shape[1] * image.dtype.itemsize, prod(zone) * output.shape[1] * 4
    return AHEAD * read + BEHIND * written


def _zone_sizes(bound: BoundGraph, largest: int) -> list[int]:
    """Return square zone sizes, falling by about a quarter, all multiples of F."""
    step = max(bound.factor)
    sizes, size = [], round_up(largest, step)
    while size > step:
        sizes.append(size)
        size = max(step, size * 3 // 4 // step * step)
    return [*sizes, step]


def _with_output(analysis: Derived, region: Box) -> Box:
    """Return the part of a region for which there is an output; raise ValueError where there is none."""
    check_region(region, analysis.shape)
    covered = analysis.grid.covered
    if analysis.part(region) is None:
        there = spans(covered)
        raise ValueError(
            f"the network gives no output for that region of the image, only in {there} px: choose a region "
            "there"
        )
    return tuple(side.clip(inside) for side, inside in zip(region, covered, strict=True))
