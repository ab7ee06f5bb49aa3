"""One segmentation from image to labels: it measures, computes tile after tile, and can be continued."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, box_shape, full_box, moved, slices
from napari_exactile.geometry.tiling import Tile, split_zone
from napari_exactile.images import statistics
from napari_exactile.images.normalization import Normalization, steps_of
from napari_exactile.images.source import ImageSource, check_channels
from napari_exactile.models.load import Model
from napari_exactile.network.analysis import Analysis
from napari_exactile.network.arithmetic import exact_arithmetic
from napari_exactile.run import events
from napari_exactile.run.approximate import approximate_plan
from napari_exactile.run.devices import (
    free_memory,
    is_out_of_memory,
    memory_budget,
    pick_device,
    scratch_budget,
    scratch_memory,
)
from napari_exactile.run.events import Cancelled, Event, TileError
from napari_exactile.run.executor import Executor
from napari_exactile.run.plan import Plan, largest_tile, plan_tiles
from napari_exactile.run.report import Report, Result
from napari_exactile.run.scores import Decision, Labelled, check_scores
from napari_exactile.run.settings import Settings
from napari_exactile.run.survey import R, Survey

IsCancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was done before: the near-ties of finished tiles, by their number, and the image's statistics."""

    near_ties: Mapping[int, int] = field(default_factory=dict)
    normalization: Normalization | None = None


