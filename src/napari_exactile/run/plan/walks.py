"""Choose the bands that a region is walked in, as few as the memory allows, and count what they compute."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from napari_exactile.geometry.interval import Box, box_shape, round_up
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.network.cost.arithmetic import work_trimmed, work_whole
from napari_exactile.network.cost.passes import Pass, Schedule
from napari_exactile.network.cost.walking import peak_walked
from napari_exactile.network.derived import Derived
from napari_exactile.run.plan.automatic import predicted_bytes
from napari_exactile.run.plan.bands import Walked
from napari_exactile.run.plan.methods import TRIMMED, Method

# What all bands of a region may compute again, as a share of what they compute: whoever is killed begins a
# band again, so that shorter bands lose less. Of bands that would have less than so many
# multiply-accumulates, some ten seconds of a CPU, there is one.
AGAIN, BAND_WORK = 0.015, 2e12
# With short bands, labels come soon wherever they are wanted: some seconds of work, for a tenth more of it.
SHORT_AGAIN, SHORT_WORK = 0.1, 1e11
# Where zones need not be the fastest, as of what is walked: these have good chunks and shards. Rows of the
# shorter ones come sooner.
ZONE, SHORT_ZONE = 512, 256


def good_zones(region: Box, factor: tuple[int, ...], short: bool = False) -> Iterator[tuple[int, ...]]:
    """Yield zones that share out a region evenly, about as large as chunks and shards should be, and smaller
    ones."""
    size = SHORT_ZONE if short else ZONE
    while size > max(factor):
        sides = zip(box_shape(region), factor, strict=True)
        yield tuple(round_up(-(-length // max(1, round(length / size))), f) for length, f in sides)
        size //= 2
    yield factor


def walk_of(
    analysis: Derived, tiling: Tiling, last: Pass, memory: int | None, waiting: int, short: bool = False
) -> Walked | None:
    """Return the bands for these zones: as long as needed, and as wide as fits `memory` beside `waiting`.

    None where not even a column of single zones fits. `short` ones are squares, beside which a zone by itself
    may be computed: one that somebody looks at.
    """
    if short:
        waiting += predicted_bytes(analysis.bound, tiling.zone, tiling.radius, TRIMMED)
    for columns in _columns(tiling):
        walked = _long_enough(analysis, tiling, columns)
        if short:
            walked = _small_enough(analysis, tiling, walked)
        for one in (walked, replace(walked, frugal=True)):
            if memory is None or peak_of(analysis, tiling, one, last) + waiting <= memory:
                return one
    return None


def surveyed_in(analysis: Derived, schedule: Schedule, memory: int | None, waiting: int) -> Walked | None:
    """Return the bands in which all passes over the whole image fit `memory` beside `waiting`: the widest.

    None where there is no such pass, or not even a column of F fits.
    """
    tiling = everywhere(analysis, analysis.factor)
    for columns in _columns(tiling) if schedule.surveys else ():
        for frugal in (False, True):
            walked = Walked.along(tiling.region, columns, frugal)
            peaks = (peak_of(analysis, tiling, walked, one) for one in schedule.surveys)
            if memory is None or all(peak + waiting <= memory for peak in peaks):
                return walked
    return None


def everywhere(analysis: Derived, zone: tuple[int, ...]) -> Tiling:
    """Return the zones of passes over the image: of all of it, whatever the region of the labels."""
    seen = analysis.frame.taken
    return Tiling(seen, analysis.factor, zone, (0,) * len(seen), padded_shape=seen)


def peak_of(analysis: Derived, tiling: Tiling, walked: Walked, last: Pass) -> int:
    """Return the most bytes that walking a band holds, away from the image's edges."""
    bands = walked.bands(tiling)
    middle = bands.tile(len(bands) // 2).zone
    return peak_walked(analysis.bound, walked.axis, middle, last.results, last.given, walked.thrift)


def _columns(tiling: Tiling) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of bands, the whole region first, halved again and again across the walk."""
    axis = Walked.along(tiling.region, tiling.zone).axis
    zones = list(tiling.grid)
    while True:
        yield tuple(n * z for n, z in zip(zones, tiling.zone, strict=True))
        others = [a for a in range(len(zones)) if a != axis and zones[a] > 1]
        if not others:
            return
        widest = max(others, key=lambda a: zones[a] * tiling.zone[a])
        zones[widest] = -(-zones[widest] // 2)


def _long_enough(analysis: Derived, tiling: Tiling, band: tuple[int, ...]) -> Walked:
    """Return the shortest bands that are worth it and compute little again that one band does not."""
    whole = Walked.along(tiling.region, band)
    axis, length = whole.axis, tiling.zone[whole.axis]
    least = _work(analysis, tiling, whole)
    while length < band[axis]:
        shorter = replace(whole, band=(*band[:axis], length, *band[axis + 1 :]))
        enough = least * length / len(tiling.region[axis]) >= BAND_WORK
        if enough and _work(analysis, tiling, shorter) <= (1 + AGAIN) * least:
            return shorter
        length *= 2
    return whole


def _small_enough(analysis: Derived, tiling: Tiling, most: Walked) -> Walked:
    """Return the most square bands inside the given ones that are worth it and do not compute too much again.

    They share out the region evenly: a narrow one at its end would be mostly context.
    """
    region = tuple(map(round_up, box_shape(tiling.region), tiling.zone))
    whole = _work(analysis, tiling, replace(most, band=region))

    def shared(parts: int) -> Walked:
        sides = zip(region, tiling.zone, strict=True)
        squares = (round_up(ceil(n / max(1, round(n * parts / max(region)))), z) for n, z in sides)
        return replace(most, band=tuple(map(min, most.band, squares)))

    def good(parts: int) -> bool:
        walked = shared(parts)
        enough = whole >= SHORT_WORK * len(walked.bands(tiling))
        return enough and _work(analysis, tiling, walked) <= (1 + SHORT_AGAIN) * whole

    parts = bisect_left(range(2, max(tiling.grid) + 1), True, key=lambda one: not good(one)) + 1
    return shared(parts) if parts > 1 else most


def _work(analysis: Derived, tiling: Tiling, walked: Walked) -> float:
    bands = walked.bands(tiling)
    return work_trimmed(analysis.bound, [bands.spans(axis) for axis in range(len(tiling.shape))])


def redundancy(
    analysis: Derived, tiling: Tiling, region: Box, method: Method, schedule: Schedule,
    walked: Walked | None = None, surveyed: Walked | None = None,
) -> float:  # fmt: skip
    """Return the multiply-accumulates relative to one pass over the region that was asked for."""
    whole = work_whole(analysis.bound)
    if not whole:
        return 1.0  # such a network multiplies nothing
    for side, length in zip(region, tiling.padded_shape, strict=True):
        whole *= len(side) / length
    if not schedule.surveys:
        bands = tiling if walked is None else walked.bands(tiling)
        return method.work(analysis.bound, bands) / whole
    return sum(work_of_passes(analysis, tiling, schedule, walked, surveyed)) / whole


def work_of_passes(
    analysis: Derived, tiling: Tiling, schedule: Schedule, walked: Walked | None = None,
    surveyed: Walked | None = None,
) -> list[float]:  # fmt: skip
    """Return the multiply-accumulates of each pass, the one that gives the labels last."""
    axes, zones = range(len(tiling.shape)), everywhere(analysis, surveyed.band if surveyed else tiling.zone)
    work, spans = analysis.passes.work_of, [zones.spans(axis) for axis in axes]
    surveys = [work(one, spans) for one in schedule.surveys]
    last = tiling if walked is None else walked.bands(tiling)
    return [*surveys, work(schedule.last, [last.spans(axis) for axis in axes])]
