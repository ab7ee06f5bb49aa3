"""What a run computes in its worker's thread, in memory or in a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker

from napari_exactile.geometry.interval import Box, moved, slices
from napari_exactile.run.driver import Output, Run
from napari_exactile.run.engine import events
from napari_exactile.run.engine.checked import SpotCheck
from napari_exactile.run.engine.control import Control, Order
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.widget.choose.choice import Choice
from napari_exactile.widget.draw.layers import Written, prepare_colors
from napari_exactile.widget.draw.stored_levels import StoredLevels

if TYPE_CHECKING:
    from napari_exactile.run.engine.edited import Fingerprint
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.task.task import Task


class Computation:
    """Computes the labels of a choice in another thread; `start` again continues what was cancelled.

    The GUI reads `series`, what is `written`, and the `check` at the end; only small values cross to it. In
    memory, `fingerprint` is that of the labels at the end; it `keeps_edits` where finished tiles were edited
    before.
    """

    def __init__(self, choice: Choice, order: Order, overwrite: bool) -> None:
        self._name, self.path = choice.plane.layer.name, choice.output
        self._run = Run(choice.task, Output(choice.output, overwrite))
        self._levels: dict[str, StoredLevels] = {}
        self.written: Written | None = None
        self.fingerprint: Fingerprint | None = None
        self.keeps_edits = False
        # napari asks its workers to quit when the window closes; that alone acts only between two tiles.
        quits = lambda: self._worker is not None and self._worker.abort_requested  # noqa: E731
        self.control = Control(order, quits, self._show)
        self._glimpses: dict[Box, Callable[[], object]] = {}
        self._stopped = threading.Event()
        self._worker: Any = None

    @property
    def task(self) -> Task:
        """What is computed; with a store, what that was begun with, once it is open."""
        return self._run.task

    @property
    def series(self) -> Series | None:
        """The labels of all planes; with a store, None until that is open."""
        return self._run.series if self._run.has_series else None

    @property
    def check(self) -> SpotCheck | None:
        """What comparing random windows of a store has found."""
        return self._run.check

    def start(self, on_event: Callable[[Event | Exception], None], on_finished: Callable[[], None]) -> None:
        """Begin, or continue with the tiles that are left; both are told in the GUI thread."""
        self._stopped.clear()
        self.control.renew()
        self._worker = create_worker(self._events, _start_thread=False, _ignore_errors=True)
        self._worker.yielded.connect(on_event)
        self._worker.finished.connect(on_finished)
        self._worker.start()

    def cancel(self) -> None:
        """Ask the worker to stop; it does between two operators. May be called from any thread."""
        self.control.cancel()

    @property
    def stopped(self) -> bool:
        """Whether the worker's thread has left the run."""
        return self._stopped.is_set()

    def _events(self) -> Iterator[Event | Exception]:
        """Do the work, in the worker's thread, and hand errors over as values.

        A worker that gets a RuntimeError from its generator takes it for a deleted Qt object, and ends
        without a word.
        """
        try:
            prepare_colors(self.task.classes)
            self._look_for_edits()
            for event in self._run.steps(self.control):
                self._follow(event)
                # A worker that is to quit would leave the run here, and a store locked, until memory is
                # cleaned up: without another word, it is cancelled and comes to its end.
                if not self._worker.abort_requested:
                    yield event
        except Exception as error:
            if not self._worker.abort_requested:
                yield error
        finally:
            for take_away in self._glimpses.values():
                take_away()
            self._glimpses.clear()
            if self.path is None:
                self.fingerprint = _fingerprint(self._run.series)
            self._stopped.set()

    def _look_for_edits(self) -> None:
        """Find out whether finished labels in memory were edited since they were computed."""
        if self.path is not None:
            return
        before, found = self.fingerprint, _fingerprint(self._run.series)
        if before is not None and found is not None and before.done != found.done:
            self.keeps_edits = True

    def _follow(self, event: Event) -> None:
        """Let what the layers show follow the arrays."""
        match event:
            case events.StoreOpened() if self._run.stored is not None:
                images = self._run.stored.store.images.items()
                self._levels = {name: StoredLevels(image) for name, image in images}
                self.written = Written.on_disk(self._levels)
            case events.Ready() if self.path is None:
                self.written = self.written or Written.in_memory(self._run.series)
            case events.TileFinished(_index, zone) if part := self.task.in_arrays(zone):
                self._glimpses.pop(part, None)
                for levels in self._levels.values():
                    levels.update(self._run.series.index, part)

    def _show(self, box: Box, labels: Any, numbers: Any) -> None:
        """Let the layers show results that are not written, until they are, or until the run ends."""
        part = moved(box, (-side.start for side in self.task.labelled))
        undone = list[Callable[[], object]]()
        if self.path is None:
            job = self._run.series.job
            for array, pixels in ((job.labels, labels), (job.probabilities, numbers)):
                if array is not None:
                    place: Any = (..., *slices(part))
                    undone.append(partial(array.__setitem__, place, array[place].copy()))
                    array[place] = pixels
        index = self._run.series.index
        for name, levels in self._levels.items():
            levels.lay(index, part, labels if name == "labels" else numbers)
            undone.append(partial(levels.update, index, part))
        self._glimpses[part] = lambda: [undo() for undo in undone]

    def __repr__(self) -> str:
        # napari shows this when the window is closed during a run.
        return f"the segmentation of '{self._name}'"


def _fingerprint(series: Series) -> Fingerprint | None:
    from napari_exactile.run.engine.edited import fingerprint

    return fingerprint(series)