class Arrays(Protocol):
    """Where a run's results are kept, and what is known of them from before; used by one thread at a time."""

    def remembered(self) -> Remembered:
        """Return what was done before this run; asked when the job is made."""
        ...

    def measured(self, normalization: Normalization) -> None:
        """Hear of the image's statistics, before the arrays are asked for."""
        ...

    def labels(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int
    ) -> NDArray[Any]:
        """Return an array (*leading, *shape) of `unfinished`, except where labels are remembered."""
        ...

    def probabilities(self, leading: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array of NaN for probabilities or values (*leading, *shape)."""
        ...

    def finished(self, tile: int, part: Box | None, near_ties: int) -> None:
        """Hear that a tile's `part` of the arrays is written (None: it has none), before anyone else does."""
        ...


class Memory:
    """Keeps results in memory, and nothing from one run to the next."""

    def remembered(self) -> Remembered:
        """Return that nothing is known."""
        return Remembered()

    def measured(self, normalization: Normalization) -> None:
        """Do nothing: the job knows it."""

    def labels(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int
    ) -> NDArray[Any]:
        """Return an array for labels."""
        return np.full((*leading, *shape), unfinished, dtype)

    def probabilities(self, leading: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array for probabilities or values."""
        return np.full((*leading, *shape), np.nan, np.float32)

    def finished(self, tile: int, part: Box | None, near_ties: int) -> None:
        """Do nothing: what is written is there."""


class Job:
    """A segmentation that is prepared, run, stopped and continued.

    Made of values only: nothing is read before `run`. `labels` holds the classes of finished zones and
    `unfinished` elsewhere, `probabilities` those of finished zones and NaN elsewhere; where the output is
    values, there are no labels and `probabilities` holds the values. Both cover the box `labelled` of the
    output and are made by `arrays`. One thread at a time may call `run`; others may read them meanwhile.
    `plan` and `normalization` are given where they are known already.
    """

    def __init__(
        self,
        source: ImageSource,
        model: Model,
        analysis: Analysis,
        settings: Settings,
        arrays: Arrays | None = None,
        plan: Plan | None = None,
        normalization: Normalization | None = None,
    ) -> None:  # fmt: skip
        check_channels(source.channels, model.card.channels, getattr(source, "name", "image"))
        check_scores(analysis.scores_dtype)
        self.source, self.model, self.analysis, self.settings = source, model, analysis, settings
        self.device = pick_device(settings.device)
        self.plan = plan or make_plan(analysis, settings, self.device)
        self.decision = Decision.of(model.card, analysis.classes, settings.threshold)
        self.labelled = self._part(self.plan.tiling.region)
        self._arrays = arrays or Memory()
        remembered = self._arrays.remembered()
        self.done = set(remembered.near_ties)
        self.near_ties = sum(remembered.near_ties.values())
        self.seconds = 0.0
        self.labels: NDArray[Any] | None = None
        self.probabilities: NDArray[np.float32] | None = None
        self._normalization = normalization or remembered.normalization
        self._largest_piece = self.plan.zor
        self._survey = self._new_survey()

    @property
    def classes(self) -> int:
        """Number of label values."""
        return self.decision.count

    @property
    def unfinished(self) -> int:
        """The label of pixels that no tile has reached yet: the one after the last class."""
        return self.classes

    @property
    def started(self) -> bool:
        """Whether the arrays exist."""
        return self.labels is not None or self.probabilities is not None

    @property
    def normalization(self) -> Normalization | None:
        """What the pixels are normalised by; None before the image has been measured."""
        return self._normalization

    @property
    def complete(self) -> bool:
        """Whether every tile is done."""
        return len(self.done) == len(self.plan)

    def run(self, is_cancelled: IsCancelled = lambda: False) -> Iterator[Event]:
        """Do what is left, telling each step; stops between operators once `is_cancelled()` is true.

        Raises ValueError for pixels that cannot be used, before anything is made, and TileError where a tile
        fails. Finished tiles are kept in any case, and running again continues.
        """
        started = time.perf_counter()
        try:
            if not self.complete:
                yield from self.prepare(is_cancelled)
            self._make_arrays()
            yield events.Ready(len(self.plan), len(self.done))
            yield from self._tiles(is_cancelled)
        except Cancelled:
            yield events.Finished(cancelled=True)
        else:
            yield events.Finished(cancelled=False)
        finally:
            self.seconds += time.perf_counter() - started

    def forget(self) -> None:
        """Let go of what was kept between passes over the image; for a job that is complete."""
        self._survey = self._new_survey()

    def _new_survey(self) -> Survey:
        limit = self.settings.scratch_limit
        memory = scratch_memory() if limit is None else min(limit, scratch_memory())
        return Survey(self.analysis, self.plan.schedule, self.plan.zor, memory)

    def result(self) -> Result:
        """Return what there is; raises RuntimeError before the first `run` has made the arrays."""
        if not self.started:
            raise RuntimeError("there is no result before run()")
        return Result(self.labels, self.probabilities, self.report())

    def run_whole(self) -> Result:
        """Return the reference instead: one pass of the unchanged network over the whole image at once."""
        started = time.perf_counter()
        for _event in self.measure():
            pass
        with exact_arithmetic(self.device):
            scores = self.executor().whole()
        result, labels = self.decision.decide(scores), None
        if result.labels is not None:
            labels = result.labels.cpu().numpy().astype(np.min_scalar_type(self.unfinished))
        seconds = time.perf_counter() - started
        report = replace(
            self.report(), shape=self.source.shape, exact=True, method="one pass", tiles=1, tiles_done=1,
            passes=1, redundancy=1.0, near_ties=result.near_ties, seconds=seconds,
            output_shape=tuple(scores.shape[2:]), reason="",
        )  # fmt: skip
        return Result(labels, result.probabilities.float().cpu().numpy(), report)

    def report(self) -> Report:
        """Return how the result came about, as far as it is."""
        plan, grid = self.plan, self.analysis.grid
        region = self.settings.region or full_box(self.source.shape)
        return Report(
            self.model.name, box_shape(region), plan.exact, plan.method, plan.factor,
            self.analysis.context, plan.radius, plan.zor, len(plan), len(self.done),
            len(plan.schedule.passes), plan.redundancy,
            self.near_ties, self.seconds, str(self.device), self._known_normalization(), torch.__version__,
            box_shape(self.labelled), tuple(map(float, grid.stride)), tuple(map(float, grid.offset)),
            "; ".join(map(str, self.analysis.refusals)),
        )  # fmt: skip

    def measure(self, is_cancelled: IsCancelled = lambda: False) -> Iterator[Event]:
        """Read the whole image once, for its statistics and to find pixels that cannot be used.

        Does nothing where that has been done. Raises ValueError for such pixels, and Cancelled.
        """
        if self._normalization is not None:
            return
        measuring = self._statistics()
        while True:
            try:
                fraction = next(measuring)
            except StopIteration as result:
                self._normalization = result.value
                return
            if is_cancelled():
                raise Cancelled
            yield events.Measuring(fraction)

    def prepare(self, is_cancelled: IsCancelled = lambda: False) -> Iterator[Event]:
        """Learn all that must be known of the whole image before its first zone can be computed.

        Does what is left of it. Raises as `measure` does, and TileError where a tile of a pass fails.
        """
        yield from self.measure(is_cancelled)
        if not self._survey.complete:
            yield from self._survey.run(self.executor(), self._in_pieces, events.checker(is_cancelled))

    def _statistics(self) -> Any:
        choice = self.settings.normalization
        wanted = self.model.card.normalization if choice == "model" else choice
        return statistics.measure(self.source, steps_of(wanted), self.settings.ignore)

    def _make_arrays(self) -> None:
        if self.started:
            return
        self._arrays.measured(self._known_normalization())
        shape, decision = box_shape(self.labelled), self.decision
        if decision.kind != "values":
            leading, dtype = decision.leading, np.min_scalar_type(self.unfinished)
            self.labels = self._arrays.labels(leading, shape, dtype, self.unfinished)
        if decision.kind == "values" or self.settings.probabilities:
            self.probabilities = self._arrays.probabilities((decision.channels,), shape)

    def _tiles(self, is_cancelled: IsCancelled) -> Iterator[Event]:
        check, executor = events.checker(is_cancelled), self.executor()
        for tile in self.plan:
            if tile.index in self.done:
                continue
            check()
            yield events.TileStarted(tile.index)
            pieces = yield from self._in_pieces(tile, lambda zone: self._zone(executor, zone, check))
            near_ties = sum(pieces)
            self._keep(tile, near_ties)
            yield events.TileFinished(tile.index, tile.zone, near_ties)

    def _keep(self, tile: Tile, near_ties: int) -> None:
        """Let the arrays know of a finished tile; only then does it count as done."""
        part, origin = self.analysis.part(tile.zone), [-side.start for side in self.labelled]
        try:
            self._arrays.finished(tile.index, part and moved(part, origin), near_ties)
        except OSError as error:
            raise TileError(tile.index, tile.zone, str(error)) from error
        self.near_ties += near_ties
        self.done.add(tile.index)

    def executor(self) -> Executor:
        """Return what computes the scores of zones of this job's image; its statistics must be known."""
        known = self._known_normalization()
        return Executor(
            self.source, known, self.model.module, self.analysis, self.device, self._survey
        )  # fmt: skip

    def _known_normalization(self) -> Normalization:
        if self._normalization is None:
            raise RuntimeError("the image's statistics are measured by run()")
        return self._normalization

    def _in_pieces(self, tile: Tile, compute: Callable[[Box], R]) -> Generator[Event, None, list[R]]:
        """Compute a tile's zone in pieces as large as memory allows; they change no exact label."""
        while True:
            try:
                pieces = split_zone(tile.zone, self._largest_piece, self.plan.factor)
                with exact_arithmetic(self.device):
                    return [compute(piece) for piece in pieces]
            except Cancelled:
                raise
            except Exception as error:
                if not is_out_of_memory(error):
                    raise TileError(tile.index, tile.zone, str(error) or type(error).__name__) from error
                self._halve(tile, error)
            yield events.TileHalved(self._largest_piece)

    def _zone(self, executor: Executor, zone: Box, check: Callable[[], None]) -> int:
        part = self.analysis.part(zone)
        if part is None:
            return 0  # between two elements of the output, at the edge of what it covers
        scores = executor.scores(zone, self.plan.radius, self.plan.method, check)
        return self._write(part, self.decision.decide(scores))

    def _part(self, region: Box) -> Box:
        part = self.analysis.part(region)
        assert part is not None, "the plan refuses such regions"
        return part

    def _write(self, part: Box, result: Labelled) -> int:
        index: Any = (..., *slices(part, self.labelled))
        if self.labels is not None and result.labels is not None:
            self.labels[index] = result.labels.cpu().numpy()
        if self.probabilities is not None:
            self.probabilities[index] = result.probabilities.float().cpu().numpy()
        return result.near_ties

    def _halve(self, tile: Tile, error: BaseException) -> None:
        """Halve the pieces of an automatic tile; raise TileError for a typed one or where nothing is left."""
        halves = tuple(
            max(f, length // 2 // f * f)
            for length, f in zip(self._largest_piece, self.plan.factor, strict=True)
        )
        if not self.plan.automatic:
            raise TileError(tile.index, tile.zone, self._what_fits()) from error
        if halves == self._largest_piece:
            raise TileError(tile.index, tile.zone, "not enough memory for even the smallest tile") from error
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self._largest_piece = halves

    def _what_fits(self) -> str:
        plan = self.plan
        if not plan.peak_bytes:
            return f"not enough memory for a tile of {max(plan.tile)} px; a smaller one may fit"
        memory = min(int(free_memory(self.device) * 0.8), plan.peak_bytes // 2)
        fits = largest_tile(self.analysis, plan.radius, plan.method, memory)
        remedy = f"a tile of {fits} px would fit" if fits else "no tile would fit on this device"
        return f"not enough memory for a tile of {max(plan.tile)} px; {remedy}"


def make_plan(analysis: Analysis, settings: Settings, device: torch.device) -> Plan:
    """Return the plan that these settings mean on this device; approximate ones need what `declare` gives."""
    if settings.method == "approximate":
        return approximate_plan(analysis, settings)
    memory = settings.memory_limit or memory_budget(device)
    scratch = scratch_budget() if settings.scratch_limit is None else settings.scratch_limit
    kind: Any = device.type
    return plan_tiles(
        analysis, settings.tile, settings.radius, settings.method, settings.region, memory, kind, scratch
    )
