"""The dock widget: pick an image, a model and a tile size, see the layout, run, watch labels arrive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.layers import Image
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QFileDialog, QScrollArea, QVBoxLayout, QWidget
from superqt.utils import qthrottled

from napari_exactile.geometry.interval import Box
from napari_exactile.run.settings import Device, NormalizationChoice, Settings
from napari_exactile.widget.background import Latest
from napari_exactile.widget.fields import AUTOMATIC, MODEL_SAYS, NONE, VIEW, Z_SCORE, Fields
from napari_exactile.widget.footer import Footer
from napari_exactile.widget.layers import Plane, plane_of, region_in_view
from napari_exactile.widget.overlay import TilingOverlay
from napari_exactile.widget.own_layer import Frame
from napari_exactile.widget.planner import Planner
from napari_exactile.widget.remembered import recall, remember

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.run.plan import Plan
    from napari_exactile.widget.runner import Run


NORMALIZATIONS: dict[str, NormalizationChoice] = {MODEL_SAYS: "model", Z_SCORE: "z-score", NONE: "none"}


class ExactileDock(QWidget):
    """Segments the plane of an Image layer exactly; everything it does goes through the public functions."""

    def __init__(self, napari_viewer: napari.viewer.Viewer, *, remembers: bool = True) -> None:
        super().__init__()
        self._remembers = remembers
        self.viewer = napari_viewer
        self.planner = Planner()
        self.fields = Fields(self._images, self._models, self.update_plan)
        self.footer = Footer()
        self.overlay = TilingOverlay(napari_viewer)
        self.plan: Plan | None = None
        self.run: Run | None = None
        self._plane: Plane | None = None
        self._chosen: tuple[Model, Analysis, Settings] | None = None
        self._saving = Latest()
        self._devices: dict[str, Device] = {AUTOMATIC: "auto", "CPU": "cpu"}
        self._watched: Image | None = None
        self._show_overlay = qthrottled(self._draw_overlay, timeout=100)
        self._view_moved = qthrottled(self._update_for_view, timeout=300)
        self._arrange()
        self._connect()
        if remembers:
            recall(self.fields.remembered())
        self._pick_active_image()
        self._apply_switches()
        self.update_plan()

    # --- what napari and scripts call

    def reset_choices(self, event: Any = None) -> None:
        """Follow the layer list; napari calls this whenever it changes."""
        self.fields.image.reset_choices()

    def add_model(self, model: Model) -> None:
        """Offer a model made by a script (see `load_model`) and pick it."""
        self.planner.add(model)
        self.fields.model.reset_choices()
        self.fields.model.value = model.name
        self.update_plan()

    @property
    def running(self) -> bool:
        """Whether a run goes on."""
        return self.run is not None and self.run.running

    def start(self) -> None:
        """Run, or continue what was cancelled when nothing else has changed."""
        if self.running or self._plane is None or self._chosen is None or not self.footer.run.isEnabled():
            return
        if not self._continues():
            from napari_exactile.widget.runner import Run

            model, analysis, settings = self._chosen
            self.run = Run(
                self.viewer, self.overlay, self.footer, self._plane, model, analysis, settings, self._on_end
            )
        assert self.run is not None
        self._show_overlay.cancel()
        self.plan = self.run.job.plan
        self._draw_overlay()
        self.fields.lock(True)
        self.run.start()

    def cancel(self) -> None:
        """Stop the run; what is done is kept."""
        if self.run is not None:
            self.run.cancel()

    def save(self, path: Path | None = None) -> None:
        """Write the labels of the last run to `path`, or to a file that the person picks."""
        run = self.run
        if run is None or not run.can_save:
            return
        if path is None:
            name, _ = QFileDialog.getSaveFileName(
                self, "Save labels", f"{run.name}.ome.tif", "OME-TIFF (*.tif)"
            )
            if not name:
                return
            path = Path(name)
        target = path if path.suffix else path.with_suffix(".ome.tif")
        self.footer.show_result("Saving...", can_save=False)
        self._saving.ask(
            lambda: run.save(target), lambda _: self._saved(run), lambda e: self._save_failed(run, e)
        )

    # --- from fields to plan

    def update_plan(self) -> None:
        """Show what the fields mean: image, model, zones and their cost, or why it cannot work."""
        if self.running:
            return
        self.plan = self._chosen = None
        self.fields.lock(False)
        self._watch(self.fields.image.value)
        reason = self._update_image() or self._update_model() or self._update_tiles()
        self._show_overlay()
        self.footer.idle(reason, "Continue" if not reason and self._continues() else "Run")

    def _update_image(self) -> str:
        """Find the plane to segment; return why there is none."""
        layer, fields = self.fields.image.value, self.fields
        self._plane = None
        fields.sample.visible = layer is None
        if layer is None:
            fields.image_note.say("Open an image (File > Open), or look at the sample.")
            return "There is no image to segment."
        card = self.planner.cards[fields.model.value]
        try:
            plane = plane_of(layer, self.viewer, card.channels)
        except ValueError as error:
            fields.image_note.say(f"{error}.", warning=True)
            return "The image does not fit: see Image."
        self._plane = plane
        fields.image_note.say(plane.describe())
        return ""

    def _update_model(self) -> str:
        """Analyse the model for this image, at first in the background; return why it cannot be used."""
        name, fields = self.fields.model.value, self.fields
        assert self._plane is not None
        fields.model_note.say(self.planner.cards[name].summary)
        known = self.planner.known(name, self._plane.shape)
        if known is None:
            fields.exact_note.say("Analysing...")
            self.planner.ask(name, self._plane.shape, self.update_plan, self._analysis_failed)
            return "The model is being analysed."
        self.planner.forget()
        self._offer_devices()
        model, analysis = known
        if analysis.refusals:
            fields.exact_note.say(f"Cannot be exact: {'; '.join(map(str, analysis.refusals))}", warning=True)
            return "The model cannot be exact: see Model."
        assert analysis.radius is not None
        fields.exact_note.say(f"Exact - needs {_across(analysis.radius)} px of context")
        return self._choose(model, analysis)

    def _choose(self, model: Model, analysis: Analysis) -> str:
        """Note the settings; return why they are no settings."""
        try:
            self._chosen = model, analysis, self._settings(analysis)
        except ValueError as error:
            self.fields.image_note.say(f"{error}.", warning=True)
            return "The current view cannot be segmented: see Image."
        return ""

    def _settings(self, analysis: Analysis) -> Settings:
        fields, (factor, needed) = self.fields, (max(analysis.factor or ()), max(analysis.radius or ()))
        own = fields.own_radius.value
        snap(fields.radius, factor, None if own else needed)
        snap(fields.tile, factor, None)
        undersized = own and fields.radius.value < needed
        return Settings(
            tile="auto" if fields.automatic.value else fields.tile.value,
            radius=fields.radius.value if own else "auto",
            method="whole-tile" if undersized else "trimmed",
            region=self._region(),
            normalization=NORMALIZATIONS[fields.normalization.value],
            probabilities=fields.probabilities.value,
            device=self._devices[fields.device.value],
            memory_limit=round(fields.memory.value * 1e9) or None,
        )

    def _region(self) -> Box | None:
        assert self._plane is not None
        return region_in_view(self._plane, self.viewer) if self.fields.region.value == VIEW else None

    def _update_tiles(self) -> str:
        """Make the plan and show its figures; return why there is none."""
        from napari_exactile.run.devices import pick_device
        from napari_exactile.run.job import make_plan

        assert self._chosen is not None
        _, analysis, settings = self._chosen
        fields = self.fields
        try:
            plan = make_plan(analysis, settings, pick_device(settings.device))
        except ValueError as error:
            fields.tile_note.say(f"{error}.", warning=True)
            fields.context_note.say()
            fields.zone_note.say()
            return "The tile size does not work: see Tiles."
        self.plan = plan
        self._show_figures(plan)
        return ""

    def _show_figures(self, plan: Plan) -> None:
        fields, radius, needed = self.fields, max(plan.radius), max(plan.required_radius)
        if fields.automatic.value:
            snap(fields.tile, 1, max(plan.tile))
        fields.tile_note.say(f"in steps of {_across(plan.factor)} px")
        fields.context_note.say(f"{_across(plan.radius)} px (radius)")
        tiles = "1 tile" if len(plan) == 1 else f"{len(plan)} tiles"
        extra = f"extra computing +{max(0.0, plan.redundancy - 1) * 100:.0f} %"
        fields.zone_note.say(f"{_across(plan.zor)} px (ZoR) - {tiles}\n{extra}")
        warning = (
            f"Context {radius} px is too small: this model needs {needed}. The result would not be exact."
            if not plan.exact
            else ""
        )
        fields.radius_note.say(warning, warning=True)

    def _analysis_failed(self, error: Exception) -> None:
        self.fields.exact_note.say(f"The model cannot be used: {error}", warning=True)
        self.footer.idle("The model cannot be used: see Model.")

    def _offer_devices(self) -> None:
        """Offer what torch finds, once it is loaded: asking earlier would load it."""
        from napari_exactile.run.devices import device_choices

        found = device_choices()
        if found != self._devices:
            self._devices = found
            self.fields.device.choices = list(found)

    # --- overlay

    def _draw_overlay(self) -> None:
        plan, plane = self.plan, self._plane
        if plan is None or plane is None or not self.isVisible():
            self.overlay.hide()
            return
        try:
            frame = Frame.of(plane.layer)
        except ValueError as error:
            self.fields.tile_note.say(f"{error}.", warning=True)
            self.overlay.hide()
            return
        self.overlay.show(frame, plan.tiling)

    def _apply_switches(self) -> None:
        self.overlay.visible = self.fields.tiling.value
        self.overlay.all_radii = self.fields.all_contexts.value

    def _remember(self, _value: Any) -> None:
        if self._remembers:
            remember(self.fields.remembered())

    # --- the run

    def _continues(self) -> bool:
        """Tell whether Run would continue the last run: same pixels, same model, same settings."""
        if self.run is None or self._plane is None or self._chosen is None:
            return False
        model, _, settings = self._chosen
        return self.run.can_continue and self.run.key == (self._plane.identity, model, settings)

    def _on_end(self) -> None:
        self.fields.lock(False)
        self.update_plan()

    def _saved(self, run: Run) -> None:
        run.saved = True
        self.footer.show_result(run.summary(), can_save=True)

    def _save_failed(self, run: Run, error: Exception) -> None:
        self.footer.show_result(f"Not saved: {error}", can_save=run.can_save)

    # --- events

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Show the tiling together with the dock."""
        super().showEvent(event)
        self._show_overlay()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Hide the tiling together with the dock; a run goes on."""
        super().hideEvent(event)
        self.overlay.hide()

    def event(self, event: QEvent | None) -> bool:
        """Notice that napari takes the dock away: it unparents the widget and deletes it some time later."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()
        return super().event(event)

    def _leave(self) -> None:
        """End the run, the analysis and the tiling, and let go of the viewer."""
        if self.run is not None:
            self.run.abandon()
        self.planner.forget()
        for emitter in self._viewer_events():
            emitter.disconnect(self._on_viewer_change)
        for emitter in self._camera_events():
            emitter.disconnect(self._on_camera)
        self._watch(None)
        self._show_overlay.cancel()
        self._view_moved.cancel()
        self.overlay.close()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the width that the fields are laid out for."""
        return QSize(350, 600)

    def _images(self, _field: Any) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in self.viewer.layers if isinstance(layer, Image)]

    def _models(self, _field: Any) -> list[tuple[str, str]]:
        return [(card.short_title, name) for name, card in self.planner.cards.items()]

    def _pick_active_image(self) -> None:
        self.fields.image.reset_choices()
        active = self.viewer.layers.selection.active
        if isinstance(active, Image):
            self.fields.image.value = active
        elif images := self._images(None):
            self.fields.image.value = images[-1][1]

    def _load_sample(self) -> None:
        self.viewer.open_sample("napari-exactile", "colonies_512")

    def _watch(self, layer: Image | None) -> None:
        """Follow what changes about the picked image."""
        if layer is self._watched:
            return
        for image, connect in ((self._watched, False), (layer, True)):
            for name in ("data", "scale", "translate", "units", "name") if image is not None else ():
                emitter = image.events[name]
                (emitter.connect if connect else emitter.disconnect)(self._on_viewer_change)
        self._watched = layer

    def _on_viewer_change(self, event: Any = None) -> None:
        self.update_plan()

    def _update_for_view(self) -> None:
        if self.fields.region.value == VIEW:
            self.update_plan()

    def _on_camera(self, event: Any = None) -> None:
        self._view_moved()

    def _arrange(self) -> None:
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.fields.widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(self.footer)
        self.setMinimumWidth(300)

    def _connect(self) -> None:
        self.footer.run.clicked.connect(self.start)
        self.footer.cancel.clicked.connect(self.cancel)
        self.footer.save.clicked.connect(lambda _checked: self.save())
        self.fields.sample.changed.connect(self._load_sample)
        for switch in (self.fields.tiling, self.fields.all_contexts):
            switch.changed.connect(self._apply_switches)
        for field in self.fields.remembered().values():
            field.changed.connect(self._remember)
        shortcut = QShortcut(QKeySequence("Ctrl+Return"), self)
        shortcut.activated.connect(self.start)
        for emitter in self._viewer_events():
            emitter.connect(self._on_viewer_change)
        for emitter in self._camera_events():
            emitter.connect(self._on_camera)

    def _viewer_events(self) -> tuple[Any, ...]:
        dims = self.viewer.dims.events
        return dims.ndisplay, dims.order, dims.current_step

    def _camera_events(self) -> tuple[Any, ...]:
        camera = self.viewer.scene.camera.events
        return camera.center, camera.zoom


def snap(field: Any, factor: int, value: int | None) -> None:
    """Set a number field to `value`, or its own value rounded down to steps of `factor`, without an event."""
    wanted = max(factor, field.value // factor * factor) if value is None else value
    with field.changed.blocked():
        field.step = factor
        if field.value != wanted:
            field.value = wanted


def _across(lengths: tuple[int, ...]) -> str:
    """Return one number where all axes agree, "96 x 48" where they do not."""
    return str(lengths[0]) if len(set(lengths)) == 1 else " x ".join(map(str, lengths))
