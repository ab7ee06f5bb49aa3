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
from napari_exactile.network.declared import Declared
from napari_exactile.network.derived import Derived
from napari_exactile.network.placed import only_resizes, resizing_as_in_whole
from napari_exactile.run.engine.checked import CheckedWindow, SpotCheck
from napari_exactile.run.engine.door import Known
from napari_exactile.run.engine.events import Checking, Event
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.devices import memory_budget
from napari_exactile.run.plan.methods import TRIMMED
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Check
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
class FinishedLabels:
    """Finished labels and what computes them again.

    `read` gives the labels ([channels,] *box) in a box of a plane. `indices` are the planes in the stack,
    `done` the finished tiles of as many of them as have been begun, and `engine` gives what computes a plane
    here, its image measured.
    """

    read: Read
    indices: Sequence[tuple[int, ...]]
    done: Sequence[Collection[int]]
    engine: Callable[[int], LocalEngine]

    @classmethod
    def of(cls, series: Series, read: Read) -> FinishedLabels:
        """Return what a series has finished."""
        done = [job.done for job in series.jobs]
        return cls(read, series.task.planes.indices, done, lambda number: _local(series.jobs[number], number))


def _local(job: Job, number: int) -> LocalEngine:
    """Return what computes a plane on this computer: what has computed it, if that was here."""
    engine = job.engine
    return (
        engine if isinstance(engine, LocalEngine) else LocalEngine(job.task, number, Known(job.normalization))
    )


def check_of_run(
    series: Series, read: Read, windows: int, seed: int, check: Check
) -> Generator[Event, None, SpotCheck]:
    """Check at most so many windows of a run, at a few per cent of its cost; raises Cancelled."""
    job = series.job
    pixels = prod(box_shape(job.task.plan.tiling.region)) * len(series.task.planes.indices)
    count = max(1, min(windows, int(SHARE * pixels / _cost(series.task))))
    return (yield from check_windows(FinishedLabels.of(series, read), count, seed, check, SMALL))


def _cost(task: Task) -> int:
    """Return the pixels that go through the network for one window: the trimmed way takes a crop, too."""
    sides = zip(_side(task), task.plan.required_radius, task.plan.factor, _padded(task), strict=False)
    return 2 * prod(min(n + 2 * (r + f), length) for n, r, f, length in sides)


@exactly
def check_windows(
    finished: FinishedLabels, count: int, seed: int, check: Check, whole_pixels: int
) -> Generator[Event, None, SpotCheck]:
    """Check at most `count` windows, drawn with `seed`, of labels of at least one finished tile.

    Where a crop of the image would prove nothing, images of up to `whole_pixels` are sent through the network
    as a whole. Raises Cancelled, and what reading and computing raise.
    """
    how, reason = _way(finished.engine(0).task, whole_pixels)
    if reason:
        return SpotCheck(seed, reason=reason)
    drawn = _drawn(finished, count, seed, one_plane=how == WHOLE)
    found, plane, again = [], -1, None
    for done, (number, box) in enumerate(drawn):
        yield Checking(done, len(drawn))
        check()
        if again is None or number != plane:
            plane, again = number, _Again(finished.engine(number), how, check)
        found.append(again.compare(box, finished.indices[number], finished.read))
    yield Checking(len(drawn), len(drawn))
    return SpotCheck(seed, how, tuple(found), "" if found else "not possible: no zone is finished")


def _way(task: Task, whole_pixels: int) -> tuple[str, str]:
    """Return how windows of this task can be computed again, or else the reason why they cannot."""
    analysis = task.analysis
    if not task.decision.labels:
        return "", "not possible: this model gives values, and there are no labels to compare"
    if isinstance(analysis, Declared):
        return "", "not possible: the model cannot be exact, so that no crop gives what one pass would"
    if not analysis.anchors:
        return (CROPS, "") if _side(task) else ("", "not possible: the memory is not enough for a crop")
    if not analysis.statistics and only_resizes(analysis.bound) and _side(task):
        return RESIZED, ""
    everything = full_box(_padded(task))
    if prod(box_shape(everything)) <= whole_pixels and _fits(task, analysis, everything):
        return WHOLE, ""
    return "", (
        f"not possible: a crop of the image gives something else ({analysis.anchors[0]}), and one pass over "
        "the whole image is too large for a check"
    )


def _padded(task: Task) -> tuple[int, ...]:
    return task.analysis.frame.taken


