"""The dock widget: pick an image, a model and a tile size, see the layout, run, watch labels arrive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QSize
from qtpy.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_exactile.widget.batch.batch import BatchDialog
from napari_exactile.widget.choose.chooser import Chooser
from napari_exactile.widget.choose.fields import Fields
from napari_exactile.widget.choose.followed import Followed
from napari_exactile.widget.choose.known import titled
from napari_exactile.widget.choose.planner import Planner
from napari_exactile.widget.choose.region import RegionChooser
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.picture import keep_context
from napari_exactile.widget.form.form import scrolled
from napari_exactile.widget.form.reach import show_focus
from napari_exactile.widget.form.remembered import recall, remember
from napari_exactile.widget.form.settled import Settled
from napari_exactile.widget.help.menu import HelpMenu
from napari_exactile.widget.model.details import DetailsDialog
from napari_exactile.widget.open.choose_image import ImageChooser
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
from napari_exactile.widget.saved.menu import SettingsMenu
from napari_exactile.widget.saved.more import MoreFields
from napari_exactile.widget.session import Session
from napari_exactile.widget.shown_tiling import ShownTiling

GOES_ON = "The segmentation goes on: open the panel again to see how far it is, or to cancel it."

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.widget.draw.planes import Plane
    from napari_exactile.widget.run.runner import ShownRun


class ExactileDock(QWidget):
    """Segments the plane of an Image layer exactly; everything it does goes through the public functions."""

    def __init__(self, napari_viewer: napari.viewer.Viewer, *, remembers: bool = True) -> None:
        super().__init__()
        self._remembers = remembers
        self.viewer = napari_viewer
        self._session = Session.of(napari_viewer, remembers)
        self.planner = Planner(self._session.models, self._session.classes)
        self._images = ImageChooser(napari_viewer)
        self.destroyed.connect(self.planner.forget)
        previewing, following, more = PreviewFields(), ResultFields(), MoreFields()
        sections = more, previewing, following
        self.fields = Fields(self._images.choices, self._models, self.update_plan, sections)
        self._images.follow(self.fields)
        self.footer = Footer()
        self._settled = Settled(napari_viewer)
        self.destroyed.connect(self._settled.leave)
        self.overlay = TilingOverlay(napari_viewer, self._settled)
        self._region = RegionChooser(napari_viewer, self.fields, self.update_plan)
        self._chooser = Chooser(napari_viewer, self.fields, self.planner, self._region, self.update_plan)
        self._series = SeriesChooser(napari_viewer, self.fields, self.update_plan)
        self.preview = PreviewSection(napari_viewer, previewing, self.overlay, self._settled)
        self.results = Results(napari_viewer, following, self)
        self.tiling = ShownTiling(napari_viewer, self.overlay, self.fields, self._tiled)
        told = Told(self._on_end, self.tiling.draw, self.results.outdate)
        self.runs = Runs(napari_viewer, self.overlay, self.footer, self, told)
        self.details = DetailsDialog(self, self.planner.classes, self._show_classes)
        self.opener = ModelOpener(
            self.fields.open_model, self.fields.open_note, lambda: self.planner.cards, self.add_model,
            self._session.opened, remembers=remembers,
        )  # fmt: skip
        self.result = ResultActions(
            napari_viewer, self.footer, self, lambda: self.run,
            lambda threshold: setattr(self.fields.threshold, "value", threshold),
        )  # fmt: skip
        self.drops = Drops(self, napari_viewer, self.opener.open)
        self.help = HelpMenu(self.fields.help, self, self._chooser)
        chosen_in = self._chooser, self._region, following.objects, more
        self.settings = SettingsMenu(self.help.menu, self, chosen_in, self)
        self.batch = BatchDialog(
            self.help.menu, napari_viewer, self.settings.told, lambda: self.running, self
        )  # fmt: skip
        self._followed = Followed(napari_viewer, self._settled, self.update_plan, self._on_camera)
        self._arrange()
        self._connect()
        if remembers:
            recall(self.fields.remembered())
        self.reset_choices()
        self._session.restore(self.fields.plan_fields())
        self.update_plan()
        self.runs.adopt(self._session.take_run())
        if self.running:
            self._on_begin()

    # --- what napari and scripts call

    def reset_choices(self, event: Any = None) -> None:
        """Follow the layer list; napari calls this whenever it changes."""
        with self._settled.waiting():
            self.tiling.forget_gone()
            self.fields.image.reset_choices()
            if self.fields.image.value is None:
                self._images.pick()
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
        if self.running or not self._may_start():
            return
        with self._settled.waiting():  # what drawing changes in the viewer is no reason to plan anew
            self.tiling.draw()
            self._on_begin()
            self.runs.start()
        self.results.choose(self.run)

    def _may_start(self) -> bool:
        """Continue what was cancelled, or make a run of the choice; return whether there is one now.

        What is continued keeps its zones. A new run has those that are shown: where they do not fit in
        memory any more, others are shown first.
        """
        if self.runs.continues(self._chooser.choice):
            return self.result.may_continue()
        self._chooser.refit()
        choice = self._chooser.choice
        if choice is None:
            self.update_plan()  # it says why
            return False
        return self.runs.make(choice)

    def cancel(self) -> None:
        """Stop the run; what is done is kept."""
        self.runs.cancel()

    def save(self, path: Path | None = None) -> None:
        """Write the labels of the last run to `path`, or to a file that the person picks."""
        self.result.save(path)

    # --- from fields to plan

    def update_plan(self) -> None:
        """Show what the fields mean: image, model, zones and their cost, or why it cannot work."""
        if self.running or self.settings.choosing:
            return
        self.fields.lock(False)
        self._followed.image(self.fields.image.value)
        self._images.offer()
        self._series.offer(self.fields.image.value)
        reason = self._chooser.update()
        self.details.choose(self._chooser.known)
        self.fields.details.enabled = self._chooser.known is not None
        self.tiling.draw_soon()
        self.preview.choose(self._chooser.choice)
        self.results.choose(self.run)
        self.runs.tell(self.fields.image.value, self.fields.model.value, self._chooser.choice)
        run = "Run approximately" if self.plan is not None and self.plan.approximate else "Run"
        self.footer.idle(reason, "Continue" if self.runs.continues(self._chooser.choice) else run)

    @property
    def plan(self) -> Plan | None:
        """The plan that Run would carry out, or that is being carried out; None where there is none."""
        if self.running and self.run is not None:
            return self.run.task.plan
        return self._chooser.choice.task.plan if self._chooser.choice else None

    def _tiled(self) -> tuple[Plane, Plan] | None:
        """Return what tiles are drawn on, and of which plan: a run that is continued keeps its own."""
        choice = self._chooser.choice
        if choice is None or not self.isVisible():
            return None
        run = self.run if self.running or self.runs.continues(choice) else None
        return choice.plane, run.task.plan if run else choice.task.plan

    # --- the run

    def _on_begin(self) -> None:
        self.fields.lock(True)
        self.preview.choose(None, "The preview waits until the run has ended")
        self.details.check.lock(True)

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
        self.tiling.draw_soon()
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
        """End the analysis and the tiling, and let go of the viewer; a run goes on, for the next panel."""
        self._session.keep(self.fields.plan_fields())
        if self.running:
            show_info(GOES_ON)
        self._session.leave(self.runs.leave())
        self.planner.forget()
        self.opener.forget()
        self._series.forget()
        self._followed.leave()
        self._images.leave()
        self.tiling.draw_soon.cancel()
        self.result.leave()
        self.help.leave()
        self.settings.leave()
        self.batch.leave()
        self._region.leave()
        self.preview.leave()
        self.results.leave()
        self.overlay.close()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the width that the fields are laid out for."""
        return QSize(350, 600)

    def _models(self, _field: Any) -> list[tuple[str, str]]:
        return titled(self.planner.cards)

    def _on_camera(self) -> None:
        self._region.view_moved()
        self.preview.view_moved()

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(self.fields.widget), stretch=1)
        layout.addWidget(self.footer)
        show_focus(self)

    def _connect(self) -> None:
        self.footer.run.clicked.connect(self.start)
        self.footer.cancel.clicked.connect(self.cancel)
        self.footer.pause.clicked.connect(lambda _checked: self.runs.pause())
        self.fields.threshold.changed.connect(self.result.rethreshold)
        self.fields.details.changed.connect(lambda _clicked: self.details.open())
        self.fields.output_path.clicked.connect(lambda _checked: self._chooser.output.ask(self))
        self.preview.fields.header.toggled.connect(self.preview.update)
        for field in self.fields.remembered().values() if self._remembers else ():
            field.changed.connect(lambda _value: remember(self.fields.remembered()))
        QShortcut(QKeySequence("Ctrl+Return"), self).activated.connect(self.start)
