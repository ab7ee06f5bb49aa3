"""What a run computes in its worker's thread, in memory or in a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker

from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control, Order
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.local.checked import SpotCheck
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.widget.choose.chooser import Choice
from napari_exactile.widget.draw.layers import Written, prepare_colors
from napari_exactile.widget.draw.stored_levels import StoredLevels

if TYPE_CHECKING:
    from napari_exactile.run.engine.edited import Fingerprint


class Computation:
    """Computes the labels of a choice in another thread; `start` again continues what was cancelled.

    The GUI reads `series`, what is `written`, and the `check` at the end; only small values cross to it.
    With a store, `series` becomes another: the store may have been begun with other zones. In memory,
    `fingerprint` is that of the labels at the end; it `keeps_edits` where finished tiles were edited before.
    """

    def __init__(self, choice: Choice, order: Order, overwrite: bool) -> None:
        self.plane, self.path = choice.plane, choice.output
        self._planned = self.series = Series(choice.planes, choice.model, choice.analysis, choice.settings)
        self._overwrite = overwrite
        self.written: Written | None = None
        self.check: SpotCheck | None = None
        self.fingerprint: Fingerprint | None = None
        self.keeps_edits = False
        self.control = Control(order)
        self._cancelled, self._stopped = threading.Event(), threading.Event()
        self._worker: Any = None

    def start(self, on_event: Callable[[Event | Exception], None], on_finished: Callable[[], None]) -> None:
        """Begin, or continue with the tiles that are left; both are told in the GUI thread."""
        self._cancelled.clear()
        self._stopped.clear()
        self.control.resume()
        self._worker = create_worker(self._events, _start_thread=False, _ignore_errors=True)
        self._worker.yielded.connect(on_event)
        self._worker.finished.connect(on_finished)
        self._worker.start()

    def cancel(self) -> None:
        """Ask the worker to stop; it does between two operators. May be called from any thread."""
        self._cancelled.set()

    @property
    def stopped(self) -> bool:
        """Whether the worker's thread has left the job."""
        return self._stopped.is_set()

    def _events(self) -> Iterator[Event | Exception]:
        """Do the work, in the worker's thread, and hand errors over as values.

        A worker that gets a RuntimeError from its generator takes it for a deleted Qt object, and ends
        without a word.
        """
        try:
            prepare_colors(self.series.job.classes)
            yield from self._in_memory() if self.path is None else self._on_disk(self.path)
        except Exception as error:
            yield error
        finally:
            self._stopped.set()

    def _in_memory(self) -> Iterator[Event]:
        from napari_exactile.run.engine.edited import fingerprint

        before, found = self.fingerprint, fingerprint(self.series)
        if before is not None and found is not None and before.done != found.done:
            self.keeps_edits = True
        try:
            for event in self._labels():
                if isinstance(event, events.Ready):
                    self.written = self.written or Written.in_memory(self.series)
                yield event
        finally:
            self.fingerprint = fingerprint(self.series)

    def _on_disk(self, path: Path) -> Iterator[Event]:
        """Run in a store, which nobody else can write meanwhile; what it holds already is kept."""
        from napari_exactile.run.check.spot_check import WINDOWS
        from napari_exactile.run.store.stored import stored

        with stored(self._planned, path, self._overwrite, self.plane.place) as kept:
            self._overwrite = False
            levels = {name: StoredLevels(image) for name, image in kept.store.images.items()}
            self.series, self.written = kept.series, Written.on_disk(levels)
            for event in self._labels():
                if isinstance(event, events.TileFinished) and (part := self.series.job.place(event.zone)):
                    for image in levels.values():
                        image.update(self.series.index, part)
                yield event
            yield from kept.report.checking(WINDOWS, self._is_cancelled)
            self.check = kept.report.check

    def _labels(self) -> Iterator[Event]:
        return self.series.run(self._is_cancelled, self.control)

    def _is_cancelled(self) -> bool:
        # napari asks its workers to quit when the window closes; that alone acts only between two tiles.
        return self._cancelled.is_set() or self._worker.abort_requested

    def __repr__(self) -> str:
        # napari shows this when the window is closed during a run.
        return f"the segmentation of '{self.plane.layer.name}'"
