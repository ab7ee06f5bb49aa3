"""One run in the viewer: a worker computes, the labels layer shows what is done, the footer tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from superqt.utils import qthrottled

from napari_exactile.run import events
from napari_exactile.run.control import Control
from napari_exactile.run.events import Event
from napari_exactile.run.job import Job
from napari_exactile.run.scores import thresholded
from napari_exactile.run.series import Series
from napari_exactile.widget.chooser import Choice
from napari_exactile.widget.classes import ClassMemory
from napari_exactile.widget.finished import Finished
from napari_exactile.widget.footer import Footer
from napari_exactile.widget.layers import (
    add_probabilities,
    finish_layer,
    placement,
    result_layers,
    shown,
)
from napari_exactile.widget.overlay import TilingOverlay
from napari_exactile.widget.run_words import duration
from napari_exactile.widget.tile_shapes import TileStatus
from napari_exactile.widget.view_order import ViewOrder

# A redraw takes tens of milliseconds with software OpenGL: more of them would only slow the run.
REFRESH_MS = 250
# Where this stands in a layer's name, the run is not complete.
INCOMPLETE = " (incomplete, "


class Run:
    """A job and the layer that shows it; it can be started, cancelled and started again to continue.

    All methods belong to the GUI thread. `on_end` is called after the worker has stopped, however it did.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        overlay: TilingOverlay,
        footer: Footer,
        choice: Choice,
        on_end: Callable[[], None],
    ) -> None:
        self._viewer, self._overlay, self._footer, self._on_end = viewer, overlay, footer, on_end
        self._plane, self.model, self.key = choice.plane, choice.model, choice.key
        self.series = Series(choice.planes, choice.model, choice.analysis, choice.settings)
        self.region = self.job.plan.tiling.region
        self._where = placement(choice.plane, choice.analysis.grid, self.job.labelled)
        self.classes = choice.classes
        self.layers: list[Labels | Image] = []
        self.error = ""
        self.saved = False
        self._name = f"{self._inexact_words()}{choice.plane.layer.name} - {choice.model.name}"
        self._image_name = choice.plane.layer.name
        self._plane_words = ""
        self._order = ViewOrder(viewer, choice.plane, lambda: self.series)
        self._cancelled, self._control = threading.Event(), Control(self._order)
        self._running = False
        self._worker: Any = None
        self._current = -1
        self._fresh: list[int] = []
        self._stopped = threading.Event()
        self._started, self._done_before = 0.0, 0
        self._show_soon = qthrottled(self._show_tiles, timeout=REFRESH_MS)
        self._progress_soon = qthrottled(self._show_progress, timeout=REFRESH_MS)
        footer.destroyed.connect(self.abandon)

    @property
    def job(self) -> Job:
        """The job of the plane that is being segmented, or was last."""
        return self.series.job

    @property
    def layer(self) -> Labels | Image | None:
        """The layer that shows the result, or the first of several; None before there is one."""
        return self.layers[0] if self.layers else None

    @property
    def running(self) -> bool:
        """Whether the worker is at work."""
        return self._running

    @property
    def stopped(self) -> bool:
        """Whether the worker's thread has left the job."""
        return self._stopped.is_set()

    @property
    def can_continue(self) -> bool:
        """Whether something is done, something is left, and the layer is still there."""
        return bool(self.series.done) and not self.series.complete and self.layer in self._viewer.layers

    def start(self) -> None:
        """Begin, or continue with the tiles that are left."""
        self._cancelled.clear()
        self._control.resume()
        self._stopped.clear()
        self._running, self.error, self.saved = True, "", False
        self._started = self._waited = 0.0
        self._order.follow()
        self._overlay.start_status()
        self._overlay.set_status(self.job.done, TileStatus.DONE)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._footer.running("Starting...")
        self._footer.show_result("", can_save=False)
        self._worker = create_worker(self._events, _start_thread=False, _ignore_errors=True)
        self._worker.yielded.connect(self._on_event)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def show_classes(self, memory: ClassMemory) -> None:
        """Give the labels the names and colours in `memory`, also where they are saved later."""
        self.classes = memory.of(self.model.card, len(self.classes.names))
        for i, layer in enumerate(self.layers):
            if isinstance(layer, Labels) and layer in self._viewer.layers:
                (self.classes.of_channel(i) if self.job.decision.leading else self.classes).show_in(layer)

    def cancel(self) -> None:
        """Ask the worker to stop; it does between two operators. May be called from any thread."""
        self._cancelled.set()

    @property
    def paused(self) -> bool:
        """Whether no tile may be started."""
        return self._control.paused

    def pause(self) -> None:
        """Pause, or resume where it is paused: the tile at work is finished in any case."""
        (self._control.resume if self.paused else self._control.pause)()
        self._footer.show_paused(self.paused)
        if self._started:
            self._show_progress()

    def abandon(self) -> None:
        """Stop without showing anything any more: the viewer is going away."""
        self.cancel()
        self._running = False
        self._order.leave()

    def leave(self) -> None:
        """Stop and leave the layer as it is, named as what it is: the dock is going away, not the viewer."""
        if self._running:
            self._finish_layers()
        self.abandon()

    def _events(self) -> Iterator[Event | Exception]:
        """Run in the worker's thread; only small values cross to the GUI, never pixels.

        Errors are handed over as values: a worker that gets a RuntimeError from its generator takes it for a
        deleted Qt object, and ends without a word.
        """
        try:
            yield from self.series.run(self._is_cancelled, self._control)
        except Exception as error:
            yield error
        finally:
            self._stopped.set()

    def _is_cancelled(self) -> bool:
        # napari asks its workers to quit when the window closes; that alone acts only between two tiles.
        return self._cancelled.is_set() or self._worker.abort_requested

    def __repr__(self) -> str:
        # napari shows this when the window is closed during a run.
        return f"the segmentation of '{self._plane.layer.name}'"

    def _inexact_words(self) -> str:
        plan = self.job.plan
        word = "APPROXIMATE" if plan.approximate else "INEXACT"
        return "" if plan.exact else f"{word} radius {max(plan.radius)}: "

    def _on_event(self, event: Event | Exception) -> None:
        if not self._running:
            return
        match event:
            case events.PlaneStarted(number, planes):
                self._plane_words, self._fresh, self._current = f"plane {number} of {planes}", [], -1
                self._overlay.start_status()
            case events.Measuring(fraction):
                self._footer.running(self._words("Measuring image"), round(100 * fraction), 100)
            case events.Surveying(number, passes, done, tiles):
                words = self._words(f"Pass {number} of {passes} before the labels")
                self._footer.running(words, done, tiles)
            case events.Ready():
                if not self._started:
                    self._waited = self._control.waited
                    self._started, self._done_before = time.perf_counter(), self.series.done
                self._show_layer()
                self._progress_soon()
            case events.TileStarted(index):
                self._current = index
                self._show_soon()
            case events.TileFinished(index):
                self._fresh.append(index)
                self._show_soon()
                self._progress_soon()
            case events.Paused():
                self._show_progress()
            case events.TileHalved(zone):
                self._footer.show_rate(f"Memory was short: going on in pieces of {max(zone)} px")
            case Exception():
                self._on_error(event)

    def _show_layer(self) -> None:
        if not self.layers:
            self.layers = result_layers(
                self._viewer, self.series, self._plane, self._where, self._name, self.classes
            )
        for layer in self.layers:
            layer.editable = False

    def _show_progress(self) -> None:
        if not self._running:
            return  # a throttled call can come late, when the dock is already gone
        done, tiles = self.series.done, self.series.tiles
        words = f"{'Paused: ' if self.paused else ''}{done} of {tiles} tiles"
        self._footer.running(self._words(words), done, tiles)
        seconds = time.perf_counter() - self._started - (self._control.waited - self._waited)
        fresh = done - self._done_before
        if fresh > 0 and not self.paused:
            planes = len(self.series.planes.sources)
            pixels = planes * np.prod([len(span) for span in self.region]) * fresh / tiles
            left = (tiles - done) * seconds / fresh
            self._footer.show_rate(f"{pixels / seconds / 1e6:.2f} Mpx/s - {duration(left)} left")

    def _show_tiles(self) -> None:
        """Show labels and status of the tiles that have finished since the last time, in one redraw."""
        fresh, self._fresh = self._fresh, []
        changes = dict.fromkeys(fresh, TileStatus.DONE)
        if self._running and self._current not in self.job.done:
            changes[self._current] = TileStatus.RUNNING
        self._overlay.update_status(changes)
        for layer in self._shown_layers if fresh else ():
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    @property
    def _shown_layers(self) -> list[Labels | Image]:
        return [layer for layer in self.layers if layer in self._viewer.layers]

    def _words(self, text: str) -> str:
        return f"{text}, {self._plane_words}" if self._plane_words else text

    def _on_removed(self, event: Any) -> None:
        if event.value in self.layers and not self._shown_layers:
            self.cancel()

    def _on_error(self, error: Exception) -> None:
        self.error = str(error) or type(error).__name__
        show_error(self.error)

    def _on_finished(self) -> None:
        if not self._running:
            return
        self._running = False
        self._order.leave()
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._show_soon.cancel()
        self._progress_soon.cancel()
        self._show_tiles()
        if self._current not in self.job.done:
            failed = TileStatus.FAILED if self.error else TileStatus.WAITING
            self._overlay.set_status([self._current], failed)
        self._finish_layers()
        self._footer.show_result(self.summary(), can_save=self.can_save)
        self._on_end()

    def _finish_layers(self) -> None:
        complete, layers = self.series.complete, self._shown_layers
        for layer in layers:
            name = layer.name.split(INCOMPLETE)[0]
            layer.name = name if complete else f"{name}{INCOMPLETE}{self._percent()} %)"
            layer.metadata = {**layer.metadata, "exactile": asdict(self.series.report())}
            layer.editable = True
            finish_layer(layer)
        if complete and layers:
            self._overlay.clear_status()
            if self.series.labels is not None and self.series.probabilities is not None:
                add_probabilities(
                    self._viewer, self.series.probabilities, self._plane, self._where, self._name,
                    self.classes.names, self.classes.background,
                )  # fmt: skip

    @property
    def can_save(self) -> bool:
        """Whether there is something to write."""
        return bool(self.series.done)

    @property
    def can_rethreshold(self) -> bool:
        """Whether another threshold needs no second run: the probabilities were kept."""
        kept = self.series.probabilities is not None and self.job.decision.kind == "threshold"
        return kept and self.series.complete and not self._running

    def finished(self) -> Finished:
        """Return the labels of a complete run, for what is made of them."""
        plane, series, labels = self._plane, self.series, self.series.labels
        assert isinstance(self.layer, Labels)
        assert labels is not None
        index = () if len(series.planes.sources) > 1 or not plane.index else plane.index
        # Always the same array: whether the labels are still those of before is told by it.
        part = self.job.labels if index else labels
        axes = series.planes.axes[-(labels.ndim - len(index)) :]
        size = plane.pixel_size and series.analysis.grid.pixel_size(plane.pixel_size)
        return Finished(
            self.layer, part, index, self.classes.names, self.classes.background, axes,
            labels.shape, plane.channel_axis, size, partial(shown, plane),
        )  # fmt: skip

    def rethreshold(self, threshold: float) -> None:
        """Write the labels of another threshold; call it in a thread, then `refresh`."""
        labels, chances = self.series.labels, self.series.probabilities
        assert labels is not None
        assert chances is not None
        labels[...] = thresholded(chances if labels.ndim == chances.ndim else chances[0], threshold)

    def refresh(self) -> None:
        """Show what has changed in the arrays."""
        self.saved = False
        for layer in self._shown_layers:
            layer.refresh()
        self._footer.show_result(self.summary(), can_save=self.can_save)

    def summary(self) -> str:
        """Return the result in one line."""
        job, series = self.job, self.series
        saved, tiles = "saved" if self.saved else "unsaved", f"{series.done} of {series.tiles} tiles"
        if self.error:
            return f"Failed: {self.error}. {tiles} are kept"
        if not series.done:
            return "Cancelled: nothing was done"
        if not series.complete:
            return f"Incomplete: {tiles} ({self._percent()} %) - {saved}"
        ties = f"{series.near_ties} near-tie{'' if series.near_ties == 1 else 's'}"
        if series.labels is None:
            ties = "values"
        if job.plan.exact:
            return f"Done: exact, {ties} - {saved}"
        if job.plan.approximate:
            return f"Done: APPROXIMATE, not exact (radius {max(job.plan.radius)} px), {ties} - {saved}"
        needed = max(job.plan.required_radius)
        return f"Done: INEXACT (context {max(job.plan.radius)} px, needed {needed}), {ties} - {saved}"

    def save(self, path: Any) -> None:
        """Write the labels as they are, with class names and pixel size; runs in any thread."""
        from napari_exactile.images.tiff import save_labels, save_values
        from napari_exactile.run.summary import description

        size = self._plane.pixel_size and self.job.analysis.grid.pixel_size(self._plane.pixel_size)
        note, axes = description(self.series.report()), self.series.planes.axes
        if self.series.labels is None:
            assert self.series.probabilities is not None
            save_values(path, self.series.probabilities, size, note, f"c{axes}")
            return
        leading = self.job.decision.leading
        known = ("no", "yes") if leading else self.classes.names
        names = (*known, *(() if self.series.complete else ("unfinished",)))
        axes = f"c{axes}" if leading else axes
        save_labels(path, self.series.labels, names, size, axes=axes, note=note)

    @property
    def image_name(self) -> str:
        """The name of the image when the run began."""
        return self._image_name

    @property
    def name(self) -> str:
        """The name of the labels layer when it is complete."""
        return self._name

    def _percent(self) -> int:
        return int(100 * self.series.done / self.series.tiles)
