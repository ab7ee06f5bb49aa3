"""The section of the dock that shows what an undersized context would cost, before anything is segmented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from superqt.utils import qthrottled

from napari_exactile.geometry.interval import Box, box_shape
from napari_exactile.geometry.seams import nearest_junction, window_around
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.geometry.words import counted, lengths, times
from napari_exactile.stopping import Check
from napari_exactile.widget.choose.chooser import Choice
from napari_exactile.widget.draw.drawn import DrawnRectangle
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.own_layer import Frame
from napari_exactile.widget.draw.planes import region_in_view
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.form.settled import Settled
from napari_exactile.widget.preview.fields import DRAWN, SEAM, PreviewFields
from napari_exactile.widget.preview.layers import PreviewLayers

if TYPE_CHECKING:
    from napari_exactile.evaluate.errors import TilingError
    from napari_exactile.evaluate.estimate import Estimate
    from napari_exactile.evaluate.preview import ErrorPreview
    from napari_exactile.widget.preview.plot import PlotDock

SEAM_WINDOW, LARGEST_WINDOW = 512, 2048
"""Pixels a side of the window at a seam, and the most of the view or of a rectangle that is computed."""

NAME = "Preview: rectangle"
AGAIN = "choose another place to look at, and then the rectangle again"
PLOT_TITLE = "Error against context"


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
        self._error, self._estimate, self._sweep, self._opening = (Latest() for _ in range(4))
        self.plot: PlotDock | None = None
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
        if choice is not None and (refusal := _refusal(choice)):
            choice, reason = None, refusal
        self._choice, self._reason = choice, reason
        self.fields.lock(choice is None)
        if choice is None:
            self._stop_estimating()
            self._stop_plotting()
        else:
            self.fields.offer(choice.task.plan.factor, choice.task.plan.required_radius)
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
            self.fields.result.say(f"{reason}.", warning=True)
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
        for latest in (self._error, self._estimate, self._sweep, self._opening):
            latest.forget()

    # --- the error at one place

    def _place(self) -> tuple[Choice, Frame, Box]:
        """Return what is looked at, or raise ValueError with the reason why nothing is."""
        choice = self._choice
        if choice is None:
            raise ValueError(self._reason or "Choose an image and a model that can be segmented first")
        frame = Frame.of(choice.plane.layer)
        return choice, frame, self._window(choice, frame)

    def _window(self, choice: Choice, frame: Frame) -> Box:
        region, where = choice.task.plan.tiling.region, self.fields.where.value
        if where == SEAM:
            centre = frame.shown_in(self._viewer).pixel(self._viewer.scene.camera.center)
            junction = nearest_junction(choice.task.plan.tiling, centre)
            if junction is None:
                raise ValueError("There is one tile only, so there is no seam: choose a smaller tile")
            return window_around(junction, SEAM_WINDOW, region)
        if where == DRAWN:
            box = self._drawn.box(frame, choice.plane.shape)
        else:
            box = region_in_view(choice.plane, self._viewer)
        sides = list(zip(box, region, strict=True))
        if any(side.stop <= outer.start or side.start >= outer.stop for side, outer in sides):
            raise ValueError("That lies outside the part of the image that is to be segmented")
        inside = tuple(side.clip(outer) for side, outer in sides)
        middle = [(side.start + side.stop) // 2 for side in inside]
        return window_around(middle, LARGEST_WINDOW, inside)

    def _compute(self, choice: Choice, frame: Frame, window: Box) -> None:
        preview, tiling = self._preview_of(choice), self._tiling(choice)
        self._describe(choice, tiling, window)
        self._overlay.context_radius = tiling.radius
        self._layers.outline(frame, window, frame.width(self._viewer, 2.0))
        known = preview.known(tiling, window)
        if known is not None:
            self._error.forget()
            self._show(frame, known)
        elif (preview, tiling, window) != self._asked:
            self._ask(preview, tiling, window, frame)

    def _ask(self, preview: ErrorPreview, tiling: Tiling, window: Box, frame: Frame) -> None:
        """Compute in the background; the same question again changes nothing, another one supersedes it."""
        self._asked = preview, tiling, window
        self._layers.clear()
        surveys = len(self._choice.task.plan.schedule.surveys) if self._choice else 0
        first = "" if preview.measured else "; before that, the whole image is measured"
        first = (
            f"; before that, {counted(surveys, 'pass', 'passes')} over the whole image" if surveys else first
        )
        self.fields.result.say(f"Computing{first}...")

        def compute(check: Check) -> Iterator[TilingError]:
            yield preview.error(tiling, window, check)

        self._error.follow(compute, lambda error: self._show(frame, error), self._failed)

    def _describe(self, choice: Choice, tiling: Tiling, window: Box) -> None:
        if tiling != self._described:
            # An estimate is of one tiling.
            self._described = tiling
            self._stop_estimating()
            self.fields.estimated.say()
        off = any(r % f for r, f in zip(tiling.radius, tiling.factor, strict=True))
        grid = f" - off the grid of {lengths(tiling.factor)} px" if off else ""
        needed, tile = choice.task.plan.required_radius, choice.task.plan.tile_with(tiling.radius)
        self.fields.tile.say(
            f"of {lengths(needed)} px needed{grid}\n"
            f"zone {lengths(tiling.zone)} px, tile {lengths(tile)} px\n"
            f"window {times(box_shape(window))} px"
        )

    def _show(self, frame: Frame, error: TilingError) -> None:
        from napari_exactile.evaluate.words import error_remarks, error_sentence

        self._asked = None
        self._layers.show(frame, error)
        self.fields.result.say("\n".join([f"{error_sentence(error)}.", *error_remarks(error)]))

    def _failed(self, error: Exception) -> None:
        self._asked = None
        self.fields.result.say(f"The preview failed: {error}", warning=True)

    def _rest(self) -> None:
        """Show and compute nothing."""
        self._error.forget()
        self._asked = None
        self._layers.hide()
        self._overlay.context_radius = None

    def _tiling(self, choice: Choice) -> Tiling:
        """Return the tiling of the plan with the chosen context: zones stay, tiles grow."""
        radius = self.fields.radius.value
        return replace(choice.task.plan.tiling, radius=(radius,) * len(choice.task.plan.radius))

    def _preview_of(self, choice: Choice) -> ErrorPreview:
        """Return what computes errors of this image and model, and remembers them."""
        from napari_exactile.evaluate.preview import ErrorPreview
        from napari_exactile.images.planes import Planes
        from napari_exactile.run.task.task import Task

        settings = replace(choice.task.settings, tile="auto", radius="auto", method="trimmed")
        key = choice.plane.identity, choice.task.model, settings
        if self._known is None or self._known[0] != key:
            self._stop_estimating()
            self.fields.estimated.say()
            self._stop_plotting()
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
            self._stop_estimating()
            return
        if self._choice is None:
            return
        preview, tiling = self._preview_of(self._choice), self._tiling(self._choice)
        self.fields.estimating = True
        self.fields.estimated.say("Measuring zones...")
        self._estimate.follow(
            lambda is_superseded: preview.estimate(tiling, is_superseded), self._show_estimate,
            self._estimate_failed, lambda: setattr(self.fields, "estimating", False),
        )  # fmt: skip

    def _show_estimate(self, estimate: Estimate) -> None:
        from napari_exactile.evaluate.words import estimate_sentence

        self.fields.estimated.say(estimate_sentence(estimate))

    def _estimate_failed(self, error: Exception) -> None:
        self.fields.estimated.say(f"The estimate failed: {error}", warning=True)

    def _stop_estimating(self) -> None:
        self._estimate.forget()
        self.fields.estimating = False

    def _stop_plotting(self) -> None:
        """Leave the plot as far as it is."""
        self._sweep.forget()
        if self.plot is not None:
            self.plot.end()

    def _on_plot(self, _clicked: Any) -> None:
        """Open the plot's dock; the first time, matplotlib is loaded in the background."""
        self.fields.plot.enabled = False
        self._opening.ask(
            lambda: import_module("napari_exactile.widget.preview.plot").PlotDock,
            self._open_plot,
            self._failed,
        )

    def _open_plot(self, make: Callable[[], PlotDock]) -> None:
        self.fields.plot.enabled = True
        try:
            choice, _frame, window = self._place()
        except ValueError as reason:
            self.fields.result.say(f"{reason}.", warning=True)
            return
        preview, tiling, plot = self._preview_of(choice), self._tiling(choice), self._plot_dock(make)
        plot.begin(f"{choice.plane.source.name} - {choice.task.model.name}")
        self._sweep.follow(
            lambda is_superseded: preview.sweep(tiling, window, is_superseded),
            plot.show_sweep, plot.fail, plot.end,
        )  # fmt: skip

    def _plot_dock(self, make: Callable[[], PlotDock]) -> PlotDock:
        """Return the dock of the plot, opened anew where the person closed it."""
        if self.plot is None or self.plot.parent() is None:
            self.plot = make()
            self._viewer.window.add_dock_widget(self.plot, name=PLOT_TITLE, area="bottom")
            self.plot.destroyed.connect(self._forget_plot)
        return self.plot

    def _forget_plot(self) -> None:
        self._sweep.forget()
        self.plot = None


def _refusal(choice: Choice) -> str:
    """Return why there is no preview for what has been chosen; empty where there is one."""
    from napari_exactile.evaluate.errors import NO_CLASSES, NO_COMPARISON

    reasons = {
        "An approximate model has no exact result to compare with": choice.task.plan.approximate,
        NO_COMPARISON: not choice.task.analysis.grid.is_of_image,
        NO_CLASSES: not choice.task.decision.one_label,
        "The preview shows planes: scripts can compare volumes (tiling_error)": len(choice.plane.shape) > 2,
        "The preview measures a plane by itself: untick Normalise together": choice.task.settings.together,
        "The preview needs y and x as the last axes of the image": not choice.plane.is_flat,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
