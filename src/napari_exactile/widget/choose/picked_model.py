"""From the model that was picked to what a run goes by; the notes that explain it are written here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_exactile.geometry.words import lengths
from napari_exactile.run.plan.settings import Device
from napari_exactile.widget.choose.fields import Fields
from napari_exactile.widget.choose.meaning_fields import AUTOMATIC
from napari_exactile.widget.choose.planner import Planner
from napari_exactile.widget.form.glossary import sentence

if TYPE_CHECKING:
    from napari_exactile.models.card import ModelCard
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Runnable
    from napari_exactile.network.declared import Declared, Factor
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.refused import Refused


class CannotRunError(Exception):
    """Why there is no choice; the note under the field says more."""


class PickedModel:
    """Reads the fields about the model; `analysed` is called when what was missing of it has come in.

    `known` is the model that was picked with its analysis, also where it cannot be run; `devices` are what
    can compute it, by their names for people.
    """

    def __init__(self, fields: Fields, planner: Planner, analysed: Callable[[], None]) -> None:
        self._fields, self._planner, self._analysed = fields, planner, analysed
        self._failure: tuple[tuple[Any, ...], Exception] | None = None
        self.known: tuple[Model, Derived | Refused] | None = None
        self.devices: dict[str, Device] = {AUTOMATIC: "auto", "CPU": "cpu"}

    @property
    def factor(self) -> Factor:
        """Multiples of what approximate tiles are, as the person says."""
        return int(self._fields.factor.value) or "auto"

    @property
    def card(self) -> ModelCard:
        """What the model that was picked says of itself."""
        return self._planner.cards[self._fields.model.value]

    def describe(self) -> None:
        """Show what the model is, whether or not it can be run."""
        words = filter(None, [self.card.summary, *map(sentence, self.card.notes)])
        self._fields.model_note.say("\n".join(words), warning=bool(self.card.notes))

    def for_images_of(self, shape: tuple[int, ...]) -> tuple[Model, Runnable]:
        """Return model and what a run goes by; the first time, they are asked for in the background.

        Raises CannotRunError where they are not known yet, and where the model cannot be run.
        """
        name, fields = self._fields.model.value, self._fields
        self.known = self._planner.known(name, shape)
        fields.offer_approximation(self._may_approximate(name, shape))
        if self.known is None:
            fields.exact_note.say("Analysing...")
            self._ask((name, shape), "The model cannot be used")
            raise CannotRunError("The model is being analysed.")
        self._offer_devices()
        from napari_exactile.network.refused import Refused

        model, analysis = self.known
        if isinstance(analysis, Refused):
            return self._declared(name, shape, analysis)
        return self._exact(model, analysis)

    def _may_approximate(self, name: str, shape: tuple[int, ...]) -> bool:
        """Tell whether the model was refused, and takes tiles all the same, as far as that is known."""
        if self.known is None:
            return False
        from napari_exactile.network.refused import Refused

        analysis = self.known[1]
        refused = isinstance(analysis, Refused) and bool(analysis.way_out)
        return refused and not self._planner.never(name, shape)

    def _exact(self, model: Model, analysis: Derived) -> tuple[Model, Runnable]:
        """Return what a run goes by that is exact, and say so."""
        from napari_exactile.run.words.summary import passes_words

        self._planner.forget()
        passes = f" and {passes_words(analysis.surveys)} before the labels" if analysis.surveys else ""
        grid = "" if analysis.grid.is_of_image else f"\n{analysis.grid.describe()}"
        self._fields.exact_note.say(f"Exact - needs {lengths(analysis.radius)} px of context{passes}{grid}")
        return model, analysis

    def _declared(self, name: str, shape: tuple[int, ...], analysis: Refused) -> tuple[Model, Declared]:
        """Return what approximate tiles go by, if the person has chosen them for this model."""
        fields, reasons = self._fields, "; ".join(map(str, analysis.refusals))
        never = self._planner.never(name, shape)
        if not (fields.approximate.value and self._may_approximate(name, shape)):
            self._planner.forget()
            what = "exact" if analysis.way_out else "used"
            words = f"Cannot be {what}: {reasons}", never and f"Nor approximate: {never}"
            fields.exact_note.say("\n".join(filter(None, words)), warning=True)
            raise CannotRunError(f"The model cannot be {what}: see Model.")
        fields.exact_note.say(f"APPROXIMATE. Cannot be exact: {reasons}", warning=True)
        known = self._planner.tried(name, shape, self.factor)
        if known is None:
            self._ask((name, shape, self.factor), "The model cannot be run approximately")
            raise CannotRunError("A small tile is being tried.")
        self._planner.forget()
        return known

    def _ask(self, question: tuple[Any, ...], failing: str) -> None:
        """Ask for an analysis, unless it has just failed: then say so, and ask again after a change."""
        failed, self._failure = self._failure, None
        if failed is not None and failed[0] == question:
            self._fields.exact_note.say(f"{failing}: {failed[1]}", warning=True)
            raise CannotRunError(f"{failing}: see Model.")
        name, shape, *factor = question
        self._planner.ask(
            name, shape, self._analysed, lambda error: self._on_failure(question, error), *factor
        )

    def _on_failure(self, question: tuple[Any, ...], error: Exception) -> None:
        self._failure = question, error
        self._analysed()

    def _offer_devices(self) -> None:
        """Offer what torch finds, once it is loaded: asking earlier would load it."""
        from napari_exactile.run.plan.devices import device_choices

        found = device_choices()
        if found != self.devices:
            self.devices = found
            self._fields.device.choices = list(found)
