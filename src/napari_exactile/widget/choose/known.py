"""The models that can be picked, and what is known of them; nothing heavy is imported before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_exactile.models.card import BUNDLED, ModelCard

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.analysis import Analysis
    from napari_exactile.network.declared import Factor

# A model's name, the shape of images, and the factor that approximate tiles go by instead of an analysis.
Question = tuple[str, tuple[int, ...], "Factor | None"]
Answer = tuple["Model", "Analysis"]


class KnownModels:
    """Cards of models by their names, and each answer that was found once.

    Analyses hold no pixels and no weights of their own; a few hundred cost nothing. All methods but `find`
    belong to one thread.
    """

    def __init__(self) -> None:
        self.cards: dict[str, ModelCard] = dict(BUNDLED)
        self._own: dict[str, Model] = {}
        self._answers: dict[Question, Answer] = {}

    def add(self, model: Model) -> None:
        """Offer a model that a script made; one of the same name is replaced."""
        self.cards[model.name] = model.card
        self._own[model.name] = model
        self._answers = {key: value for key, value in self._answers.items() if key[0] != model.name}

    def answer(self, question: Question) -> Answer | None:
        """Return what is known, None before it was found."""
        return self._answers.get(question)

    def remember(self, question: Question, answer: Answer) -> None:
        """Keep what was found."""
        self._answers[question] = answer

    def find(self, question: Question) -> Answer:
        """Load the model and analyse it, which takes seconds: call it in a thread.

        Raises what loading and analysing do, and ValueError for an output that cannot be decided on.
        """
        from napari_exactile.run.task.meaning import check_scores

        name, shape, factor = question
        model, analysis = self._analyse(name, shape) if factor is None else self._declare(*question)
        if analysis.factor:
            check_scores(analysis.scores_dtype)
        return model, analysis

    def _analyse(self, name: str, shape: tuple[int, ...]) -> Answer:
        from napari_exactile.models.load import load_model
        from napari_exactile.run.plan.analyse import analyse
        from napari_exactile.run.plan.devices import pick_device
        from napari_exactile.run.plan.make import make_plan
        from napari_exactile.run.plan.settings import Settings

        loaded = [model for (known, *_), (model, _) in self._answers.items() if known == name]
        model = self._own.get(name) or (loaded[0] if loaded else load_model(name))
        analysis = analyse(model, shape)
        if analysis.bound is not None:
            # Choosing a tile, and what to keep between passes, takes a while; it is remembered.
            make_plan(analysis, Settings(), pick_device("auto"))
            _ = analysis.for_whole_tiles  # so is the trace that tiles with too small a radius go by
        return model, analysis

    def _declare(self, name: str, shape: tuple[int, ...], factor: Factor | None) -> Answer:
        from napari_exactile.network.declared import declare

        model, analysis = self._answers[name, shape, None]
        return model, declare(model.module, analysis, factor or "auto")
