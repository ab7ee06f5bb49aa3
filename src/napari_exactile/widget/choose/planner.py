"""Models are analysed in the background, once each; the last question is the one that is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_exactile.models.card import ModelCard
from napari_exactile.widget.choose.known import Analysed, KnownModels, Question, Tried
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.model.class_memory import ClassMemory

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.declared import Factor


class Planner:
    """Knows the models that can be picked, and asks for what is not known of them yet.

    `classes` are what people have made of the models' classes; the `models` themselves stay as they are.
    Several planners may share both, of which each delivers its own answers.
    """

    def __init__(self, models: KnownModels, classes: ClassMemory) -> None:
        self.classes, self._models = classes, models
        self._latest = Latest()
        self._asked: Question | None = None

    @property
    def cards(self) -> dict[str, ModelCard]:
        """The models that can be picked, by their names."""
        return self._models.cards

    def add(self, model: Model) -> None:
        """Offer a model that a script made; one of the same name is replaced."""
        self._models.add(model)
        self._asked = None

    def known(self, name: str, shape: tuple[int, ...]) -> Analysed | None:
        """Return a model with its analysis for images of `shape`, None before it was computed."""
        return self._models.analysed(name, shape)

    def tried(self, name: str, shape: tuple[int, ...], factor: Factor) -> Tried | None:
        """Return a model that cannot be exact with what approximate tiles go by; None before it was tried.

        The `factor` is "auto" or typed.
        """
        return self._models.tried(name, shape, factor)

    def never(self, name: str, shape: tuple[int, ...]) -> str:
        """Return why a model that was refused cannot be approximated either; "" where it may be."""
        return self._models.never(name, shape)

    def ask(
        self,
        name: str,
        shape: tuple[int, ...],
        ready: Callable[[], None],
        failed: Callable[[Exception], None],
        factor: Factor | None = None,
    ) -> None:
        """Compute what `known` then returns, or with a factor `tried`, and call `ready`.

        Another question supersedes this one; the same again changes nothing: its answer is on the way.
        """
        question = name, shape, factor
        if self._asked == question:
            return

        def remember(keep: Callable[[], None]) -> None:
            self._asked = None
            keep()
            ready()

        def give_up(error: Exception) -> None:
            self._asked = None
            failed(error)

        self._asked = question
        self._latest.ask(lambda: self._models.find(question), remember, give_up)

    def forget(self) -> None:
        """Deliver no answer to what was asked."""
        self._asked = None
        self._latest.forget()
