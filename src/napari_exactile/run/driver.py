"""A task is run: by one driver for scripts, the command line and the dock, in memory or in a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from napari_exactile.run.check.spot_check import WINDOWS
from napari_exactile.run.engine.checked import SpotCheck
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Event, StoreOpened
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.store.stored import StoredSeries, stored
from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go: into memory, or into a store at `path`; `overwrite` begins one that is there anew."""

    path: Path | None = None
    overwrite: bool = False


class Run:
    """A task under way; `steps` again continues what was stopped.

    `series` has the results, and `asked` is the task. A store has a series of its own, by the task that it
    was begun with, which may have other zones. `stored` is the store while it is open, and `check` what
    comparing up to `windows` random windows of it has found at the end.
    """

    def __init__(self, task: Task, output: Output | None = None, windows: int = WINDOWS) -> None:
        self.asked, self.output, self._windows = task, output or Output(), windows
        self._series = Series(task) if self.output.path is None else None
        self.stored: StoredSeries | None = None
        self.check: SpotCheck | None = None

    @property
    def has_series(self) -> bool:
        """Whether there is a series: with a store, from StoreOpened on."""
        return self._series is not None

    @property
    def series(self) -> Series:
        """The results of all planes; raises RuntimeError before there is a series."""
        if self._series is None:
            raise RuntimeError("a store has no series before it is open")
        return self._series

    @property
    def task(self) -> Task:
        """The task that the results are of, or will be of as far as is known."""
        return self.asked if self._series is None else self._series.task

    def steps(self, control: Control | None = None) -> Iterator[Event]:
        """Do what is left, telling each step: that of a run in a store holds its lock until it ends.

        Raises what `Series.run` does and, with a store, what `stored` does.
        """
        control = control or Control()
        if self.output.path is None:
            yield from self.series.run(control)
            return
        with stored(self.asked, self.output.path, self.output.overwrite) as kept:
            self.output = replace(self.output, overwrite=False)
            self._series, self.stored = kept.series, kept
            try:
                yield StoreOpened(kept.done_before, kept.mended)
                yield from kept.series.run(control)
                yield from kept.report.checking(self._windows, control.check)
                self.check = kept.report.check
            finally:
                self.stored = None
