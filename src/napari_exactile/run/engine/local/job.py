"""One segmentation from image to labels: it measures, computes tile after tile, and can be continued."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, box_shape, full_box, slices
from napari_exactile.geometry.tiling import Tile
from napari_exactile.images.normalize.statistics import is_missing
from napari_exactile.images.normalize.steps import Fill, Normalization
from napari_exactile.images.read.underlying import look_for_gaps, notes_on
from napari_exactile.network.analysis import require_derived
from napari_exactile.network.declared import Declared
from napari_exactile.run.engine import events
from napari_exactile.run.engine.clock import Clock
from napari_exactile.run.engine.control import Control, Queue
from napari_exactile.run.engine.events import Event, TileFinished
from napari_exactile.run.engine.local.arrays import Arrays, Memory, as_numbers
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.local.missing import missing_in
from napari_exactile.run.engine.local.seen import Seen
from napari_exactile.run.engine.local.tile_executor import TileExecutor
from napari_exactile.run.engine.passes.kept_tensors import KeptTensors
from napari_exactile.run.engine.passes.measuring import measured
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.engine.passes.survey import Survey
from napari_exactile.run.engine.pieces import Pieces
from napari_exactile.run.engine.pipeline import ReadAhead, WriteBehind
from napari_exactile.run.engine.result import Report, Result
from napari_exactile.run.plan.ahead import AHEAD
from napari_exactile.run.plan.devices import scratch_memory
from napari_exactile.run.task.decision import (
    Labelled,
)
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Cancelled, Check
from napari_exactile.torch_state import exact_arithmetic, exactly


class Job:
    """The segmentation of one plane of a task, which is prepared, run, stopped and continued.

    Nothing is read before `run`. `labels` holds the classes of finished zones and the task's `unfinished`
    elsewhere, `probabilities` those of finished zones and NaN elsewhere; where the output is values, there
    are no labels and `probabilities` holds the values. Both cover the box `labelled` of the output and are
    made by `arrays`. One thread at a time may call `run`; others may read them meanwhile. `begun` and `ended`
    say when it ran first and last, here. `normalization` is given where it is known already.
    """

    def __init__(
        self,
        task: Task,
        number: int = 0,
        arrays: Arrays | None = None,
        normalization: Normalization | None = None,
    ) -> None:
        self.task, self.source = task, task.planes.sources[number]
        self._arrays = arrays or Memory()
        self._remembered = remembered = self._arrays.remembered()
        self._here: dict[int, int] = {}  # near-ties of the tiles that were finished here
        self._count(remembered.near_ties)
        self._clock = Clock(remembered.seconds)
        self.begun: datetime | None = None
        self.ended: datetime | None = None
        self.labels: NDArray[Any] | None = None
        self.probabilities: NDArray[Any] | None = None
        self._normalization = normalization or remembered.normalization
        self._pieces, self._seen = Pieces(task.plan, task.analysis, task.device), Seen(task.decision)
        self._survey = self._new_survey()

    @property
    def started(self) -> bool:
        """Whether the arrays exist."""
        return self.labels is not None or self.probabilities is not None

    @property
    def normalization(self) -> Normalization | None:
        """What the pixels are normalised by; None before the image has been measured."""
        return self._normalization

    @property
    def prepared(self) -> bool:
        """Whether all is known of the whole image that scores of its zones depend on."""
        return self._normalization is not None and self._survey.complete

    @property
    def complete(self) -> bool:
        """Whether every tile is done."""
        return len(self.done) == len(self.task.plan)

    @property
    def seconds(self) -> float:
        """How long it has run, without pauses, with those seconds that `arrays` remembers."""
        return self._clock.seconds

    @exactly
    def run(self, control: Control | None = None) -> Generator[Event, None, None]:
        """Do what is left, telling each step; stops between operators once it is cancelled.

        `control` stops it, pauses between tiles and says which come first; labels depend on no order.
        Raises ValueError for pixels that cannot be used, before anything is made, and TileError where a tile
        fails. Finished tiles are kept in any case, and running again continues.
        """
        control = control or Control()
        look_for_gaps(self.source)
        self.begun = self.begun or datetime.now(UTC)
        try:
            with self._clock.running(control):
                if not self.complete:
                    yield from control.pausing(self.prepare(control.check))
                self._make_arrays()
                yield events.Ready(len(self.task.plan), len(self.done))
                yield from self._tiles(control)
        except Cancelled:
            yield events.Finished(cancelled=True)
        else:
            yield events.Finished(cancelled=False)
        finally:
            self.ended = datetime.now(UTC)

    def forget(self) -> None:
        """Let go of what was kept between passes over the image; for a job that is complete."""
        self._survey.kept.keep_only(())
        self._survey = self._new_survey()

    def _new_survey(self) -> Survey:
        limit = self.task.settings.scratch_limit
        memory = scratch_memory() if limit is None else min(limit, scratch_memory())
        kept, known = KeptTensors(memory, self._remembered.folder), self._remembered.passes
        return Survey(self.task.plan.schedule, self.task.plan.zor, kept, known, self._surveyed)

    def _surveyed(self, number: int, values: Statistics) -> None:
        self._arrays.surveyed(number, values, self.seconds)

    def result(self) -> Result:
        """Return what there is; raises RuntimeError before the first `run` has made the arrays."""
        if not self.started:
            raise RuntimeError("there is no result before run()")
        return Result(self.labels, self.probabilities, self.report())

    @exact_arithmetic()
    def run_whole(self) -> Result:
        """Return the reference instead: one pass of the unchanged network over the whole image at once."""
        started = time.perf_counter()
        look_for_gaps(self.source)
        for _event in self.measure():
            pass
        scores = self.executor().whole()
        result, labels = self.decided(scores, full_box(self.task.analysis.grid.shape)), None
        self._seen.look(scores, result)
        if result.labels is not None:
            labels = result.labels.cpu().numpy().astype(np.min_scalar_type(self.task.unfinished))
        seconds = time.perf_counter() - started
        report = replace(
            self.report(), shape=self.source.shape, exact=True, method="one pass", tiles=1, tiles_done=1,
            passes=1, redundancy=1.0, near_ties=result.near_ties, seconds=seconds,
            output_shape=tuple(scores.shape[2:]), reason="", warnings=self._odd(),
        )  # fmt: skip
        return Result(labels, self._numbers(result), report)

    def report(self) -> Report:
        """Return how the result came about, as far as it is."""
        plan, grid = self.task.plan, self.task.analysis.grid
        region = self.task.settings.region or full_box(self.source.shape)
        return Report(
            self.task.model.name, box_shape(region), plan.exact, plan.method.name, plan.factor,
            self.task.analysis.context, plan.radius, plan.zor, len(plan), len(self.done),
            len(plan.schedule.passes), plan.redundancy,
            self.near_ties, self.seconds, str(self.task.device), self._known_normalization(),
            torch.__version__,
            box_shape(self.task.labelled), tuple(map(float, grid.stride)), tuple(map(float, grid.offset)),
            "; ".join(map(str, self.task.analysis.refusals)), self.task.settings.ignore,
            self.task.gives,
            # Of labels that were computed here, and all of them: others have not been seen.
            self._odd() if len(self._here) == len(self.task.plan) else (),
            notes=(*self.task.model.card.notes, *notes_on(self.source)),
            left_out=self._left_out, padding=self.task.analysis.padding,
        )  # fmt: skip

    def decided(self, scores: torch.Tensor, part: Box) -> Labelled:
        """Return what becomes of the scores of a part of the output; pixels that are left out are background.

        Raises ValueError where the network gives NaN.
        """
        result = self.task.decision.decide(scores)
        if is_missing(self.task.settings.ignore):
            missing = missing_in(self.source, self.task.analysis.grid, part)
            if missing.any():
                where = torch.from_numpy(missing).to(scores.device)
                return self.task.decision.without(result, where, self.task.model.card.background or 0)
        return result

    @property
    def _left_out(self) -> int:
        """How many pixels of the image were NaN and left out."""
        steps = self._known_normalization().steps
        return sum(step.pixels or 0 for step in steps if isinstance(step, Fill))

    def _odd(self) -> tuple[str, ...]:
        return tuple(self._seen.warnings(self.task.decision.names(self.task.model.card)))

    def measure(self, check: Check = lambda: None) -> Iterator[Event]:
        """Read the whole image once, for its statistics and to find pixels that cannot be used.

        Does nothing where that has been done. Raises ValueError for such pixels, and Cancelled.
        """
        if self._normalization is not None:
            return
        self._normalization = yield from measured(self.source, self.task.model, self.task.settings, check)

    @exactly
    def prepare(self, check: Check = lambda: None) -> Generator[Event, None, None]:
        """Learn all that must be known of the whole image before its first zone can be computed.

        Does what is left of it. Raises as `measure` does, and TileError where a tile of a pass fails.
        """
        yield from self.measure(check)
        self._arrays.measured(self._known_normalization(), self.seconds)
        if not self._survey.complete:
            yield from self._survey.run(self.exact_executor(), self._pieces, check)
        # Of tiles that were finished before, it may be known only now which ones count.
        self._count(self._arrays.remembered().near_ties)

    def _count(self, before: Mapping[int, int]) -> None:
        """Take as done what was finished before, given its near-ties, and what was finished here."""
        ties = {**before, **self._here}
        self.done, self.near_ties = set(ties), sum(ties.values())

    def _make_arrays(self) -> None:
        if self.started:
            return
        shape, decision = box_shape(self.task.labelled), self.task.decision
        if decision.labels:
            leading, dtype = decision.leading, np.min_scalar_type(self.task.unfinished)
            self.labels = self._arrays.labels(leading, shape, dtype, self.task.unfinished)
        if decision.keeps_numbers(bool(self.task.settings.probabilities)):
            self.probabilities = self._arrays.probabilities(
                (decision.channels,), shape, self.task.settings.number_type
            )

    def _tiles(self, control: Control) -> Iterator[Event]:
        executor = self.executor()
        with executor.reading_ahead() as ahead, WriteBehind(at_once=self._in_memory) as writer:
            try:
                yield from self._computed(executor, ahead, writer, control)
                yield from writer.finished(wait=True)
            except Exception:  # Cancelled is one: what has been computed is kept in any case, and told
                yield from writer.finished(wait=True)
                raise

    def _computed(
        self, executor: TileExecutor, ahead: ReadAhead[torch.Tensor], writer: WriteBehind,
        control: Control,
    ) -> Iterator[Event]:  # fmt: skip
        """Compute what is left, in the order that the control gives, and hand it to the writer."""
        queue = Queue(
            (index for index in range(len(self.task.plan)) if index not in self.done), control.order
        )
        compute = partial(self._zone, executor, writer, control.check)
        expect = partial(self._expect, executor, ahead)
        while queue:
            yield from writer.finished(wait=control.paused)
            yield from control.gate()
            control.check()
            tile, *upcoming = map(self.task.plan.tiling.tile, queue.first(1 + AHEAD))
            queue.remove(tile.index)
            yield events.TileStarted(tile.index)
            pieces = yield from self._pieces.compute(tile, upcoming, compute, expect)
            writes = [write for _, write in pieces if write is not None]
            writer.end(tile, writes, partial(self._finish, tile, sum(ties for ties, _ in pieces)))

    def _expect(self, executor: TileExecutor, ahead: ReadAhead[torch.Tensor], zones: Iterable[Box]) -> None:
        radius, method = self.task.plan.radius, self.task.plan.method
        boxes = (executor.reads(zone, radius, method) for zone in zones)
        ahead.expect(box for box in boxes if box is not None)

    def _finish(self, tile: Tile, near_ties: int) -> TileFinished:
        """Let the arrays know of a tile that is written; only then does it count as done."""
        self._arrays.finished(tile.index, self.task.in_arrays(tile.zone), near_ties, self.seconds)
        self._here[tile.index] = near_ties
        self.near_ties += near_ties
        self.done.add(tile.index)
        return TileFinished(tile.index, tile.zone, near_ties)

    @property
    def _in_memory(self) -> bool:
        return all(type(array) in {np.ndarray, type(None)} for array in (self.labels, self.probabilities))

    def executor(self) -> TileExecutor:
        """Return what computes the scores of zones of this job's image; its statistics must be known."""
        task = self.task
        if isinstance(task.analysis, Declared):
            known = self._known_normalization()
            return TileExecutor(self.source, known, task.model.module, task.analysis, task.device)
        return self.exact_executor()

    def exact_executor(self) -> Executor:
        """Return what computes them exactly; raise NotExactError for a network that cannot be exact."""
        task, known = self.task, self._known_normalization()
        analysis = require_derived(task.analysis)
        return Executor(self.source, known, task.model.module, analysis, task.device, self._survey)

    def _known_normalization(self) -> Normalization:
        if self._normalization is None:
            raise RuntimeError("the image's statistics are measured by run()")
        return self._normalization

    def _zone(
        self, executor: TileExecutor, writer: WriteBehind, check: Callable[[], None], zone: Box
    ) -> tuple[int, Future[None] | None]:
        """Compute a zone and hand it to the writer; return its near-ties and what waits to be written."""
        part = self.task.analysis.part(zone)
        if part is None:
            return 0, None  # between two elements of the output, at the edge of what it covers
        scores = executor.scores(zone, self.task.plan.radius, self.task.plan.method, check)
        result = self.decided(scores, part)
        self._seen.look(scores, result)
        return result.near_ties, writer.write(self._write(part, result))

    def _numbers(self, result: Labelled) -> NDArray[Any]:
        return as_numbers(result.probabilities.float().cpu().numpy(), self.task.settings.number_type)

    def _write(self, part: Box, result: Labelled) -> Callable[[], None]:
        """Return what writes the results of one part; it may be called from another thread."""
        index: Any = (..., *slices(part, self.task.labelled))
        labels = None if result.labels is None else result.labels.cpu().numpy()
        kept = None if self.probabilities is None else self._numbers(result)

        def write() -> None:
            if self.labels is not None and labels is not None:
                self.labels[index] = labels
            if self.probabilities is not None:
                self.probabilities[index] = kept

        return write
