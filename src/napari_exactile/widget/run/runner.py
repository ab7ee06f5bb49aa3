"""One run in the viewer: a worker computes, the labels layer shows what is done, the footer tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.notifications import show_error
from superqt.utils import qthrottled

from napari_exactile.geometry.interval import overlap
from napari_exactile.images.store.store import StoreGoneError, refuse_gone
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.widget.choose.chooser import Choice
from napari_exactile.widget.draw.classes import Classes, ClassMemory
from napari_exactile.widget.draw.layers import Written
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.planes import region_in_view
from napari_exactile.widget.draw.tile_shapes import TileStatus
from napari_exactile.widget.run.computation import Computation
from napari_exactile.widget.run.edits import Edits
from napari_exactile.widget.run.footer import Footer
from napari_exactile.widget.run.progress import REFRESH_MS, Progress
from napari_exactile.widget.run.result_layers import ResultLayers, remove_layers_over
from napari_exactile.widget.run.view_order import ViewOrder
from napari_exactile.widget.run.watched import WatchedPixels
from napari_exactile.widget.run.words import CHECK_FAILED, inexact_words, outcome


class ShownRun:
    """A job and the layer that shows it; it can be started, cancelled and started again to continue.

    All methods belong to the GUI thread. `on_end` is called after the worker has stopped, however it did,
    `on_edit` when labels were changed after it.
    `has_footer` until another run gets it: only one can have its result there.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        overlay: TilingOverlay,
        footer: Footer,
        choice: Choice,
        on_end: Callable[[], None],
        on_plan: Callable[[], None] = lambda: None,
        on_edit: Callable[[], None] = lambda: None,
        overwrite: bool = False,
    ) -> None:
        self._viewer, self._overlay, self._footer = viewer, overlay, footer
        self._on_end, self._on_plan, self._on_edit = on_end, on_plan, on_edit
        self.plane, self.model, self.key = choice.plane, choice.task.model, choice.key
        self._order = ViewOrder(viewer, choice.plane, lambda: self.series)
        self._computation = Computation(choice, self._order, overwrite)
        if overwrite and self.path is not None:
            remove_layers_over(viewer, self.path)
        self._image_name = choice.plane.layer.name
        name = f"{inexact_words(self.job.task.plan)}{self._image_name} - {choice.task.model.name}"
        self._shown = ResultLayers(viewer, choice.plane, self.series, name, choice.classes)
        self._edits = Edits(lambda: self.series, self._on_edits)
        self._pixels = WatchedPixels(self.plane.layers, self._on_replaced)
        self._told_replaced = ""
        self.error = ""
        self.saved = self._is_gone = False
        self.has_footer = True
        self.threshold, self._thresholding = self.job.task.decision.threshold, Lock()
        self._running = False
        self._current = -1
        self._fresh: list[int] = []
        self._show_soon = qthrottled(self._show_tiles, timeout=REFRESH_MS)
        self._progress = Progress(footer, self._computation.control, lambda: self.series)
        footer.destroyed.connect(self.abandon)

    @property
    def series(self) -> Series:
        """The labels of all planes."""
        return self._computation.series

    @property
    def path(self) -> Path | None:
        """The store that holds the labels; None where they are in memory."""
        return self._computation.path

    @property
    def written(self) -> Written | None:
        """What is written, once there is something."""
        return self._computation.written

    @property
    def job(self) -> Job:
        """The job of the plane that is being segmented, or was last."""
        return self.series.job

    @property
    def layer(self) -> Labels | Image | None:
        """The layer that shows the result, or the first of several; None before there is one."""
        return self._shown.first

    @property
    def layers(self) -> list[Labels | Image]:
        """All layers that show the result."""
        return self._shown.all

    @property
    def classes(self) -> Classes:
        """Names and colours of the labels."""
        return self._shown.classes

    @property
    def running(self) -> bool:
        """Whether the worker is at work."""
        return self._running

    @property
    def begun(self) -> bool:
        """Whether there was ever something to show: a run can be refused before it."""
        return self.layer is not None

    @property
    def stopped(self) -> bool:
        """Whether the worker's thread has left the job."""
        return self._computation.stopped

    @property
    def can_continue(self) -> bool:
        """Whether something is done, something is left, both of one image, and the layer is still there."""
        left = bool(self.series.done) and not self.series.complete
        lost = self._is_gone or bool(self.series.spoilt)
        return left and not lost and self.layer in self._viewer.layers

    def start(self) -> None:
        """Begin, or continue with the tiles that are left."""
        self._running, self.error, self.saved, self._is_gone = True, "", False, False
        self._edits.take_back()
        self._pixels.follow()
        self._order.follow()
        self._overlay.start_status()
        self._overlay.set_status(self.job.done, TileStatus.DONE)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._progress.start()
        self._footer.show_result("", can_save=False)
        self._computation.start(self._on_event, self._on_finished)

    def show_classes(self, memory: ClassMemory) -> None:
        """Give the labels the names and colours in `memory`, also where they are saved later."""
        self._shown.show_classes(memory, self.series)

    def cancel(self) -> None:
        """Ask the worker to stop; it does between two operators. May be called from any thread."""
        self._computation.cancel()

    @property
    def paused(self) -> bool:
        """Whether no tile may be started."""
        return self._computation.control.paused

    def pause(self) -> None:
        """Pause, or resume where it is paused: the tile at work is finished in any case."""
        control = self._computation.control
        (control.resume if control.paused else control.pause)()
        self._footer.show_paused(self.paused)
        self._progress.show_pause()

    def abandon(self) -> None:
        """Stop without showing anything any more: the viewer is going away."""
        self.cancel()
        self._disconnect()
        self._edits.leave()
        self._running = False
        self._progress.stop()
        self._order.leave()

    def leave(self) -> None:
        """Stop and leave the layer as it is, named as what it is: the dock is going away, not the viewer."""
        if self._running:
            self._shown.finish(self.series, on_disk=self.path is not None)
        elif self.path is None:
            self.unlock()
        self.abandon()

    def _on_event(self, event: Event | Exception) -> None:
        if not self._running:
            return
        if not isinstance(event, Exception):
            self._progress.tell(event)
        match event:
            case events.PlaneStarted():
                self._fresh, self._current = [], -1
                self._overlay.start_status()
            case events.Ready():
                if self.path is not None:
                    self._show_plan()
                self._show_layers()
            case events.TileStarted(index):
                self._current = index
                self._show_soon()
            case events.TileFinished(index):
                self._fresh.append(index)
                self._show_soon()
            case Exception():
                self._on_error(event)

    def _show_layers(self) -> None:
        """Show what is written, unless the person has just removed everything that it could lie on."""
        assert self.written is not None
        if self.begun or self.plane.layer in self._viewer.layers:
            self._shown.show(self.series, self.written)

    def _show_plan(self) -> None:
        """Show the zones of the store, which may have been begun with others, and which of them are done."""
        self._on_plan()
        self._overlay.start_status()
        self._overlay.set_status(self.job.done, TileStatus.DONE)

    def _show_tiles(self) -> None:
        """Show labels and status of the tiles that have finished since the last time, in one redraw."""
        fresh, self._fresh = self._fresh, []
        changes = dict.fromkeys(fresh, TileStatus.DONE)
        if self._running and self._current not in self.job.done:
            changes[self._current] = TileStatus.RUNNING
        self._overlay.update_status(changes)
        if fresh and self._in_sight(fresh):
            self._shown.refresh()

    def _in_sight(self, tiles: Sequence[int]) -> bool:
        """Tell whether one of these tiles can be seen; where that is hard to say, it can."""
        if self._viewer.dims.ndisplay == 3 or not self.plane.is_flat:
            return True
        try:
            view = region_in_view(self.plane, self._viewer)
        except ValueError:
            return False
        tiling = self.job.task.plan.tiling
        return any(overlap(tiling.tile(index).zone, view) for index in tiles)

    def _on_removed(self, event: Any) -> None:
        """Stop where nothing is left to be seen of the run: its labels or, before these, its image."""
        if not self._shown.left and (self.begun or self.plane.layer not in self._viewer.layers):
            self.cancel()

    def _on_replaced(self, name: str) -> None:
        """Stop: the labels would lie on other pixels than they are of."""
        if not self._pixels.replaced:  # the same array, whose pixels can be others
            self.series.spoilt = f"the pixels of '{name}' were changed during the run"
        self.cancel()

    def tell_if_replaced(self) -> None:
        """Say so in the footer where the image shows other pixels than before, or the same again."""
        if not self._running and self._pixels.replaced != self._told_replaced:
            self.show_result()

    def _disconnect(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._pixels.leave()

    def _on_error(self, error: Exception) -> None:
        self.error, self._is_gone = events.words_of(error), isinstance(error, StoreGoneError)
        show_error(self.error)

    def _on_edits(self) -> None:
        self.saved = False
        self._shown.mark(self.series)
        if self.has_footer:
            self.show_result()
            self._on_edit()

    @property
    def edited(self) -> bool:
        """Whether labels in memory were edited since, as far as that was noticed; see `look`."""
        return self.series.edited

    def look(self) -> Any:
        """Find out whether labels in memory were edited; call it in a thread. Return what tells them apart.

        Raises StoreGoneError where labels on disk are gone.
        """
        if self.path is None:
            return self._edits.look()
        refuse_gone(self.path)
        return None

    @property
    def pixels(self) -> Any:
        """The finest of the arrays that the layers show; raises ValueError where it is not the run's."""
        return self._shown.pixels(self._edits.swapped)

    def _on_finished(self) -> None:
        if not self._running:
            return
        self._running = False
        self._order.leave()
        self._disconnect()
        self._show_soon.cancel()
        self._progress.stop()
        self._show_tiles()
        if self._current not in self.job.done:
            failed = TileStatus.FAILED if self.error else TileStatus.WAITING
            self._overlay.set_status([self._current], failed)
        if self._is_gone and self.path is not None:
            self._shown.remove()
            remove_layers_over(self._viewer, self.path)
        computed = self._computation
        if self.path is None:
            self._edits.follow(self._shown.arrays, computed.fingerprint, computed.keeps_edits)
        self._shown.finish(self.series, on_disk=self.path is not None)
        if self.series.complete and self._shown.left:
            self._overlay.clear_status()
            self._shown.add_probabilities()
        self.show_result()
        self._on_end()

    @property
    def can_save(self) -> bool:
        """Whether there is something to write."""
        return bool(self.series.done) and not self._is_gone

    @property
    def can_rethreshold(self) -> bool:
        """Whether another threshold needs no second run: the probabilities were kept."""
        kept = self.path is None and self.series.probabilities is not None
        kept = kept and self.job.task.decision.chosen_threshold is not None
        return kept and self.series.complete and not self._running

    def await_threshold(self, threshold: float) -> None:
        """Lock labels that `rethreshold` is about to write anew, until `refresh` or `unlock`."""
        self.threshold = threshold
        self._shown.lock(True)

    def unlock(self) -> None:
        """Let labels in memory be painted on, which are those of the threshold that was written last."""
        self.threshold = self.job.task.decision.threshold
        self._shown.lock(False)

    def rethreshold(self) -> Any:
        """Write the labels of another `threshold`, in a thread; `refresh` takes what this returns."""
        from napari_exactile.run.engine.edited import fingerprint
        from napari_exactile.run.engine.rethreshold import rethreshold

        with self._thresholding:
            rethreshold(self.series, self.threshold)
            return fingerprint(self.series)

    def refresh(self, before: Any) -> None:
        """Show what has changed in the arrays, which are unedited as they were `before`."""
        self._edits.take_back()
        for layer in self._shown.left:
            layer.refresh()
        self.unlock()
        self._edits.follow(self._shown.arrays, before, kept=False)
        self._on_edits()

    def show_result(self, words: str = "") -> None:
        """Say in the footer what came out, or `words`, and offer what can be done with it."""
        if not self.has_footer:
            return
        self._told_replaced = self._pixels.replaced
        on_disk = self.path is not None and isinstance(self.layer, Labels)
        self._footer.show_result(words or self.summary(), can_save=self.can_save, can_copy=on_disk)

    def summary(self) -> str:
        """Return the result in one line."""
        kept = "saved" if self.saved else f"in {self.path}" if self.path is not None else "unsaved"
        if self.error and not self.begun:
            return f"Not started: {self.error}"
        if self._is_gone:
            return f"Failed: {self.error}"
        words = outcome(self.series, self.error, kept, self._pixels.replaced)
        check = self._computation.check
        failed = check is not None and check.disagrees and self.job.task.plan.exact
        return f"{words}. {CHECK_FAILED}" if failed else words

    @property
    def image_name(self) -> str:
        """The name of the image when the run began."""
        return self._image_name

    @property
    def name(self) -> str:
        """The name of the labels layer when it is complete."""
        return self._shown.name
