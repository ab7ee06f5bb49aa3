"""Random windows of finished labels, computed again on a path that shares as little as possible with the run.

A crop of the image with more context than the network needs goes through the unchanged network in one plain
pass: no trimmed boxes, no tiles of the plan, nothing that was gathered or kept during the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval, box_shape, full_box, moved, round_up, slices
from napari_exactile.geometry.tiling import tile_around
from napari_exactile.network.cost.memory import peak_whole_tile
from napari_exactile.network.placed import only_resizes, resizing_as_in_whole
from napari_exactile.run.check.metrics import gap
from napari_exactile.run.engine.events import Checking, Event, checker
from napari_exactile.run.engine.local.checked import SpotCheck, Window
from napari_exactile.run.engine.local.decision import Decision
from napari_exactile.run.engine.local.executor import Check, Executor
from napari_exactile.run.engine.local.job import IsCancelled, Job
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.devices import memory_budget
from napari_exactile.torch_state import exact_arithmetic, exactly

Read = Callable[[tuple[int, ...], Box], NDArray[Any]]

WINDOWS = 8
# Sides of windows by the number of axes, in pixels: context costs more than they do.
SIDES = {1: 1024, 2: 64, 3: 32}
# What a check at the end of a run may cost, as a share of its pixels, and up to how many pixels it may send
# the whole image through the network where a crop would prove nothing.
SHARE, SMALL = 0.05, 2**18
CROPS = "crops of the image with more context than the network needs, in one pass of the unchanged network"
RESIZED = f"{CROPS}, whose resizings go by index tables of the whole image"
WHOLE = "one pass of the unchanged network over the whole image"


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """Finished labels and what computes them again.

    `read` gives the labels ([channels,] *box) in a box of a plane. `indices` are the planes in the stack,
    `done` the finished tiles of as many of them as have been begun, and `job` gives that of a plane, its
    image measured.
    """

    read: Read
    indices: Sequence[tuple[int, ...]]
    done: Sequence[Collection[int]]
    job: Callable[[int], Job]

    @classmethod
    def of(cls, series: Series, read: Read) -> Finished:
        """Return what a series has finished."""
        done = [job.done for job in series.jobs]
        return cls(read, series.planes.indices, done, lambda number: series.jobs[number])


def check_of_run(
    series: Series, read: Read, windows: int, seed: int, is_cancelled: IsCancelled
) -> Generator[Event, None, SpotCheck]:
    """Check at most so many windows of a run, at a few per cent of its cost; raises Cancelled."""
    job = series.job
    pixels = prod(box_shape(job.plan.tiling.region)) * len(series.planes.indices)
    count = max(1, min(windows, int(SHARE * pixels / _cost(job))))
    return (yield from check_windows(Finished.of(series, read), count, seed, is_cancelled, SMALL))


def _cost(job: Job) -> int:
    """Return the pixels that go through the network for one window: the trimmed way takes a crop, too."""
    sides = zip(_side(job), job.plan.required_radius, job.plan.factor, _padded(job), strict=False)
    return 2 * prod(min(n + 2 * (r + f), length) for n, r, f, length in sides)


@exactly
def check_windows(
    finished: Finished, count: int, seed: int, is_cancelled: IsCancelled, whole_pixels: int
) -> Generator[Event, None, SpotCheck]:
    """Check at most `count` windows, drawn with `seed`, of labels of at least one finished tile.

    Where a crop of the image would prove nothing, images of up to `whole_pixels` are sent through the network
    as a whole. Raises Cancelled, and what reading and computing raise.
    """
    how, reason = _way(finished.job(0), whole_pixels)
    if reason:
        return SpotCheck(seed, reason=reason)
    drawn = _drawn(finished, count, seed, one_plane=how == WHOLE)
    check, found, plane, again = checker(is_cancelled), [], -1, None
    for done, (number, box) in enumerate(drawn):
        yield Checking(done, len(drawn))
        check()
        if again is None or number != plane:
            plane, again = number, _Again(finished.job(number), how, check)
        found.append(again.compare(box, finished.indices[number], finished.read))
    yield Checking(len(drawn), len(drawn))
    return SpotCheck(seed, how, tuple(found), "" if found else "not possible: no zone is finished")


def _way(job: Job, whole_pixels: int) -> tuple[str, str]:
    """Return how windows of this job can be computed again, or else the reason why they cannot."""
    analysis = job.analysis
    if job.decision.kind == "values":
        return "", "not possible: this model gives values, and there are no labels to compare"
    if job.plan.approximate:
        return "", "not possible: the model cannot be exact, so that no crop gives what one pass would"
    if not analysis.anchors:
        return (CROPS, "") if _side(job) else ("", "not possible: the memory is not enough for a crop")
    if not analysis.statistics and only_resizes(analysis.require()) and _side(job):
        return RESIZED, ""
    everything = full_box(_padded(job))
    if prod(box_shape(everything)) <= whole_pixels and _fits(job, everything):
        return WHOLE, ""
    return "", (
        f"not possible: a crop of the image gives something else ({analysis.anchors[0]}), and one pass over "
        "the whole image is too large for a check"
    )


def _padded(job: Job) -> tuple[int, ...]:
    return job.analysis.padded_shape


def _context(job: Job) -> tuple[int, ...]:
    """Return what crops have around a window: F more than is needed, so that too small a radius shows."""
    return tuple(r + f for r, f in zip(job.plan.required_radius, job.plan.factor, strict=True))


def _crop(job: Job, window: Box) -> Box:
    return tuple(map(tile_around, window, job.plan.factor, _context(job), _padded(job)))


def _fits(job: Job, tile: Box) -> bool:
    memory = job.settings.memory_limit or memory_budget(job.device)
    return peak_whole_tile(job.analysis.require(), tile) <= memory


def _side(job: Job) -> tuple[int, ...]:
    """Return the largest size of windows whose crops fit into the memory; () where none does."""
    if job.plan.approximate:
        return ()
    side = SIDES[len(_padded(job))]
    while True:
        sides = tuple(max(f, side // f * f) for f in job.plan.factor)
        middle = tuple(
            Interval(start, start + n)
            for n, length, f in zip(sides, _padded(job), job.plan.factor, strict=True)
            for start in [max(0, length - n) // 2 // f * f]
        )
        if _fits(job, _crop(job, middle)):
            return sides
        if side <= max(job.plan.factor):
            return ()
        side //= 2


def _drawn(finished: Finished, count: int, seed: int, one_plane: bool) -> list[tuple[int, Box]]:
    """Return the planes and boxes of the image of up to `count` different windows, plane by plane."""
    chance, job = np.random.default_rng(seed), finished.job(0)
    size = _side(job) or job.plan.factor
    begun = [(number, sorted(done)) for number, done in enumerate(finished.done) if done]
    if one_plane and begun:
        begun = [begun[chance.integers(len(begun))]]
    tiles = np.cumsum([len(done) for _, done in begun])
    windows: set[tuple[int, Box]] = set()
    # Small images have fewer windows than were asked for.
    for _ in range(4 * count if begun else 0):
        place = int(chance.integers(tiles[-1]))
        plane = int(np.searchsorted(tiles, place, side="right"))
        number, done = begun[plane]
        tile = done[place - int(tiles[plane])]  # from the end: negative
        window = _window(chance, job, tile, size, whole=len(done) == len(job.plan))
        if job.analysis.part(window) is not None:
            windows.add((number, window))
        if len(windows) == count:
            break
    return sorted(windows)


def _window(chance: np.random.Generator, job: Job, tile: int, size: tuple[int, ...], whole: bool) -> Box:
    """Return a random window that begins in a tile; where all tiles are done, it goes on over its seams.

    It lies on multiples of F, and ends where the image does.
    """
    tiling, zone = job.plan.tiling, job.plan.tiling.tile(tile).zone
    sides = []
    for axis, length in enumerate(size):
        factor, inside = tiling.factor[axis], (tiling.region if whole else zone)[axis]
        starts = range(zone[axis].start // factor * factor, zone[axis].stop, factor)
        last = max(inside.start // factor * factor, round_up(inside.stop - length, factor))
        start = min(starts[int(chance.integers(len(starts)))], last)
        sides.append(Interval(max(start, inside.start), min(start + length, inside.stop)))
    return tuple(sides)


class _Again:
    """Computes windows of one plane once more, in both ways."""

    def __init__(self, job: Job, how: str, check: Check) -> None:
        self._job, self._how, self._check = job, how, check
        self._executor: Executor = job.executor()
        self._whole: torch.Tensor | None = None
        if how == WHOLE:
            with exact_arithmetic():
                image, output = full_box(_padded(job)), full_box(job.analysis.grid.shape)
                self._whole = self._executor.through_network(image, output, check)

    def compare(self, window: Box, plane: tuple[int, ...], read: Read) -> Window:
        """Return how the labels in a window of the image compare."""
        job = self._job
        part = job.analysis.part(window)
        assert part is not None, "windows without labels are not drawn"
        box = moved(part, (-side.start for side in job.labelled))
        kept = read(plane, box)
        with exact_arithmetic():
            other = job.decided(self._scores(window, part), part)
        assert other.labels is not None, "values are not checked"
        chances = other.probabilities.double().cpu().numpy()
        differs = kept != other.labels.cpu().numpy()
        ties = _leads(job.decision, chances)[differs] < job.decision.near_tie
        return Window(
            plane, box, kept.size, int(differs.sum()), int(ties.sum()), *self._apart(window, part, chances)
        )

    def _scores(self, window: Box, part: Box) -> torch.Tensor:
        if self._whole is not None:
            index: Any = (..., *slices(part))
            return self._whole[index]
        crop, bound = _crop(self._job, window), self._job.analysis.require()
        starts = [side.start for side in crop]
        resizing = resizing_as_in_whole(bound, starts) if self._how == RESIZED else None
        return self._executor.through_network(crop, part, self._check, resizing=resizing)

    def _apart(self, window: Box, part: Box, chances: NDArray[np.float64]) -> Iterator[Any]:
        """Yield the number of probabilities, their RMSE and largest difference, if the run's are at hand."""
        job = self._job
        if job.plan.method != "trimmed" or not job.prepared:
            return
        with exact_arithmetic():
            scores = self._executor.scores(window, job.plan.radius, "trimmed", self._check)
            ours = job.decided(scores, part).probabilities.double().cpu().numpy()
        apart = np.abs(ours - chances)
        yield from (apart.size, float(np.sqrt(np.square(apart).mean())), float(apart.max()))


def _leads(decision: Decision, chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much each label leads, in the shape of the labels."""
    if decision.kind != "threshold":
        lead: NDArray[np.float64] = gap(chances)
        return lead
    leads = np.abs(2 * (chances - decision.threshold))
    return leads if decision.leading else leads[0]
