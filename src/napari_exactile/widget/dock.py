"""The dock widget: pick an image, a model and a tile size, see the layout, run, watch labels arrive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.layers import Image
from qtpy.QtCore import QEvent, QSize
from qtpy.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt.utils import qthrottled

from napari_exactile.widget.choose.chooser import Chooser
from napari_exactile.widget.choose.fields import Fields
from napari_exactile.widget.choose.followed import Followed
from napari_exactile.widget.choose.planner import Planner
from napari_exactile.widget.choose.region import RegionChooser
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.own_layer import OWN, Frame, follow_units, raise_over
from napari_exactile.widget.draw.picture import keep_context
from napari_exactile.widget.form.form import scrolled
from napari_exactile.widget.form.remembered import recall, remember
from napari_exactile.widget.form.settled import Settled
from napari_exactile.widget.model.details import DetailsDialog
from napari_exactile.widget.open.drops import Drops
from napari_exactile.widget.open.open_model import ModelOpener
from napari_exactile.widget.open.series import SeriesChooser
from napari_exactile.widget.preview.fields import PreviewFields
from napari_exactile.widget.preview.section import PreviewSection
from napari_exactile.widget.results.result_actions import ResultActions
from napari_exactile.widget.results.results import ResultFields, Results
from napari_exactile.widget.run.footer import Footer
from napari_exactile.widget.run.runs import Runs
from napari_exactile.widget.run.told import Told

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.widget.run.runner import ShownRun


class ExactileDock(QWidget):
    """Segments the plane of an Image layer exactly; everything it does goes through the public functions."""

    def __init__(self, napari_viewer: napari.viewer.Viewer, *, remembers: bool = True) -> None:
        super().__init__()
        self._remembers = remembers
        self.viewer = napari_viewer
        self.planner = Planner(remembers)
        self.destroyed.connect(self.planner.forget)
        previewing, following = PreviewFields(), ResultFields()
        self.fields = Fields(self._images, self._models, self.update_plan, [previewing, following])
        self.footer = Footer()
        self._settled = Settled(napari_viewer)
        self.destroyed.connect(self._settled.leave)
        self.overlay = TilingOverlay(napari_viewer, self._settled)
        self._drawn_on: Image | None = None
        self._region = RegionChooser(napari_viewer, self.fields, self.update_plan)
        self._chooser = Chooser(napari_viewer, self.fields, self.planner, self._region, self.update_plan)
        self._series = SeriesChooser(napari_viewer, self.fields, self.update_plan)
        self.preview = PreviewSection(napari_viewer, previewing, self.overlay, self._settled)
        self.results = Results(napari_viewer, following, self)
        told = Told(self._on_end, self._draw_overlay, self.results.outdate)
        self.runs = Runs(napari_viewer, self.overlay, self.footer, self, told)
        self.details = DetailsDialog(self, self.planner.classes, self._show_classes)
        self.opener = ModelOpener(
            self.fields.open_model, self.fields.open_note, lambda: self.planner.cards, self.add_model,
            remembers=remembers,
        )  # fmt: skip
        self.result = ResultActions(
            napari_viewer, self.footer, self, lambda: self.run,
            lambda threshold: setattr(self.fields.threshold, "value", threshold),
        )  # fmt: skip
        self.drops = Drops(self, napari_viewer)
        # Not at once: new figures are painted first, as drawing the zones takes longer than computing them.
        self._show_overlay = qthrottled(self._draw_overlay, timeout=100, leading=False)
        self._followed = Followed(napari_viewer, self._settled, self.update_plan, self._on_camera)
        self._arrange()
        self._connect()
        if remembers:
            recall(self.fields.remembered())
        self.reset_choices()
        self._apply_switches()
        self.update_plan()

    # --- what napari and scripts call

    def reset_choices(self, event: Any = None) -> None:
        """Follow the layer list; napari calls this whenever it changes."""
        with self._settled.waiting():
            if self._drawn_on is not None and self._drawn_on not in self.viewer.layers:
                self._drawn_on = None
                self.overlay.forget()
                self._show_overlay()
            self.fields.image.reset_choices()
            if self.fields.image.value is None:
                self._pick_active_image()
            self.results.update()

    def add_model(self, model: Model) -> None:
        """Offer a model made by a script (see `load_model`) and pick it."""
        self.planner.add(model)
        self.fields.model.reset_choices()
        self.fields.model.value = model.name
        self.update_plan()

    @property
    def running(self) -> bool:
        """Whether a run goes on."""
        return self.runs.running

    @property
    def run(self) -> ShownRun | None:
        """The last run, also while it goes on."""
        return self.runs.last

    def start(self) -> None:
        """Run, or continue what was cancelled when nothing else has changed."""
        choice = self._chooser.choice
        if self.running or choice is None:
            return
        if self.runs.continues(choice):
            if not self.result.may_continue():
                return
        elif not self.runs.make(choice):
            return
        self._show_overlay.cancel()
        self._draw_overlay()
        self.fields.lock(True)
        self.preview.choose(None, "The preview waits until the run has ended")
        self.details.check.lock(True)
        self.runs.start()
        self.results.choose(self.run)

    def cancel(self) -> None:
        """Stop the run; what is done is kept."""
        self.runs.cancel()

    def save(self, path: Path | None = None) -> None:
        """Write the labels of the last run to `path`, or to a file that the person picks."""
        self.result.save(path)

    # --- from fields to plan

    def update_plan(self) -> None:
        """Show what the fields mean: image, model, zones and their cost, or why it cannot work."""
        if self.running:
            return
        self.fields.lock(False)
        self._followed.image(self.fields.image.value)
        self._series.offer(self.fields.image.value)
        reason = self._chooser.update()
        self.details.choose(self._chooser.known)
        self.fields.details.enabled = self._chooser.known is not None
        self._show_overlay()
        self.preview.choose(self._chooser.choice)
        self.results.choose(self.run)
        self.runs.tell_if_replaced()
        run = "Run approximately" if self.plan is not None and self.plan.approximate else "Run"
        self.footer.idle(reason, "Continue" if self.runs.continues(self._chooser.choice) else run)

    @property
    def plan(self) -> Plan | None:
        """The plan that Run would carry out, or that is being carried out; None where there is none."""
        if self.running and self.run is not None:
            return self.run.task.plan
        return self._chooser.choice.task.plan if self._chooser.choice else None

    # --- overlay

    def _draw_overlay(self) -> None:
        self._draw_tiling()
        follow_units(self.viewer)

    def _draw_tiling(self) -> None:
        choice = self._chooser.choice
        if choice is None or choice.plane.layer not in self.viewer.layers or not self.isVisible():
            self.overlay.hide()
            return
        try:
            if not choice.plane.is_flat:
                raise ValueError("tiles are drawn where y and x are the last axes, and here they are not")
            frame = Frame.of(choice.plane.layer, len(choice.plane.shape))
        except ValueError as error:
            self.fields.tile_note.say(f"{error}.", warning=True)
            self.overlay.hide()
            return
        # A run that is continued keeps its plan, even if memory has become scarcer since.
        run = self.run if self.running or self.runs.continues(choice) else None
        if self._drawn_on is not choice.plane.layer:
            self._drawn_on = choice.plane.layer
            raise_over(self.viewer, self._drawn_on)
        self.overlay.show(frame, (run.task.plan if run else choice.task.plan).tiling)

    def _apply_switches(self) -> None:
        self.overlay.visible = self.fields.tiling.value
        self.overlay.all_radii = self.fields.all_contexts.value

    def _remember(self, _value: Any) -> None:
        if self._remembers:
            remember(self.fields.remembered())

    # --- the run

    def _on_end(self) -> None:
        self.fields.lock(False)
        self.details.check.lock(False)
        self.update_plan()

    def _show_classes(self) -> None:
        """Show what a person has made of the classes in the labels of the last run, and in those to come."""
        if self.run is not None:
            self.run.labels.show_classes(self.planner.classes)
        self.update_plan()

    # --- events

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Show the tiling together with the dock."""
        super().showEvent(event)
        keep_context(self.viewer, self)
        self._show_overlay()
        self.preview.update()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Hide the tiling and the details together with the dock; a run goes on."""
        super().hideEvent(event)
        self.overlay.hide()
        if event is not None and not event.spontaneous():  # not where the whole window is made small
            self.details.close()
            self.results.objects.dialog.close()
            self.result.close()
        self.preview.update()

    def event(self, event: QEvent | None) -> bool:
        """Notice that napari takes the dock away: it unparents the widget and deletes it some time later."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()
        return super().event(event)

    def _leave(self) -> None:
        """End the run, the analysis and the tiling, and let go of the viewer."""
        self.runs.leave()
        self.planner.forget()
        self.opener.forget()
        self._series.forget()
        self._followed.leave()
        self._show_overlay.cancel()
        self.result.leave()
        self._region.leave()
        self.preview.leave()
        self.results.leave()
        self.overlay.close()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the width that the fields are laid out for."""
        return QSize(350, 600)

    def _images(self, _field: Any) -> list[tuple[str, Image]]:
        layers = self.viewer.layers
        return [(one.name, one) for one in layers if isinstance(one, Image) and OWN not in one.metadata]

    def _models(self, _field: Any) -> list[tuple[str, str]]:
        return [(card.short_title, name) for name, card in self.planner.cards.items()]

    def _pick_active_image(self) -> None:
        active = self.viewer.layers.selection.active
        if isinstance(active, Image) and OWN not in active.metadata:
            self.fields.image.value = active
        elif images := self._images(None):
            self.fields.image.value = images[-1][1]

    def _on_camera(self) -> None:
        self._region.view_moved()
        self.preview.view_moved()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(self.fields.widget), stretch=1)
        layout.addWidget(self.footer)
        self.setMinimumWidth(300)

    def _connect(self) -> None:
        self.footer.run.clicked.connect(self.start)
        self.footer.cancel.clicked.connect(self.cancel)
        self.footer.pause.clicked.connect(lambda _checked: self.runs.pause())
        self.fields.threshold.changed.connect(self.result.rethreshold)
        self.fields.sample.changed.connect(lambda: self.viewer.open_sample("napari-exactile", "colonies_512"))
        self.fields.details.changed.connect(lambda _clicked: self.details.open())
        self.fields.output_path.clicked.connect(lambda _checked: self._chooser.output.ask(self))
        self.preview.fields.header.toggled.connect(self.preview.update)
        for switch in (self.fields.tiling, self.fields.all_contexts):
            switch.changed.connect(self._apply_switches)
        for field in self.fields.remembered().values():
            field.changed.connect(self._remember)
        QShortcut(QKeySequence("Ctrl+Return"), self).activated.connect(self.start)
