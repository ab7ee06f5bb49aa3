"""The planes of a stack, segmented one after the other, each as exactly as an image of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from numpy.typing import NDArray

from napari_exactile.geometry.words import member
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.planes import Planes
from napari_exactile.images.read.fingerprint import ChangedError
from napari_exactile.images.read.underlying import begin_reading, end_reading
from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.passes.measuring import measured
from napari_exactile.run.engine.result import Report, Result, summed
from napari_exactile.run.engine.schedule.arrays import Arrays, Memory
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.engine.schedule.unchanged import Unchanged
from napari_exactile.run.plan.settings import NumberType
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Cancelled


class Series:
    """One job for each plane of a task, one after the other; an image by itself is a series of one.

    The arrays are (*leading, *stack, *shape). Planes that are not asked for keep 0. As with a Job, one thread
    at a time may call `run`, which continues what was stopped. `spoilt` says, if so, that image or model were
    changed during a run: nobody knows then what the labels are of. `edited` tells whether labels were changed
    by hand since; whoever shows them sets it.
    """

    def __init__(self, task: Task, arrays: PlaneArrays | None = None) -> None:
        self.task = task
        self._shared: PlaneArrays = arrays or _Shared(task.planes, Memory())
        self._together: Normalization | None = None
        self._unchanged = Unchanged(task.planes.whole, task.model, task.analysis)
        self.spoilt, self.edited = "", False
        self.jobs = [self._job(0)]
        begin_reading(task.planes.whole)

    @property
    def job(self) -> Job:
        """The job of the plane that is being segmented, or that comes first."""
        return self.jobs[-1]

    @property
    def index(self) -> tuple[int, ...]:
        """The place of that plane in the stack."""
        return self.task.planes.indices[len(self.jobs) - 1]

    @property
    def done(self) -> int:
        """Finished tiles of all planes."""
        return sum(len(job.done) for job in self.jobs)

    @property
    def complete(self) -> bool:
        """Whether every tile of every plane is done."""
        return self.done == self.task.tiles

    @property
    def near_ties(self) -> int:
        """Near-ties of all planes."""
        return sum(job.near_ties for job in self.jobs)

    @property
    def labels(self) -> Any:
        """The labels of all planes; None before the first run, and where the output is values."""
        return self._shared.all_labels

    @property
    def probabilities(self) -> NDArray[Any] | None:
        """The probabilities or values of all planes (channels, *stack, *shape), if they are kept.

        In a store, the order of these axes is OME-Zarr's: t, c, z, y, x.
        """
        return self._shared.all_probabilities

    def run(self, control: Control | None = None) -> Iterator[Event]:
        """Do what is left of all planes; tells, raises and pauses as `Job.run` does, plane by plane.

        Raises ChangedError, too, where the image or the model is not what it was.
        """
        self._unchanged.check()
        try:
            yield from self._run(control or Control())
        except Exception as error:
            self._look_again()
            if not isinstance(error, Cancelled):
                raise
        else:
            self._look_again()
        finally:
            end_reading(self.task.planes.whole)
        yield events.Finished(cancelled=not self.complete)

    def _look_again(self) -> None:
        """Raise ChangedError where image or model were changed during the run: that explains all errors."""
        end_reading(self.task.planes.whole)  # what was kept of the image would be compared with itself
        if change := self._unchanged.change():
            self.spoilt = (
                f"{change.what} was changed during the run, so labels may be of either version of it"
            )
            raise ChangedError(f"{self.spoilt}: {change.remedy}")

    def _run(self, control: Control) -> Iterator[Event]:
        yield from control.pausing(self._measure(control))
        planes = len(self.task.planes.sources)
        for number in range(planes):
            if number == len(self.jobs):
                self.jobs[-1].forget()
                self.jobs.append(self._job(number))
            job = self.jobs[number]
            if job.complete and job.started:
                continue
            if planes > 1:
                yield events.PlaneStarted(number + 1, planes, member(len(self.task.plan.radius)))
            for event in job.run(control):
                if not isinstance(event, events.Finished):
                    yield event
            if not job.complete:
                break

    def report(self) -> Report:
        """Return how the planes came about; their statistics are those of the first."""
        reports = [job.report() for job in self.jobs if job.started]
        whole = reports[0]
        if self.task.planes.shape:
            whole = replace(summed(reports, self.task.planes.shape), tiles=self.task.tiles)
        if self.task.settings.together:  # each plane has counted those of all
            whole = replace(whole, left_out=reports[0].left_out)
        scale = self.task.model.card.scale_warning(self.task.planes.pixel_size)
        warnings = tuple(filter(None, [scale, *whole.warnings]))
        whole = replace(whole, warnings=warnings, notes=(*self.task.notes, *whole.notes))
        reasons = "; ".join(filter(None, [whole.reason, self.spoilt]))
        whole = replace(whole, exact=whole.exact and not self.edited, edited=self.edited)
        return replace(whole, exact=False, reason=reasons) if self.spoilt else whole

    def result(self) -> Result:
        """Return what there is; raises RuntimeError before the first `run` has made the arrays."""
        if not self.jobs[0].started:
            raise RuntimeError("there is no result before run()")
        return Result(self.labels, self.probabilities, self.report())

    def _measure(self, control: Control) -> Iterator[Event]:
        """Measure the stack as one image, if that is asked for."""
        task = self.task
        if not task.settings.together or not task.planes.shape or self._together is not None:
            return
        if self.job.normalization is not None:  # from before
            self._together = self.job.normalization
            return
        self._together = yield from measured(task.planes.whole, task.model, task.settings, control.check)
        self.jobs = [self._job(0)]

    def decide(self, task: Task) -> None:
        """Take the decision of another task, by which the labels have been written anew."""
        self.task = task
        for job in self.jobs:
            job.task = task

    def _job(self, number: int) -> Job:
        return Job(self.task, number, self._shared.at(number), self._together)


class PlaneArrays(Protocol):
    """The arrays of all planes, and of each its part."""

    @property
    def all_labels(self) -> Any:
        """The labels (*leading, *stack, *shape); None before they are made.

        In a store, the order of these axes is OME-Zarr's: t, c, z, y, x.
        """
        ...

    @property
    def all_probabilities(self) -> NDArray[Any] | None:
        """The probabilities or values (channels, *stack, *shape), likewise."""
        ...

    def at(self, number: int) -> Arrays:
        """Return the arrays of one plane."""
        ...


class _Shared:
    """Arrays for all planes, of which every job gets its own part."""

    def __init__(self, planes: Planes, arrays: Arrays) -> None:
        self._planes, self._arrays = planes, arrays
        self.all_labels: NDArray[Any] | None = None
        self.all_probabilities: NDArray[Any] | None = None

    def at(self, number: int) -> Arrays:
        """Return the arrays of one plane."""
        return _Part(self, self._planes.indices[number])

    def labels(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int
    ) -> NDArray[Any]:
        if self.all_labels is None:
            self.all_labels = self._arrays.labels(leading, (*self._planes.shape, *shape), dtype, 0)
            for index in self._planes.indices:
                self.all_labels[(slice(None),) * len(leading) + index] = unfinished
        return self.all_labels

    def probabilities(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: NumberType
    ) -> NDArray[Any]:
        if self.all_probabilities is None:
            self.all_probabilities = self._arrays.probabilities(leading, (*self._planes.shape, *shape), dtype)
        return self.all_probabilities


class _Part(Memory):
    """The part of one plane."""

    def __init__(self, shared: _Shared, index: tuple[int, ...]) -> None:
        self._shared, self._index = shared, index

    def labels(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int
    ) -> NDArray[Any]:
        """Return the plane's labels."""
        return self._of(self._shared.labels(leading, shape, dtype, unfinished), leading)

    def probabilities(
        self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: NumberType
    ) -> NDArray[Any]:
        """Return the plane's probabilities or values."""
        return self._of(self._shared.probabilities(leading, shape, dtype), leading)

    def _of(self, array: NDArray[Any], leading: tuple[int, ...]) -> NDArray[Any]:
        part: NDArray[Any] = array[(slice(None),) * len(leading) + self._index]
        return part
