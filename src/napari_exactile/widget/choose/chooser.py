"""From what the fields say to a plan; every note that explains a field is written here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.words import lengths
from napari_exactile.run.plan.settings import Device, Settings
from napari_exactile.widget.choose.fields import ALL_PLANES, Fields
from napari_exactile.widget.choose.figures import Figures
from napari_exactile.widget.choose.meaning_fields import AUTOMATIC
from napari_exactile.widget.choose.output import OutputChooser
from napari_exactile.widget.choose.planner import Planner
from napari_exactile.widget.choose.region import RegionChooser
from napari_exactile.widget.choose.rescaled import described
from napari_exactile.widget.draw.classes import Classes, label_count
from napari_exactile.widget.draw.planes import Plane, plane_of

if TYPE_CHECKING:
    from napari_exactile.models.card import ModelCard
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Runnable
    from napari_exactile.network.declared import Declared, Factor
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.refused import Refused
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Everything that a run needs: a task, the layers that it is of, and what shows its labels."""

    plane: Plane
    task: Task
    classes: Classes
    output: Path | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what must stay the same for a run to be continued: pixels, model, settings, and place."""
        task = self.task
        return self.plane.identity, task.planes.indices, task.model, task.settings, self.output


class _CannotRun(Exception):  # noqa: N818
    """Why there is no choice; the note under the field says more."""


class Chooser:
    """Reads the fields and says what they mean: `choice`, or None and the reason.

    `analysed` is called when an analysis that was missing has come in. `known` is the model that was picked
    with its analysis, also where it cannot be run.
    """

    def __init__(
        self, viewer: ViewerModel, fields: Fields, planner: Planner, region: RegionChooser,
        analysed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._viewer, self._fields, self._planner, self._analysed = viewer, fields, planner, analysed
        self._part = region
        self._devices: dict[str, Device] = {AUTOMATIC: "auto", "CPU": "cpu"}
        self._failure: tuple[tuple[Any, ...], Exception] | None = None
        self.choice: Choice | None = None
        self.known: tuple[Model, Derived | Refused] | None = None
        self.output = OutputChooser(fields)

    def update(self) -> str:
        """Choose anew; return why nothing can be run, in one sentence, or ""."""
        self.choice = self.known = None
        try:
            plane = self._plane()
            model, analysis = self._analysis(plane)
            settings = self._settings(plane, model, analysis)
            task = self._task(plane, model, analysis, settings)
        except _CannotRun as reason:
            self._fields.output_note.say()
            return str(reason)
        self._show_measured(plane, model, settings)
        self._show_figures(task.plan, len(task.planes.sources))
        count = label_count(model.card, analysis, settings.output_kind)
        classes = self._planner.classes.of(model.card, count)
        self.choice = Choice(plane, task, classes, self.output.choose(plane, task))
        return ""

    def _plane(self) -> Plane:
        """Find the plane to segment."""
        layer, fields = self._fields.image.value, self._fields
        fields.sample.visible = layer is None
        if layer is None:
            self._offer_nothing()
            fields.image_note.say("Open an image (File > Open), or look at the sample.")
            raise _CannotRun("There is no image to segment.")
        try:
            card = self._planner.cards[fields.model.value]
            space, where = card.axes or "yx", fields.channels.value
            plane = plane_of(layer, self._viewer, card.channels, space, where, self._everything)
        except ValueError as error:
            self._offer_nothing()
            # What is wrong may be put right by either.
            fields.offer_channels(layer.ndim > 2)
            fields.offer_planes((1,) * (layer.ndim - 2))
            fields.image_note.say(f"{error}.", warning=True)
            raise _CannotRun("The image does not fit: see Image.") from error
        leaves_out = fields.normalizing.leaves_out_missing
        fields.image_note.say(*described(plane, card, self._everything, leaves_out))
        fields.offer_channels(layer.ndim > 2 or card.channels > 1)
        fields.offer_planes(plane.stack_shape)
        return plane

    def _offer_nothing(self) -> None:
        """Show nothing that depends on an image that can be segmented."""
        fields = self._fields
        fields.offer_channels(False)
        fields.offer_planes(())
        fields.meaning.offer_threshold(fields.model.value, None)
        fields.meaning.offer_kinds(0)
        fields.exact_note.say()
        fields.clear_figures()

    @property
    def _everything(self) -> bool:
        return self._fields.planes.value == ALL_PLANES

    def _analysis(self, plane: Plane) -> tuple[Model, Runnable]:
        """Return model and what a run goes by; the first time, they are asked for in the background."""
        name, fields = self._fields.model.value, self._fields
        card = self._planner.cards[name]
        words = filter(None, [card.summary, *(f"{note}." for note in card.notes)])
        fields.model_note.say("\n".join(words), warning=bool(card.notes))
        self.known = self._planner.known(name, plane.shape)
        fields.offer_approximation(self.known is not None and bool(self.known[1].refusals))
        if self.known is None:
            fields.exact_note.say("Analysing...")
            self._ask((name, plane.shape), "The model cannot be used")
            raise _CannotRun("The model is being analysed.")
        from napari_exactile.network.refused import Refused
        from napari_exactile.run.words.summary import passes_words

        self._offer_devices()
        model, analysis = self.known
        if isinstance(analysis, Refused):
            return self._declared(name, plane.shape, "; ".join(map(str, analysis.refusals)))
        self._planner.forget()
        passes = f" and {passes_words(analysis.surveys)} before the labels" if analysis.surveys else ""
        grid = "" if analysis.grid.is_of_image else f"\n{analysis.grid.describe()}"
        fields.exact_note.say(f"Exact - needs {lengths(analysis.radius)} px of context{passes}{grid}")
        return model, analysis

    def _declared(self, name: str, shape: tuple[int, ...], reasons: str) -> tuple[Model, Declared]:
        """Return what approximate tiles go by, if the person has chosen them for this model."""
        fields = self._fields
        if not fields.approximate.value:
            self._planner.forget()
            fields.exact_note.say(f"Cannot be exact: {reasons}", warning=True)
            fields.clear_figures()
            raise _CannotRun("The model cannot be exact: see Model.")
        fields.exact_note.say(f"APPROXIMATE. Cannot be exact: {reasons}", warning=True)
        known = self._planner.tried(name, shape, self._factor)
        if known is None:
            self._ask((name, shape, self._factor), "The model cannot be run approximately")
            raise _CannotRun("A small tile is being tried.")
        self._planner.forget()
        return known

    def _ask(self, question: tuple[Any, ...], failing: str) -> None:
        """Ask for an analysis, unless it has just failed: then say so, and ask again after a change."""
        failed, self._failure = self._failure, None
        if failed is not None and failed[0] == question:
            self._fields.exact_note.say(f"{failing}: {failed[1]}", warning=True)
            raise _CannotRun(f"{failing}: see Model.")
        name, shape, *factor = question
        self._planner.ask(
            name, shape, self._analysed, lambda error: self._on_failure(question, error), *factor
        )

    def _on_failure(self, question: tuple[Any, ...], error: Exception) -> None:
        self._failure = question, error
        self._analysed()

    @property
    def _factor(self) -> Factor:
        return int(self._fields.factor.value) or "auto"

    def _settings(self, plane: Plane, model: Model, analysis: Runnable) -> Settings:
        fields = self._fields
        snap(fields.tile, max(analysis.factor), None)
        return Settings(
            tile="auto" if fields.automatic.value else fields.tile.value,
            region=self._region(plane),
            **self._normalization(plane),
            probabilities=fields.probabilities.value,
            **self._output(model.card, analysis),
            together=self._everything and fields.together.value,
            device=self._devices[fields.device.value],
            memory_limit=round(fields.memory.value * 1e9) or None,
            **self._radius(analysis),
        )

    def _normalization(self, plane: Plane) -> dict[str, Any]:
        """Return what was chosen or typed; the fields say what is wrong with it."""
        fields = self._fields.normalizing
        try:
            ignore = fields.ignored()
            return {"normalization": fields.chosen(plane.source.channels, plane.layer.name), "ignore": ignore}
        except ValueError as error:
            fields.show_measured()
            raise _CannotRun("The normalisation cannot be used: see Advanced.") from error

    def _show_measured(self, plane: Plane, model: Model, settings: Settings) -> None:
        """Show what was last measured of this image in this way."""
        from napari_exactile.run.engine.passes.measuring import asked_steps, last_measured

        source = plane.whole if settings.together else plane.source
        known = last_measured(source, model.card, settings)
        self._fields.normalizing.show_measured(asked_steps(model.card, settings), known)

    def _output(self, card: ModelCard, analysis: Runnable) -> dict[str, Any]:
        """Return what the output is taken for, and its threshold where the model says yes or no."""
        from napari_exactile.run.task.meaning import check_meaning, decision_of, gives_words

        fields = self._fields
        kind = fields.meaning.offer_kinds(analysis.classes)
        decision = decision_of(card, analysis, output=kind)
        fields.kind_note.say(f"Gives {gives_words(decision, card, analysis, kind)}")
        try:
            check_meaning(card, analysis, kind)
        except ValueError as error:
            raise _CannotRun(f"T{str(error)[1:]}.") from error
        threshold = decision.chosen_threshold
        fields.meaning.offer_threshold(fields.model.value, threshold)
        return {"output_kind": kind, "threshold": threshold and float(fields.threshold.value)}

    def _radius(self, analysis: Runnable) -> dict[str, Any]:
        """Return the radius, and the method that can take it."""
        from napari_exactile.network.declared import Declared

        fields, factor = self._fields, max(analysis.factor)
        if isinstance(analysis, Declared):
            return {"radius": fields.chosen_radius.value, "method": "approximate", "factor": self._factor}
        needed, own = max(analysis.radius), fields.own_radius.value
        snap(fields.radius, factor, None if own else needed)
        undersized = own and fields.radius.value < needed
        radius = fields.radius.value if own else "auto"
        return {"radius": radius, "method": "whole-tile" if undersized else "trimmed"}

    def _region(self, plane: Plane) -> Box | None:
        try:
            return self._part.box(plane)
        except ValueError as error:
            self._fields.image_note.say(f"{error}.", warning=True)
            self._fields.clear_figures()
            what = self._fields.region.value.lower()
            raise _CannotRun(f"The {what} cannot be segmented: see Image.") from error

    def _task(self, plane: Plane, model: Model, analysis: Runnable, settings: Settings) -> Task:
        from napari_exactile.run.task.task import Task

        try:
            return Task.of(plane.planes(self._everything), model, analysis, settings, plane.place)
        except ValueError as error:
            self._fields.tile_note.say(f"{error}.", warning=True)
            self._fields.context_note.say()
            self._fields.zone_note.say()
            raise _CannotRun("The tile size does not work: see Tiles.") from error

    def _show_figures(self, plan: Plan, planes: int) -> None:
        fields, radius = self._fields, max(plan.radius)
        if plan.approximate:
            snap(fields.chosen_radius, max(plan.factor), radius)
        if fields.automatic.value:
            snap(fields.tile, max(plan.factor), max(plan.tile))
        figures = Figures.of(plan, planes)
        fields.tile_note.say(figures.tile)
        fields.context_note.say(figures.context)
        fields.zone_note.say(figures.zone)
        fields.radius_note.say(figures.warning, warning=True)

    def _offer_devices(self) -> None:
        """Offer what torch finds, once it is loaded: asking earlier would load it."""
        from napari_exactile.run.plan.devices import device_choices

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
