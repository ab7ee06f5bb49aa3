"""Models and their analyses, loaded and computed in the background, once each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.widget.draw.classes import ClassMemory
from napari_exactile.widget.form.background import Latest

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.declared import Declared, Factor
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.refused import Refused

# Analyses hold no pixels and no weights of their own; a few hundred cost nothing.
Question = tuple[str, tuple[int, ...], "Factor | None"]
Analysed = tuple["Model", "Derived | Refused"]
Tried = tuple["Model", "Declared"]


class Planner:
    """Knows the models that can be picked. Nothing heavy is imported before an analysis is asked for.

    `classes` are what people have made of the models' classes; the models themselves stay as they are.
    """

    def __init__(self, remembers: bool = False) -> None:
        self.classes = ClassMemory(remembers)
        self.cards: dict[str, ModelCard] = dict(BUNDLED)
        self._own: dict[str, Model] = {}
        self._known: dict[tuple[str, tuple[int, ...]], Analysed] = {}
        self._tried: dict[Question, Tried] = {}
        self._latest = Latest()
        self._asked: Question | None = None

    def add(self, model: Model) -> None:
        """Offer a model that a script made; one of the same name is replaced."""
        self.cards[model.name] = model.card
        self._own[model.name] = model
        self._known = {key: value for key, value in self._known.items() if key[0] != model.name}
        self._tried = {key: value for key, value in self._tried.items() if key[0] != model.name}
        self._asked = None

    def known(self, name: str, shape: tuple[int, ...]) -> Analysed | None:
        """Return a model with its analysis for images of `shape`, None before it was computed."""
        return self._known.get((name, shape))

    def tried(self, name: str, shape: tuple[int, ...], factor: Factor) -> Tried | None:
        """Return a model that cannot be exact with what approximate tiles go by; None before it was tried.

        The `factor` is "auto" or typed.
        """
        return self._tried.get((name, shape, factor))

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

        def work() -> Callable[[], None]:
            """Return what keeps the answer."""
            if factor is None:
                analysed = self._analyse(name, shape)
                return lambda: self._known.update({(name, shape): analysed})
            tried = self._declare(name, shape, factor)
            return lambda: self._tried.update({question: tried})

        self._asked = question
        self._latest.ask(work, remember, give_up)

    def forget(self) -> None:
        """Deliver no answer to what was asked."""
        self._asked = None
        self._latest.forget()

    def _analyse(self, name: str, shape: tuple[int, ...]) -> Analysed:
        from napari_exactile.models.load import load_model
        from napari_exactile.network.derived import Derived
        from napari_exactile.run.plan.analyse import analyse
        from napari_exactile.run.task.meaning import check_scores

        loaded = [model for (known, _), (model, _) in self._known.items() if known == name]
        model = self._own.get(name) or (loaded[0] if loaded else load_model(name))
        analysis = analyse(model, shape)
        if isinstance(analysis, Derived):
            check_scores(analysis.scores_dtype)
            _plan_ahead(analysis)
        return model, analysis

    def _declare(self, name: str, shape: tuple[int, ...], factor: Factor) -> Tried:
        from napari_exactile.network.declared import declare
        from napari_exactile.run.task.meaning import check_scores

        model, analysis = self._known[name, shape]
        declared = declare(model.module, analysis, factor)
        check_scores(declared.scores_dtype)
        return model, declared


def _plan_ahead(analysis: Derived) -> None:
    """Plan once: choosing a tile, what to keep between passes, and tracing for tiles with too small a radius
    take a while, and are remembered."""
    from napari_exactile.network.traced.graph import NotExactError
    from napari_exactile.run.plan.devices import pick_device
    from napari_exactile.run.plan.make import make_plan
    from napari_exactile.run.plan.settings import Settings

    make_plan(analysis, Settings(), pick_device("auto"))
    with suppress(NotExactError):  # whoever asks for such tiles hears of it
        _ = analysis.for_whole_tiles
