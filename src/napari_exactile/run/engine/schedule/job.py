"""One plane from image to labels: it is measured, computed band after band, and can be continued."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from numpy.typing import NDArray

from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.read.underlying import look_for_gaps
from napari_exactile.run.engine import events
from napari_exactile.run.engine.clock import Clock
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.door import Computed, Engine, Going
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.engine.pipeline import WriteBehind
from napari_exactile.run.engine.result import Report, Result, planned
from napari_exactile.run.engine.schedule.arrays import Arrays, Memory
from napari_exactile.run.engine.schedule.engines import engine_of
from napari_exactile.run.engine.schedule.glimpses import Glimpses
from napari_exactile.run.engine.schedule.queue import Queue
from napari_exactile.run.engine.schedule.results import PlaneResults
from napari_exactile.run.plan.ahead import AHEAD
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Cancelled


class Job:
    """The segmentation of one plane of a task, which is run, stopped and continued.

    Nothing is read before `run`. What there is by then lies in `results`, made by `arrays`; one thread at a
    time may call `run`, others may read them meanwhile. `begun` and `ended` say when it ran first and last,
    here. `normalization` is given where it is known already.
    """

    def __init__(
        self, task: Task, number: int = 0, arrays: Arrays | None = None,
        normalization: Normalization | None = None,
    ) -> None:  # fmt: skip
        self.task, self.source = task, task.planes.sources[number]
        self._arrays = arrays or Memory()
        remembered = self._arrays.remembered()
        known = replace(remembered.known, normalization=normalization or remembered.known.normalization)
        self._clock = Clock(remembered.seconds)
        self.engine: Engine = engine_of(task, number, known, self._surveyed)
        self.results = PlaneResults(task, self._arrays, lambda: self._clock.seconds)
        self.begun: datetime | None = None
        self.ended: datetime | None = None

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels; None before the first run, and where the output is values."""
        return self.results.labels

    @property
    def probabilities(self) -> NDArray[Any] | None:
        """The probabilities or values, if they are kept."""
        return self.results.probabilities

    @property
    def done(self) -> set[int]:
        """The numbers of the tiles that are done."""
        return self.results.done

    @property
    def near_ties(self) -> int:
        """How many pixels the last bits of the arithmetic could flip, in the tiles that are done."""
        return self.results.near_ties

    @property
    def started(self) -> bool:
        """Whether the arrays exist."""
        return self.results.started

    @property
    def normalization(self) -> Normalization | None:
        """What the pixels are normalised by; None before the image has been measured."""
        return self.engine.normalization

    @property
    def complete(self) -> bool:
        """Whether every tile is done."""
        return len(self.done) == len(self.task.plan)

    @property
    def seconds(self) -> float:
        """How long it has run, without pauses, with those seconds that `arrays` remembers."""
        return self._clock.seconds

    def run(self, control: Control | None = None) -> Iterator[Event]:
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
                    yield from control.pausing(self._prepare(control))
                self.results.make()
                yield events.Ready(len(self.task.plan), len(self.done))
                yield from self._bands(control)
        except Cancelled:
            yield events.Finished(cancelled=True)
        else:
            yield events.Finished(cancelled=False)
        finally:
            self.ended = datetime.now(UTC)

    def forget(self) -> None:
        """Let go of what was kept between passes over the image; for a job that is complete."""
        self.engine.forget()

    def _prepare(self, control: Control) -> Iterator[Event]:
        """Learn all that must be known of the whole image before its first zone can be computed."""
        yield from self.engine.measure(control.check)
        assert self.engine.normalization is not None, "it has been measured"
        self._arrays.measured(self.engine.normalization, self.seconds)
        yield from self.engine.survey(control.check)
        # Of tiles that were finished before, it may be known only now which ones count.
        self.results.recall()

    def _surveyed(self, number: int, values: Statistics) -> None:
        self._arrays.surveyed(number, values, self.seconds)

    def _bands(self, control: Control) -> Iterator[Event]:
        with self.engine.open(), self.results.writing() as writer:
            try:
                yield from self._computed(writer, control)
                yield from writer.finished(wait=True)
            except Exception:  # Cancelled is one: what has been computed is kept in any case, and told
                yield from writer.finished(wait=True)
                raise

    def _computed(self, writer: WriteBehind, control: Control) -> Iterator[Event]:
        """Have all bands computed that are left, in the order that the control gives, and write them."""
        queue = Queue(self.results.left(), self.results.bands.of_tile, control.order)
        glimpses = Glimpses(self.task, self.engine, self.results, control)
        while queue:
            yield from self._turn(writer, control)
            yield from glimpses.tell()
            band, *upcoming = map(self.results.left_of, queue.first(1 + AHEAD))
            queue.remove(band.number)
            for step in self.engine.submit(band, upcoming, self.results.deliver, control.check):
                if isinstance(step, Going):
                    yield events.Advanced(len(self.done) + step.tiles)
                    yield from self._turn(writer, control)
                    yield from glimpses.tell()
                    continue
                if not isinstance(step, Computed):
                    yield step
                    continue
                self.results.end(step)
                if step.index != band.tiles[-1]:
                    yield from self._turn(writer, control)

    def _turn(self, writer: WriteBehind, control: Control) -> Iterator[Event]:
        """Between two tiles: tell what is written by now, wait while paused, stop where asked to."""
        yield from writer.finished(wait=control.paused)
        yield from control.gate()
        control.check()

    def result(self) -> Result:
        """Return what there is; raises RuntimeError before the first `run` has made the arrays."""
        if not self.started:
            raise RuntimeError("there is no result before run()")
        return Result(self.labels, self.probabilities, self.report())

    def report(self) -> Report:
        """Return how the result came about, as far as it is."""
        known = self.normalization
        if known is None:
            raise RuntimeError("the image's statistics are measured by run()")
        return replace(
            planned(self.task, self.source, known),
            tiles_done=len(self.done), near_ties=self.near_ties, seconds=self.seconds,
            # Of labels that were computed here, and all of them: others have not been seen.
            warnings=self.engine.odd if self.results.all_here else (),
        )  # fmt: skip
