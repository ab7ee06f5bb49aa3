"""What a model's card says, in words for people."""

from __future__ import annotations

from collections.abc import Sequence

from napari_exactile.geometry.words import counted
from napari_exactile.images.normalize.parse import NAMED, steps_of
from napari_exactile.images.normalize.steps import Percentiles, Step, ZScore
from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.models.load import Model
from napari_exactile.network.derived import Derived
from napari_exactile.network.refused import Refused
from napari_exactile.network.traced.trace import dtype_of
from napari_exactile.run.plan.sizes import size_notes
from napari_exactile.run.task.meaning import decision_of, gives_words
from napari_exactile.run.words.facts import Facts

KINDS = {
    "classes": "the best class of each pixel",
    "threshold": "yes where a channel is above {threshold:g}, each by itself",
    "values": "numbers, not classes",
}


def about(model: Model, analysis: Derived | Refused) -> Facts:
    """Return (name, value) pairs; what a card does not say is left out."""
    card = model.card
    facts = (
        ("model", card.title),
        ("about", card.summary),
        ("source", card.source or ("comes with napari-exactile" if BUNDLED.get(card.name) is card else "")),
        ("takes", _input(card, analysis, str(dtype_of(model.module)).removeprefix("torch."))),
        ("pixels become", pixels_become(card.normalization)),
        ("trained at", f"{card.pixel_size:.3g} µm per px" if card.pixel_size else ""),
        ("gives", output_words(card, analysis)),
        ("afterwards", "; ".join(step.describe() for step in card.postprocessing)),
        *(("declared", note) for note in size_notes(card, analysis)),
        *(("note", note) for note in card.notes),
        ("licence", card.licence),
        ("please cite", card.citation),
    )
    return tuple((name, value) for name, value in facts if value)


def pixels_become(choice: str | Sequence[Step]) -> str:
    """Return a normalisation in words.

    >>> pixels_become("z-score")
    'z-score: minus the mean, by the standard deviation, of the whole image, per channel'
    >>> pixels_become([Percentiles(1, 99.8, joint=True)])
    'percentiles 1 and 99.8 of the whole image become 0 and 1, of all channels together'
    """
    name = "z-score: " if choice in ("z-score", NAMED["z-score"]) else ""
    return name + ("; ".join(map(_step, steps_of(choice))) or "left as they are")


def _step(step: Step) -> str:
    if not isinstance(step, ZScore | Percentiles):
        return step.describe()
    whose = "of all channels together" if step.joint else "per channel"
    if isinstance(step, ZScore):
        return f"minus the mean, by the standard deviation, of the whole image, {whose}"
    if (step.low, step.high) == (0, 100):
        return f"the least and the largest of the whole image become 0 and 1, {whose}"
    return f"percentiles {step.low:g} and {step.high:g} of the whole image become 0 and 1, {whose}"


def _input(card: ModelCard, analysis: Derived | Refused, dtype: str) -> str:
    names = f" ({', '.join(card.channel_names)})" if card.channel_names else ""
    channels = counted(card.channels, "channel") + names
    axes = card.axes or "zyx"[3 - len(analysis.shape) :]
    return f"axes {', '.join(axes)}; {channels}; {dtype}"


def output_words(card: ModelCard, analysis: Derived | Refused) -> str:
    """Return what comes out of a network, what is made of it, and what says so."""
    if isinstance(analysis, Refused):
        count = len(card.classes)
        return f"{counted(count, 'channel')}, {KINDS[card.kind or 'classes']}" if count else ""
    decision = decision_of(card, analysis)
    words = KINDS[decision.kind].format(threshold=card.threshold)
    return f"{counted(analysis.classes, 'channel')}, {words}; {gives_words(decision, card, analysis)}"
