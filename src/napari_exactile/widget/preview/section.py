"""The section of the dock that shows what an undersized context would cost, before anything is segmented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from superqt.utils import qthrottled

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.choose.choice import Choice
from napari_exactile.widget.choose.output import folder_beside
from napari_exactile.widget.draw.drawn import DrawnRectangle
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.own_layer import Frame
from napari_exactile.widget.draw.planes import region_in_view
from napari_exactile.widget.form.background import Going
from napari_exactile.widget.form.glossary import sentence
from napari_exactile.widget.form.settled import Settled
from napari_exactile.widget.preview.fields import DRAWN, SEAM, PreviewFields
from napari_exactile.widget.preview.layers import PreviewLayers
from napari_exactile.widget.preview.question import (
    computing,
    described,
    refusal,
    seam_window,
    window_in,
    with_radius,
)
from napari_exactile.widget.preview.whole_image import Estimating, Plotting
from napari_exactile.widget.work.long_work import LongWork

if TYPE_CHECKING:
    from napari_exactile.evaluate.errors import TilingError
    from napari_exactile.evaluate.preview import ErrorPreview
    from napari_exactile.widget.preview.plot import PlotDock

NAME = "Preview: rectangle"
CANCELLED = "Cancelled: change the context or the place to compute again"
AGAIN = "choose another place to look at, and then the rectangle again"


class PreviewSection:
    """Follows the view and the fields while the section is open, and shows the error of the usual tiling.

    Everything is computed in the background; a new question supersedes the one before it. All methods belong
    to the GUI thread.
    """

    def __init__(
        self, viewer: ViewerModel, fields: PreviewFields, overlay: TilingOverlay, settled: Settled
    ) -> None:
        self._viewer, self.fields, self._overlay, self._settled = viewer, fields, overlay, settled
        self._layers = PreviewLayers(viewer)
        self._drawn = DrawnRectangle(viewer, NAME, AGAIN, self.update)
        self._choice: Choice | None = None
        self._reason = ""
        self._known: tuple[Any, ErrorPreview] | None = None
        self._asked: tuple[ErrorPreview, Tiling, Box] | None = None
        self._described: Tiling | None = None
        self.work = LongWork("Computing", lambda words: fields.result.say(f"{words}..."), fields.computing)
        self._estimating, self._plotting = Estimating(fields), Plotting(viewer)
        # Not at every move of the mouse: each place is computed.
        self.view_moved = qthrottled(self.update, timeout=300, leading=False)
        self._gone = False
        fields.form.destroyed.connect(self._stop)
        fields.where.changed.connect(self._on_where)
        fields.radius.changed.connect(self.update)
        fields.estimate.changed.connect(self._on_estimate)
        fields.plot.changed.connect(self._on_plot)

    def choose(self, choice: Choice | None, reason: str = "") -> None:
        """Look at what would be run now; without a choice, `reason` says why nothing is shown."""
        if choice is not None:
            reason = refusal(choice.task, len(choice.plane.shape), choice.plane.is_flat)
            choice = None if reason else choice
        self._choice, self._reason = choice, reason
        self.fields.lock(choice is None)
        if choice is None:
            self._estimating.stop()
            self._plotting.stop()
        else:
            self.fields.offer(choice.task.plan.factor, choice.task.plan.required_radius)
            self.fields.offer_estimate(choice.plane.whole_words)
        self.update()

    def update(self, _value: Any = None) -> None:
        """Show the error for the place and context of now: at once if it is known, else when computed.

        Where napari is adding or removing layers, that waits until it is done.
        """
        self._settled.call(self._update)

    def _update(self) -> None:
        if self._gone:
            return  # a throttled call can come late
        if not self.fields.form.isVisible():
            self._rest()
            return
        try:
            choice, frame, window = self._place()
        except ValueError as reason:
            self._rest()
            self.fields.result.say(sentence(reason), warning=True)
            return
        self._compute(choice, frame, window)

    def leave(self) -> None:
        """Stop computing and let go of the viewer."""
        self._stop()
        self._drawn.leave()
        self._layers.release()

    def _stop(self) -> None:
        """Compute nothing any more and deliver no answer."""
        self._gone = True
        self.view_moved.cancel()
        for work in (self.work, self._estimating, self._plotting):
            work.forget()

    @property
    def plot(self) -> PlotDock | None:
        """The dock of the plot; None before it was opened, and once it is gone."""
        return self._plotting.dock

    # --- the error at one place

    def _place(self) -> tuple[Choice, Frame, Box]:
        """Return what is looked at, or raise ValueError with the reason why nothing is."""
        choice = self._choice
        if choice is None:
            raise ValueError(self._reason or "Choose an image and a model that can be segmented first")
        frame = Frame.of(choice.plane.layer)
        return choice, frame, self._window(choice, frame)

    def _window(self, choice: Choice, frame: Frame) -> Box:
        where = self.fields.where.value
        if where == SEAM:
            centre = frame.shown_in(self._viewer).pixel(self._viewer.scene.camera.center)
            return seam_window(choice.task.plan.tiling, centre)
        if where == DRAWN:
            box = self._drawn.box(frame, choice.plane.shape)
        else:
            box = region_in_view(choice.plane, self._viewer, "look at the nearest seam")
        return window_in(box, choice.task.plan.tiling.region)

    def _compute(self, choice: Choice, frame: Frame, window: Box) -> None:
        preview, tiling = self._preview_of(choice), self._tiling(choice)
        self._describe(choice, tiling, window)
        self._overlay.context_radius = tiling.radius
        self._layers.outline(frame, window, frame.width(self._viewer, 2.0))
        known = preview.known(tiling, window)
        if known is not None:
            self._show(frame, known)
        elif (preview, tiling, window) != self._asked:
            self._ask(preview, tiling, window, frame)

    def _ask(self, preview: ErrorPreview, tiling: Tiling, window: Box, frame: Frame) -> None:
        """Compute in the background; the same question again changes nothing, another one supersedes it."""
        self._asked = preview, tiling, window
        self._layers.clear()
        surveys = len(self._choice.task.plan.schedule.surveys) if self._choice else 0

        def compute(going: Going) -> Iterator[TilingError]:
            yield preview.error(tiling, window, going, going.tell)

        self.work.begin(
            compute, lambda error: self._show(frame, error), self._failed, self._cancelled,
            computing(preview.measured, surveys),
        )  # fmt: skip

    def _describe(self, choice: Choice, tiling: Tiling, window: Box) -> None:
        if tiling != self._described:
            # An estimate is of one tiling.
            self._described = tiling
            self._estimating.stop()
            self.fields.estimated.say()
        self.fields.tile.say(described(choice.task.plan, tiling, window))

    def _show(self, frame: Frame, error: TilingError) -> None:
        from napari_exactile.evaluate.words import error_remarks, error_sentence

        self._asked = None
        self.work.stop()
        self._layers.show(frame, error)
        self.fields.result.say("\n".join([f"{error_sentence(error)}.", *error_remarks(error)]))

    def _failed(self, error: Exception) -> None:
        self._asked = None
        self.fields.result.say(f"The preview failed: {error}", warning=True)

    def _cancelled(self) -> None:
        """Say so; the same is not asked again by itself."""
        self.fields.result.say(CANCELLED)

    def _rest(self) -> None:
        """Show and compute nothing."""
        self.work.stop()
        self._asked = None
        self._layers.hide()
        self._overlay.context_radius = None

    def _tiling(self, choice: Choice) -> Tiling:
        return with_radius(choice.task.plan, self.fields.radius.value)

    def _preview_of(self, choice: Choice) -> ErrorPreview:
        """Return what computes errors of this image and model, and remembers them."""
        from napari_exactile.evaluate.preview import ErrorPreview
        from napari_exactile.images.planes import Planes
        from napari_exactile.run.task.task import Task

        settings = replace(choice.task.settings, tile="auto", radius="auto", method="trimmed")
        key = choice.plane.identity, choice.task.model, settings
        if self._known is None or self._known[0] != key:
            self._estimating.stop()
            self.fields.estimated.say()
            self._plotting.stop()
            planes = Planes.single(choice.plane.source)
            self._known = (
                key,
                ErrorPreview(Task.of(planes, choice.task.model, choice.task.analysis, settings)),
            )
        return self._known[1]

    def _on_where(self, where: str) -> None:
        if where == DRAWN and self._choice is not None:
            with suppress(ValueError):  # `update` says why nothing can be drawn
                self._drawn.ask(Frame.of(self._choice.plane.layer))
        self.update()

    # --- the whole image, and the plot

    def _on_estimate(self, _clicked: Any) -> None:
        if self.fields.estimating:
            self._estimating.stop()
            return
        if self._choice is None:
            return
        whole = self._choice.plane.whole_words
        of = f"{whole[0].upper()}{whole[1:]}"
        self._estimating.begin(self._preview_of(self._choice), self._tiling(self._choice), of)

    def _on_plot(self, _clicked: Any) -> None:
        """Open the plot's dock; the first time, matplotlib is loaded in the background."""
        self.fields.plot.enabled = False
        self._plotting.load(self._open_plot, self._failed)

    def _open_plot(self, make: Callable[[], PlotDock]) -> None:
        self.fields.plot.enabled = True
        try:
            choice, _frame, window = self._place()
        except ValueError as reason:
            self.fields.result.say(sentence(reason), warning=True)
            return
        title = f"{choice.plane.source.name} - {choice.task.model.name}"
        folder = folder_beside(choice.plane.layer)
        self._plotting.begin(make, title, folder, self._preview_of(choice), self._tiling(choice), window)
