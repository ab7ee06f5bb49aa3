"""Models and their analyses, loaded and computed in the background, once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.widget.draw.classes import ClassMemory
from napari_exactile.widget.form.background import Latest

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.network.declared import Factor

# Analyses hold no pixels and no weights of their own; a few hundred cost nothing.
Question = tuple[str, tuple[int, ...], "Factor | None"]
Known = dict[Question, "tuple[Model, Analysis]"]


class Planner:
    """Knows the models that can be picked. Nothing heavy is imported before an analysis is asked for.

    `classes` are what people have made of the models' classes; the models themselves stay as they are.
    """

    def __init__(self, remembers: bool = False) -> None:
        self.classes = ClassMemory(remembers)
        self.cards: dict[str, ModelCard] = dict(BUNDLED)
        self._own: dict[str, Model] = {}
        self._known: Known = {}
        self._latest = Latest()
        self._asked: Question | None = None

    def add(self, model: Model) -> None:
        """Offer a model that a script made; one of the same name is replaced."""
        self.cards[model.name] = model.card
        self._own[model.name] = model
        self._known = {key: value for key, value in self._known.items() if key[0] != model.name}
        self._asked = None

    def known(
        self, name: str, shape: tuple[int, ...], factor: Factor | None = None
    ) -> tuple[Model, Analysis] | None:
        """Return a model with its analysis for images of `shape`, None before it was computed.

        With a `factor`, "auto" or typed, the analysis is what approximate tiles go by instead.
        """
        return self._known.get((name, shape, factor))

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

        def remember(answer: tuple[Model, Analysis]) -> None:
            self._asked, self._known[question] = None, answer
            ready()

        def give_up(error: Exception) -> None:
            self._asked = None
            failed(error)

        def work() -> tuple[Model, Analysis]:
            from napari_exactile.run.task.meaning import check_scores

            model, analysis = self._analyse(name, shape) if factor is None else self._declare(*question)
            if analysis.factor:
                check_scores(analysis.scores_dtype)
            return model, analysis

        self._asked = question
        self._latest.ask(work, remember, give_up)

    def forget(self) -> None:
        """Deliver no answer to what was asked."""
        self._asked = None
        self._latest.forget()

    def _analyse(self, name: str, shape: tuple[int, ...]) -> tuple[Model, Analysis]:
        from napari_exactile.models.load import load_model
        from napari_exactile.run.plan.analyse import analyse
        from napari_exactile.run.plan.devices import pick_device
        from napari_exactile.run.plan.make import make_plan
        from napari_exactile.run.plan.settings import Settings

        loaded = [model for (known, *_), (model, _) in self._known.items() if known == name]
        model = self._own.get(name) or (loaded[0] if loaded else load_model(name))
        analysis = analyse(model, shape)
        if analysis.bound is not None:
            # Choosing a tile, and what to keep between passes, takes a while; it is remembered.
            make_plan(analysis, Settings(), pick_device("auto"))
            _ = analysis.for_whole_tiles  # so is the trace that tiles with too small a radius go by
        return model, analysis

    def _declare(self, name: str, shape: tuple[int, ...], factor: Factor | None) -> tuple[Model, Analysis]:
        from napari_exactile.network.declared import declare

        model, analysis = self._known[name, shape, None]
        return model, declare(model.module, analysis, factor or "auto")
