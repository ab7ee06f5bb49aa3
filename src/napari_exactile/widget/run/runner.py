"""One run in the viewer: a worker computes, the labels layer shows what is done, the footer tells."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.notifications import show_error
from superqt.utils import ensure_main_thread

from napari_exactile.images.store.store import StoreGoneError
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.tile_shapes import TileStatus
from napari_exactile.widget.form.activity import Activity, Refresh
from napari_exactile.widget.run.computation import Computation
from napari_exactile.widget.run.footer import Footer
from napari_exactile.widget.run.labels import RunLabels
from napari_exactile.widget.run.result_layers import remove_layers_over
from napari_exactile.widget.run.shown_tiles import ShownTiles
from napari_exactile.widget.run.status import State, Status, Tiles
from napari_exactile.widget.run.told import Told
from napari_exactile.widget.run.view_order import ViewOrder
from napari_exactile.widget.run.watched import WatchedPixels
from napari_exactile.widget.run.words import pixels_of, progress_words, summary

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.job import Job
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.task.task import Task
    from napari_exactile.widget.choose.choice import Choice


class ShownRun:
    """A task and the labels in the viewer; it can be started, cancelled and started again to continue.

    `status` is what it does, `labels` what it gives. `footer` shows both, until another run gets it: only one
    can have its result there. All methods but `cancel` belong to the GUI thread.
    """

    def __init__(
        self, viewer: ViewerModel, overlay: TilingOverlay, footer: Footer, choice: Choice, told: Told,
        overwrite: bool = False,
    ) -> None:  # fmt: skip
        self._viewer, self._told, self._choice, self.key = viewer, told, choice, choice.key
        self._now: tuple[Any, str, Choice | None] | None = None
        self.footer: Footer | None = footer
        self._order = ViewOrder(viewer, choice.plane, lambda: self.series)
        self._computation = Computation(choice, self._order, overwrite)
        if overwrite and choice.output is not None:
            remove_layers_over(viewer, choice.output)
        self.labels = RunLabels(viewer, choice, self._computation, self._on_edit)
        self._tiles = ShownTiles(viewer, overlay, self.labels)
        self._pixels = WatchedPixels(choice.plane.layers, self._on_replaced)
        task = choice.task
        self.status = Status(Tiles(0, task.tiles), pixels=pixels_of(task), shares=task.pass_shares())
        self._activity = Activity(f"Segmenting {choice.plane.layer.name}")
        self._show_soon = Refresh(self._show)
        footer.destroyed.connect(self.abandon)

    def detach(self) -> None:
        """Go on without anything that shows how far it is: the panel is going away, not the viewer."""
        if self.footer is not None:
            self.footer.destroyed.disconnect(self.abandon)
        self.footer, self._tiles.overlay, self._told = None, None, Told.nobody()

    def attach(self, footer: Footer, overlay: TilingOverlay, told: Told) -> None:
        """Let another panel show it."""
        self.footer, self._tiles.overlay, self._told = footer, overlay, told
        footer.destroyed.connect(self.abandon)
        if self.running:
            self._tiles.begin(self.job)
            self._show_status()
        else:
            self.show_result()

    @property
    def task(self) -> Task:
        """What is computed; in a store, with the zones that this was begun with."""
        return self._computation.task

    @property
    def series(self) -> Series | None:
        """The labels of all planes; None before a store is open."""
        return self._computation.series

    @property
    def job(self) -> Job | None:
        """The job of the plane that is being segmented, or was last."""
        return None if self.series is None else self.series.job

    @property
    def layer(self) -> Labels | Image | None:
        """The layer that shows the result, or the first of several; None before there is one."""
        return self.labels.layer

    @property
    def running(self) -> bool:
        """Whether the worker is at work."""
        return self.status.running

    @property
    def begun(self) -> bool:
        """Whether there was ever something to show: a run can be refused before it."""
        return self.layer is not None

    @property
    def stopped(self) -> bool:
        """Whether the worker's thread has left the run."""
        return self._computation.stopped

    @property
    def can_continue(self) -> bool:
        """Whether something is done, something is left, both of one image, and the layer is still there."""
        shown = self.layer or self.labels.plane.layer
        return self.status.can_continue and not self.labels.spoilt and shown in self._viewer.layers

    @property
    def can_save(self) -> bool:
        """Whether there is something to write."""
        return self.status.tiles.done > 0 and self.status.state is not State.GONE

    @property
    def can_rethreshold(self) -> bool:
        """Whether another threshold needs no second run."""
        return self.labels.path is None and not self.running and self.labels.threshold.can_change

    # --- what a person asks for

    def start(self) -> None:
        """Begin, or continue with the tiles that are left."""
        self._become(self.status.started(self._counted()))
        self.labels.begin()
        self._pixels.follow()
        self._order.follow()
        self._tiles.begin(self.job)
        self._viewer.layers.events.removed.connect(self._on_removed)
        if self.footer is not None:
            self.footer.show_result("", can_save=False)
        self._computation.start(self._on_event, self._on_finished)

    def pause(self) -> None:
        """Pause, or resume where it is paused: the step at work is finished in any case."""
        resumes, control = self.status.state is State.PAUSED, self._computation.control
        (control.resume if resumes else control.pause)()
        self._become(self.status.resumed() if resumes else self.status.paused())

    def cancel(self, reason: str = "") -> None:
        """Ask the worker to stop; it does between two operators. May be called from any thread."""
        self._computation.cancel()
        self._on_cancel(reason)

    @ensure_main_thread
    def _on_cancel(self, reason: str) -> None:
        self._become(self.status.stopping(reason))

    def abandon(self) -> None:
        """Stop without showing anything any more: the viewer is going away."""
        self._computation.cancel()
        self._become(self.status.closed())
        self._let_go()
        self.labels.leave()

    # --- what the worker tells

    def _on_event(self, event: Event | Exception) -> None:
        if not self.running:
            return
        if isinstance(event, Exception):
            self._become(self.status.failing(events.words_of(event), isinstance(event, StoreGoneError)))
            show_error(self.status.error)
            return
        if isinstance(event, events.Ready):
            self._on_ready()
        self._tiles.heard(event)
        now = time.perf_counter() - self._computation.control.waited
        status = self.status.heard(event, self._counted(), now)
        self._become(status, soon=status.state is self.status.state)

    def _on_ready(self) -> None:
        if self.labels.path is not None:  # a store may have been begun with other zones
            self._told.planned()
            self._tiles.begin(self.job)
        self.labels.show()

    def _on_finished(self) -> None:
        if not self.running:
            return
        self._become(self.status.ended(self._counted()))
        self._let_go()
        self._tiles.show(self.job, TileStatus.FAILED if self.status.error else TileStatus.WAITING)
        if self.status.state is State.GONE:
            self.labels.remove()
        self.labels.follow_edits()
        self.labels.finish()
        if self.status.tiles.complete and self.labels.left:
            self._tiles.clear()
            self.labels.add_probabilities()
        self.show_result()
        self._told.ended()

    def _counted(self) -> Tiles:
        """Return the tiles that are done by now: the worker may be further than what it has told."""
        return Tiles(0 if self.series is None else self.series.done, self.task.tiles)

    # --- what happens in the viewer meanwhile, and afterwards

    def _on_removed(self, event: Any) -> None:
        """Stop where nothing is left to be seen of the run: its labels or, before these, its image."""
        if self.begun and not self.labels.left:
            self.cancel("its labels were deleted")
        elif not self.begun and self.labels.plane.layer not in self._viewer.layers:
            self.cancel("its image was removed")

    def _on_replaced(self, name: str) -> None:
        """Stop: the labels would lie on other pixels than they are of."""
        if not self._pixels.replaced:  # the same array, whose pixels can be others
            self.labels.spoil(f"the pixels of '{name}' were changed during the run")
        self.cancel()

    def _let_go(self) -> None:
        """Follow nothing any more that ends a run or changes its order, and show nothing late."""
        self._order.leave()
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._pixels.leave()
        self._show_soon.cancel()
        self._activity.end()

    def _on_edit(self) -> None:
        self.keep(False)
        self.show_result()
        self._told.edited()

    def keep(self, saved: bool) -> None:
        """Take the labels for saved in a file as they are, or not."""
        self._become(self.status.kept(saved))

    # --- what it shows

    def _become(self, status: Status, soon: bool = False) -> None:
        """Take another status, and show it at once or in the next redraw of tiles: all changes come here."""
        self.status = status
        if soon:
            self._show_soon()
        else:
            self._show_status()

    def _show(self) -> None:
        """Show labels and tiles that have finished since the last time, in one redraw, and how far it is."""
        if self.running:  # a throttled call can come late
            self._tiles.show(self.job, TileStatus.RUNNING)
            self._show_status()

    def _show_status(self) -> None:
        if self.running:
            self._activity.show(progress_words(self.status), self.status.share)
        if self.footer is not None and self.running:
            self.footer.show_status(self.status)

    def tell(self, image: Any, model: str, choice: Choice | None) -> None:
        """Say in the footer what the result is of, where something else is chosen now.

        Also where the image shows other pixels than before, or the same again.
        """
        before, self._now = self._other, (image, model, choice)
        if not self.running and (before, self.status.replaced) != (self._other, self._pixels.replaced):
            self.show_result()

    @property
    def _other(self) -> str:
        """What the result is of, where that is not what is chosen now."""
        # Labels in memory may have got another threshold since.
        then = self._choice if self.labels.path else replace(self._choice, task=self.task)
        return "" if self._now is None else then.apart_from(*self._now)

    def show_result(self, words: str = "") -> None:
        """Say in the footer what came out, or `words`, and offer what can be done with it."""
        if self.footer is None:
            return
        own = self.summary()
        on_disk = self.labels.path is not None and isinstance(self.layer, Labels)
        self.footer.show_result(words or own, can_save=self.can_save, can_copy=on_disk)

    def summary(self) -> str:
        """Return the result in one line."""
        self._become(replace(self.status, replaced=self._pixels.replaced))
        if self.series is None or (self.status.error and not self.begun):
            return f"Not started: {self.status.error}"
        words = summary(self.status, self.series, self.labels.path, self._computation.check)
        if not (other := self._other):
            return words
        again = ". Choose the same again to continue it" if self.can_continue else ""
        return f"Last run ({other}): {words}{again}"
