"""From what the fields say to a plan; every note that explains a field is written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel

from napari_exactile.geometry.interval import Box
from napari_exactile.run.plan.settings import Settings
from napari_exactile.widget.choose.choice import Choice
from napari_exactile.widget.choose.fields import ALL_PLANES, Fields
from napari_exactile.widget.choose.figures import Figures
from napari_exactile.widget.choose.output import OutputChooser
from napari_exactile.widget.choose.picked_model import CannotRunError, PickedModel
from napari_exactile.widget.choose.planner import Planner
from napari_exactile.widget.choose.region import RegionChooser
from napari_exactile.widget.choose.rescaled import described
from napari_exactile.widget.draw.classes import label_count
from napari_exactile.widget.draw.planes import Plane, plane_of
from napari_exactile.widget.form.form import saying_anew
from napari_exactile.widget.form.glossary import sentence

if TYPE_CHECKING:
    from napari_exactile.models.card import ModelCard
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Runnable
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.refused import Refused
    from napari_exactile.run.task.task import Task


SCARCE = "Less memory is free than before: the tiles were made smaller when Run was pressed."


class Chooser:
    """Reads the fields and says what they mean: `choice`, or None and the reason.

    `more` are settings that no field says, and that count beside them.

    `analysed` is called when an analysis that was missing has come in.
    """

    def __init__(
        self, viewer: ViewerModel, fields: Fields, planner: Planner, region: RegionChooser,
        analysed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._viewer, self._fields, self._planner = viewer, fields, planner
        self._part = region
        self._picked = PickedModel(fields, planner, analysed)
        self.choice: Choice | None = None
        self.more: dict[str, Any] = {}
        self.output = OutputChooser(fields)

    @property
    def devices(self) -> dict[str, Any]:
        """What can compute, by its name for people."""
        return self._picked.devices

    @property
    def known(self) -> tuple[Model, Derived | Refused] | None:
        """The model that was picked with its analysis, also where it cannot be run."""
        return self._picked.known

    def update(self) -> str:
        """Choose anew; return why nothing can be run, in one sentence, or ""."""
        self.choice = self._picked.known = None
        with saying_anew(self._fields.notes):
            return self._update()

    def _update(self) -> str:
        self._picked.describe()
        try:
            plane = self._plane()
            model, analysis = self._picked.for_images_of(plane.shape)
            settings = self._settings(plane, model, analysis)
            task = self._task(plane, model, analysis, settings)
        except CannotRunError as reason:
            self._fields.legend.show_classes()
            return str(reason)
        self._show_measured(plane, model, settings)
        self._show_figures(task)
        count = label_count(model.card, analysis, settings.output_kind)
        classes = self._planner.classes.of(model.card, count)
        self._fields.legend.show_classes(classes if task.decision.labels else None)
        self.choice = Choice(plane, task, classes, self.output.choose(plane, task))
        return ""

    def refit(self) -> None:
        """Choose anew where an automatic tile needs more memory than is free by now, and say so."""
        before = self.choice
        if before is None or before.task.fits_now():
            return
        self.update()
        if self.choice is not None and self.choice.task.plan.tiling != before.task.plan.tiling:
            self._fields.tile_note.say(f"{self._fields.tile_note.text()}\n{SCARCE}", warning=True)

    def _plane(self) -> Plane:
        """Find the plane to segment."""
        layer, fields = self._fields.image.value, self._fields
        fields.sample.visible = layer is None
        if layer is None:
            self._offer_nothing()
            fields.image_note.say("Open an image (File > Open), or look at the sample.")
            raise CannotRunError("There is no image to segment.")
        try:
            card = self._picked.card
            space, where = card.axes or "yx", fields.channels.value
            plane = plane_of(layer, self._viewer, card.channels, space, where, self._everything)
        except ValueError as error:
            self._offer_nothing()
            # What is wrong may be put right by either.
            fields.offer_channels(layer.ndim > 2 or layer.rgb or self._picked.card.channels > 1)
            fields.offer_planes((1,) * (layer.ndim - 2))
            fields.image_note.say(sentence(error), warning=True)
            raise CannotRunError("The image does not fit: see Image.") from error
        leaves_out = fields.normalizing.leaves_out_missing
        fields.image_note.say(*described(plane, card, self._everything, leaves_out))
        fields.offer_channels(layer.ndim > 2 or card.channels > 1 or layer.rgb)
        fields.offer_planes(plane.stack_shape, len(plane.spatial))
        return plane

    def _offer_nothing(self) -> None:
        """Show nothing that depends on an image that can be segmented."""
        fields = self._fields
        fields.offer_channels(False)
        fields.offer_planes(())
        fields.meaning.offer_threshold(fields.model.value, None)
        fields.meaning.offer_kinds(0)

    @property
    def _everything(self) -> bool:
        return self._fields.planes.value == ALL_PLANES

    def _settings(self, plane: Plane, model: Model, analysis: Runnable) -> Settings:
        fields = self._fields
        snap(fields.tile, max(analysis.factor), None)
        chosen = Settings(
            stream=True,
            tile="auto" if fields.automatic.value else fields.tile.value,
            region=self._region(plane),
            **self._normalization(plane),
            probabilities=fields.probabilities.value,
            **self._output(model.card, analysis),
            together=self._everything and fields.together.value,
            device=self._picked.devices[fields.device.value],
            memory_limit=round(fields.memory.value * 1e9) or None,
            **self._radius(analysis),
        )
        return with_more(chosen, self.more)

    def _normalization(self, plane: Plane) -> dict[str, Any]:
        """Return what was chosen or typed; the fields say what is wrong with it."""
        fields = self._fields.normalizing
        try:
            ignore = fields.ignored()
            return {"normalization": fields.chosen(plane.source.channels, plane.layer.name), "ignore": ignore}
        except ValueError as error:
            fields.show_measured()
            raise CannotRunError("The normalisation cannot be used: see Advanced.") from error

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
            raise CannotRunError(sentence(error)) from error
        threshold = decision.chosen_threshold
        fields.meaning.offer_threshold(fields.model.value, threshold)
        return {"output_kind": kind, "threshold": threshold and float(fields.threshold.value)}

    def _radius(self, analysis: Runnable) -> dict[str, Any]:
        """Return the radius, and the method that can take it."""
        from napari_exactile.network.declared import Declared

        fields, factor = self._fields, max(analysis.factor)
        if isinstance(analysis, Declared):
            chosen, multiples = fields.chosen_radius.value, self._picked.factor
            return {"radius": chosen, "method": "approximate", "factor": multiples}
        needed, own = max(analysis.radius), fields.own_radius.value
        snap(fields.radius, factor, None if own else needed)
        undersized = own and fields.radius.value < needed
        radius = fields.radius.value if own else "auto"
        return {"radius": radius, "method": "whole-tile" if undersized else "auto"}

    def _region(self, plane: Plane) -> Box | None:
        try:
            return self._part.box(plane)
        except ValueError as error:
            self._fields.image_note.say(sentence(error), warning=True)
            what = self._fields.region.value.lower()
            raise CannotRunError(f"The {what} cannot be segmented: see Image.") from error

    def _task(self, plane: Plane, model: Model, analysis: Runnable, settings: Settings) -> Task:
        from napari_exactile.run.task.task import Task

        try:
            return Task.of(plane.planes(self._everything), model, analysis, settings, plane.place)
        except ValueError as error:
            self._fields.tile_note.say(sentence(error), warning=True)
            raise CannotRunError("The tile size does not work: see Tiles.") from error

    def _show_figures(self, task: Task) -> None:
        fields, plan = self._fields, task.plan
        radius = max(plan.radius)
        if plan.approximate:
            snap(fields.chosen_radius, max(plan.factor), radius)
        if fields.automatic.value:
            snap(fields.tile, max(plan.factor), max(plan.tile))
        automatic = None if plan.automatic or plan.approximate else task.automatic_plan()
        figures = Figures.of(plan, len(task.planes.sources), automatic)
        words = "\n".join(filter(None, [figures.tile, figures.dearer]))
        fields.tile_note.say(words, warning=bool(figures.dearer))
        fields.context_note.say(figures.context)
        fields.zone_note.say(figures.zone)
        fields.radius_note.say(figures.warning, warning=True)


def with_more(settings: Settings, more: Mapping[str, Any]) -> Settings:
    """Return settings with what no field says; what the fields say otherwise counts more."""
    usual = {"method": "auto", "normalization": "model", "probabilities": True, "scratch_limit": None}
    counts = {name: value for name, value in more.items() if getattr(settings, name) == usual[name]}
    return replace(settings, **counts)


def snap(field: Any, factor: int, value: int | None) -> None:
    """Set a number field to `value`, or its own value rounded down to steps of `factor`, without an event."""
    wanted = field.value // factor * factor if value is None else value
    with field.changed.blocked():
        field.step = factor
        if field.value != wanted:
            field.value = max(wanted, field.min)
