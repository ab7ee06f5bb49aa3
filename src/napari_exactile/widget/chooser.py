"""From what the fields say to a plan; every note that explains a field is written here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel

from napari_exactile.geometry.interval import Box, lengths
from napari_exactile.run.settings import Device, NormalizationChoice, Settings
from napari_exactile.widget.fields import AUTOMATIC, MODEL_SAYS, NONE, VIEW, Z_SCORE, Fields
from napari_exactile.widget.layers import Plane, plane_of, region_in_view
from napari_exactile.widget.planner import Planner

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.run.plan import Plan

NORMALIZATIONS: dict[str, NormalizationChoice] = {MODEL_SAYS: "model", Z_SCORE: "z-score", NONE: "none"}


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Everything that a run needs."""

    plane: Plane
    model: Model
    analysis: Analysis
    settings: Settings
    plan: Plan

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what must stay the same for a run to be continued: pixels, model, settings."""
        return self.plane.identity, self.model, self.settings


class _CannotRun(Exception):  # noqa: N818
    """Why there is no choice; the note under the field says more."""


class Chooser:
    """Reads the fields and says what they mean: `choice`, or None and the reason.

    `analysed` is called when an analysis that was missing has come in.
    """

    def __init__(
        self, viewer: ViewerModel, fields: Fields, planner: Planner, analysed: Callable[[], None]
    ) -> None:
        self._viewer, self._fields, self._planner, self._analysed = viewer, fields, planner, analysed
        self._devices: dict[str, Device] = {AUTOMATIC: "auto", "CPU": "cpu"}
        self._failure: tuple[str, Exception] | None = None
        self.choice: Choice | None = None

    def update(self) -> str:
        """Choose anew; return why nothing can be run, in one sentence, or ""."""
        self.choice = None
        try:
            plane = self._plane()
            model, analysis = self._analysis(plane)
            settings = self._settings(plane, analysis)
            plan = self._plan(analysis, settings)
        except _CannotRun as reason:
            return str(reason)
        self._show_figures(plan)
        self.choice = Choice(plane, model, analysis, settings, plan)
        return ""

    def _plane(self) -> Plane:
        """Find the plane to segment."""
        layer, fields = self._fields.image.value, self._fields
        fields.sample.visible = layer is None
        if layer is None:
            fields.image_note.say("Open an image (File > Open), or look at the sample.")
            raise _CannotRun("There is no image to segment.")
        try:
            plane = plane_of(layer, self._viewer, self._planner.cards[fields.model.value].channels)
        except ValueError as error:
            fields.image_note.say(f"{error}.", warning=True)
            raise _CannotRun("The image does not fit: see Image.") from error
        fields.image_note.say(plane.describe())
        return plane

    def _analysis(self, plane: Plane) -> tuple[Model, Analysis]:
        """Return model and analysis; the first time, they are asked for in the background."""
        name, fields = self._fields.model.value, self._fields
        fields.model_note.say(self._planner.cards[name].summary)
        known = self._planner.known(name, plane.shape)
        if known is None:
            self._ask(name, plane.shape)
            raise _CannotRun("The model is being analysed.")
        self._planner.forget()
        self._offer_devices()
        model, analysis = known
        if analysis.refusals:
            fields.exact_note.say(f"Cannot be exact: {'; '.join(map(str, analysis.refusals))}", warning=True)
            raise _CannotRun("The model cannot be exact: see Model.")
        grid = "" if analysis.grid.is_of_image else f"\n{analysis.grid.describe()}"
        fields.exact_note.say(f"Exact - needs {lengths(analysis.radius or ())} px of context{grid}")
        return model, analysis

    def _ask(self, name: str, shape: tuple[int, ...]) -> None:
        """Ask for an analysis, unless it has just failed: then say so, and ask again after a change."""
        failed, self._failure = self._failure, None
        if failed is not None and failed[0] == name:
            self._fields.exact_note.say(f"The model cannot be used: {failed[1]}", warning=True)
            raise _CannotRun("The model cannot be used: see Model.")
        self._fields.exact_note.say("Analysing...")
        self._planner.ask(name, shape, self._analysed, lambda error: self._on_failure(name, error))

    def _on_failure(self, name: str, error: Exception) -> None:
        self._failure = name, error
        self._analysed()

    def _settings(self, plane: Plane, analysis: Analysis) -> Settings:
        fields, (factor, needed) = self._fields, (max(analysis.factor or ()), max(analysis.radius or ()))
        own = fields.own_radius.value
        snap(fields.radius, factor, None if own else needed)
        snap(fields.tile, factor, None)
        undersized = own and fields.radius.value < needed
        return Settings(
            tile="auto" if fields.automatic.value else fields.tile.value,
            radius=fields.radius.value if own else "auto",
            method="whole-tile" if undersized else "trimmed",
            region=self._region(plane),
            normalization=NORMALIZATIONS[fields.normalization.value],
            probabilities=fields.probabilities.value,
            device=self._devices[fields.device.value],
            memory_limit=round(fields.memory.value * 1e9) or None,
        )

    def _region(self, plane: Plane) -> Box | None:
        if self._fields.region.value != VIEW:
            return None
        try:
            return region_in_view(plane, self._viewer)
        except ValueError as error:
            self._fields.image_note.say(f"{error}.", warning=True)
            raise _CannotRun("The current view cannot be segmented: see Image.") from error

    def _plan(self, analysis: Analysis, settings: Settings) -> Plan:
        from napari_exactile.run.devices import pick_device
        from napari_exactile.run.job import make_plan

        try:
            return make_plan(analysis, settings, pick_device(settings.device))
        except ValueError as error:
            self._fields.tile_note.say(f"{error}.", warning=True)
            self._fields.context_note.say()
            self._fields.zone_note.say()
            raise _CannotRun("The tile size does not work: see Tiles.") from error

    def _show_figures(self, plan: Plan) -> None:
        fields, radius, needed = self._fields, max(plan.radius), max(plan.required_radius)
        if fields.automatic.value:
            snap(fields.tile, max(plan.factor), max(plan.tile))
        fields.tile_note.say(f"in steps of {lengths(plan.factor)} px")
        fields.context_note.say(f"{lengths(plan.radius)} px (radius)")
        tiles = "1 tile" if len(plan) == 1 else f"{len(plan)} tiles"
        extra = f"extra computing +{max(0.0, plan.redundancy - 1) * 100:.0f}\u00a0%"
        fields.zone_note.say(f"{lengths(plan.zor)} px (ZoR) - {tiles}\n{extra}")
        warning = (
            f"Context {radius} px is too small: this model needs {needed}. The result would not be exact."
        )
        fields.radius_note.say("" if plan.exact else warning, warning=True)

    def _offer_devices(self) -> None:
        """Offer what torch finds, once it is loaded: asking earlier would load it."""
        from napari_exactile.run.devices import device_choices

        found = device_choices()
        if found != self._devices:
            self._devices = found
            self._fields.device.choices = list(found)


def snap(field: Any, factor: int, value: int | None) -> None:
    """Set a number field to `value`, or its own value rounded down to steps of `factor`, without an event."""
    wanted = field.value // factor * factor if value is None else value
    with field.changed.blocked():
        field.step = factor
        if field.value != wanted:
            field.value = max(wanted, field.min)