def _context(task: Task) -> tuple[int, ...]:
    """Return what crops have around a window: F more than is needed, so that too small a radius shows."""
    return tuple(r + f for r, f in zip(task.plan.required_radius, task.plan.factor, strict=True))


def _crop(task: Task, window: Box) -> Box:
    return tuple(map(tile_around, window, task.plan.factor, _context(task), _padded(task)))


def _fits(task: Task, analysis: Derived, tile: Box) -> bool:
    memory = task.settings.memory_limit or memory_budget(task.device)
    return peak_whole_tile(analysis.bound, tile) <= memory


def _side(task: Task) -> tuple[int, ...]:
    """Return the largest size of windows whose crops fit into the memory; () where none does."""
    analysis = task.analysis
    if isinstance(analysis, Declared):
        return ()
    side = SIDES[len(_padded(task))]
    while True:
        sides = tuple(max(f, side // f * f) for f in task.plan.factor)
        middle = tuple(
            Interval(start, start + n)
            for n, length, f in zip(sides, _padded(task), task.plan.factor, strict=True)
            for start in [max(0, length - n) // 2 // f * f]
        )
        if _fits(task, analysis, _crop(task, middle)):
            return sides
        if side <= max(task.plan.factor):
            return ()
        side //= 2


def _drawn(finished: FinishedLabels, count: int, seed: int, one_plane: bool) -> list[tuple[int, Box]]:
    """Return the planes and boxes of the image of up to `count` different windows, plane by plane."""
    chance, task = np.random.default_rng(seed), finished.engine(0).task
    size = _side(task) or task.plan.factor
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
        window = _window(chance, task, tile, size, whole=len(done) == len(task.plan))
        if task.analysis.part(window) is not None:
            windows.add((number, window))
        if len(windows) == count:
            break
    return sorted(windows)


def _window(chance: np.random.Generator, task: Task, tile: int, size: tuple[int, ...], whole: bool) -> Box:
    """Return a random window that begins in a tile; where all tiles are done, it goes on over its seams.

    It lies on multiples of F, and ends where the image does.
    """
    tiling, zone = task.plan.tiling, task.plan.tiling.tile(tile).zone
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

    def __init__(self, engine: LocalEngine, how: str, check: Check) -> None:
        self._engine, self._how, self._check = engine, how, check
        self._task = engine.task
        self._executor: Executor = engine.exact_executor()
        self._whole: torch.Tensor | None = None
        if how == WHOLE:
            with exact_arithmetic():
                image, output = full_box(_padded(self._task)), full_box(self._task.analysis.grid.shape)
                self._whole = self._executor.through_network(image, output, check)

    def compare(self, window: Box, plane: tuple[int, ...], read: Read) -> CheckedWindow:
        """Return how the labels in a window of the image compare."""
        task = self._task
        part = task.analysis.part(window)
        assert part is not None, "windows without labels are not drawn"
        box = moved(part, (-side.start for side in task.labelled))
        kept = read(plane, box)
        with exact_arithmetic():
            other = self._engine.decided(self._scores(window, part), part)
        assert other.labels is not None, "values are not checked"
        chances = other.probabilities.double().cpu().numpy()
        differs = kept != other.labels.cpu().numpy()
        ties = task.decision.leads(chances)[differs] < task.decision.near_tie
        return CheckedWindow(
            plane, box, kept.size, int(differs.sum()), int(ties.sum()), *self._apart(window, part, chances)
        )

    def _scores(self, window: Box, part: Box) -> torch.Tensor:
        if self._whole is not None:
            index: Any = (..., *slices(part))
            return self._whole[index]
        crop, bound = _crop(self._task, window), self._executor.analysis.bound
        starts = [side.start for side in crop]
        resizing = resizing_as_in_whole(bound, starts) if self._how == RESIZED else None
        return self._executor.through_network(crop, part, self._check, resizing=resizing)

    def _apart(self, window: Box, part: Box, chances: NDArray[np.float64]) -> Iterator[Any]:
        """Yield the number of probabilities, their RMSE and largest difference, if the run's are at hand."""
        if not self._task.plan.method.trims or not self._engine.prepared:
            return
        with exact_arithmetic():
            scores = self._executor.scores(window, self._task.plan.radius, TRIMMED, self._check)
            ours = self._engine.decided(scores, part).probabilities.double().cpu().numpy()
        apart = np.abs(ours - chances)
        yield from (apart.size, float(np.sqrt(np.square(apart).mean())), float(apart.max()))
