"""Models are analysed in the background, once each; the last question is the one that is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_exactile.models.card import ModelCard
from napari_exactile.widget.choose.known import Answer, KnownModels, Question
from napari_exactile.widget.form.background import Latest
from napari_exactile.widget.model.class_memory import ClassMemory

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.declared import Factor


class Planner:
    """Knows the models that can be picked, and asks for what is not known of them yet.

    `classes` are what people have made of the models' classes; the models themselves stay as they are.
    """

    def __init__(self, remembers: bool = False) -> None:
        self.classes = ClassMemory(remembers)
        self._models = KnownModels()
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

    def known(self, name: str, shape: tuple[int, ...], factor: Factor | None = None) -> Answer | None:
        """Return a model with its analysis for images of `shape`, None before it was computed.

        With a `factor`, "auto" or typed, the analysis is what approximate tiles go by instead.
        """
        return self._models.answer((name, shape, factor))

    def ask(
        self,
        name: str,
        shape: tuple[int, ...],
        ready: Callable[[], None],
        failed: Callable[[Exception], None],
        factor: Factor | None = None,
    ) -> None:
        """Compute what `known` then returns, and call `ready`; another question supersedes this one.

        The same question again changes nothing: its answer is on the way already.
        """
        question = name, shape, factor
        if self._asked == question:
            return

        def remember(answer: Answer) -> None:
            self._asked = None
            self._models.remember(question, answer)
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
