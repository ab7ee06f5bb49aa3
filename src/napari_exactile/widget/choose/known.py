"""The models that can be picked, and what is known of them; nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_exactile.models.card import BUNDLED, ModelCard

if TYPE_CHECKING:
    from napari_exactile.models.load import Model
    from napari_exactile.network.declared import Declared, Factor
    from napari_exactile.network.derived import Derived
    from napari_exactile.network.refused import Refused

# A model's name, the shape of images, and the factor that approximate tiles go by instead of an analysis.
Question = tuple[str, tuple[int, ...], "Factor | None"]
Analysed = tuple["Model", "Derived | Refused"]
Tried = tuple["Model", "Declared"]


def titled(cards: Mapping[str, ModelCard]) -> list[tuple[str, str]]:
    """Return the title of each model, with a number behind one that another has already, and its name."""
    found: dict[str, str] = {}
    for name, card in cards.items():
        title, number = card.short_title, 1
        while title in found:
            number += 1
            title = f"{card.short_title} {number}"
        found[title] = name
    return list(found.items())


class KnownModels:
    """Cards of models by their names, and each answer that was found once.

    Analyses hold no pixels and no weights of their own; a few hundred cost nothing. All methods but `find`
    belong to one thread.
    """

    def __init__(self) -> None:
        self.cards: dict[str, ModelCard] = dict(BUNDLED)
        self._own: dict[str, Model] = {}
        self._analysed: dict[tuple[str, tuple[int, ...]], Analysed] = {}
        self._tried: dict[Question, Tried] = {}
        self._never: dict[tuple[str, tuple[int, ...]], str] = {}

    def add(self, model: Model) -> None:
        """Offer a model that a script made; one of the same name is replaced."""
        self.cards[model.name] = model.card
        self._own[model.name] = model
        self._analysed = {key: value for key, value in self._analysed.items() if key[0] != model.name}
        self._tried = {key: value for key, value in self._tried.items() if key[0] != model.name}
        self._never = {key: words for key, words in self._never.items() if key[0] != model.name}

    def analysed(self, name: str, shape: tuple[int, ...]) -> Analysed | None:
        """Return a model with its analysis, None before it was found."""
        return self._analysed.get((name, shape))

    def tried(self, name: str, shape: tuple[int, ...], factor: Factor) -> Tried | None:
        """Return a model with what approximate tiles go by, None before it was found."""
        return self._tried.get((name, shape, factor))

    def never(self, name: str, shape: tuple[int, ...]) -> str:
        """Return why a model that was refused cannot be approximated either; "" where it may be."""
        return self._never.get((name, shape), "")

    def find(self, question: Question) -> Callable[[], None]:
        """Load a model and analyse it, which takes seconds: call it in a thread. Returns what keeps it.

        Raises what loading and analysing do, and ValueError for an output that cannot be decided on.
        """
        name, shape, factor = question
        if factor is None:
            analysed = self._analyse(name, shape)
            never = _never(*analysed)

            def keep() -> None:
                self._analysed[name, shape], self._never[name, shape] = analysed, never

            return keep
        tried = self._declare(name, shape, factor)
        return lambda: self._tried.update({question: tried})

    def _analyse(self, name: str, shape: tuple[int, ...]) -> Analysed:
        from napari_exactile.models.load import load_model
        from napari_exactile.network.derived import Derived
        from napari_exactile.run.plan.analyse import analyse
        from napari_exactile.run.task.meaning import check_scores

        loaded = [model for (known, _), (model, _) in self._analysed.items() if known == name]
        model = self._own.get(name) or (loaded[0] if loaded else load_model(name))
        analysis = analyse(model, shape)
        if isinstance(analysis, Derived):
            check_scores(analysis.scores_dtype)
            _plan_ahead(analysis)
        return model, analysis

    def _declare(self, name: str, shape: tuple[int, ...], factor: Factor) -> Tried:
        from napari_exactile.network.declared import declare
        from napari_exactile.run.task.meaning import check_scores

        model, analysis = self._analysed[name, shape]
        declared = declare(model.module, analysis, factor)
        check_scores(declared.scores_dtype)
        return model, declared


def _never(model: Model, analysis: Derived | Refused) -> str:
    """Return why a refused model takes no tiles of any size, after running a small one; "" if it may."""
    from napari_exactile.network.declared import NoTilesError, declare
    from napari_exactile.network.refused import Refused

    if isinstance(analysis, Refused) and analysis.way_out:
        try:
            declare(model.module, analysis)
        except NoTilesError as error:
            return str(error)
        except Exception:  # other multiples may do
            return ""
    return ""


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
