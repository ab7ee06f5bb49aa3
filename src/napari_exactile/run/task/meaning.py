"""What the output of a network means: what a person says, or its card, or else its last operators."""

from __future__ import annotations

import torch

from napari_exactile.models.card import Kind, ModelCard
from napari_exactile.network.analysis import Runnable
from napari_exactile.network.span import Scale
from napari_exactile.run.plan.settings import OutputKind
from napari_exactile.run.task.decision import NEAR_TIE, NEAR_TIES, Decision
from napari_exactile.run.task.kinds import KINDS

# What a person can say of the output; None: as the model or its last operators tell.
_CHOSEN: dict[OutputKind, tuple[Kind, Scale | None]] = {
    "classes": ("classes", None),
    "logits": ("threshold", "logits"),
    "probabilities": ("threshold", "probabilities"),
    "values": ("values", None),
}
SCALES = {"logits": "logits", "probabilities": "probabilities", "logarithms": "logarithms of probabilities"}


def decision_of(
    card: ModelCard, analysis: Runnable, threshold: float | None = None, output: OutputKind = "auto"
) -> Decision:
    """Return the decision that a person has chosen, or the model's card, or its last operators tell.

    Where nobody says it, one channel is yes or no, unless its numbers cannot be logits, and several are
    classes; scores are logits, unless the last operators make others of them. Raises ValueError for what
    cannot be decided.
    """
    kind, scale = _CHOSEN.get(output) or (card.kind or _kind(analysis), None)
    if scale is None and card.probabilities is not None:
        scale = "probabilities" if card.probabilities else "logits"
    chosen = card.threshold if threshold is None else threshold
    near = NEAR_TIES.get(analysis.precision, NEAR_TIE)
    scale = scale or analysis.gives.span.scale
    return KINDS[kind](analysis.classes, scale, chosen, card.postprocessing, near)


def _kind(analysis: Runnable) -> Kind:
    if analysis.classes > 1:
        return "classes"
    span = analysis.gives.span
    return "values" if span.one_sided and span.scale == "logits" else "threshold"


def check_scores(dtype: torch.dtype) -> None:
    """Raise ValueError for a network whose output, of this type, cannot be scores of classes."""
    if not dtype.is_floating_point:
        raise ValueError(
            f"the network returns whole numbers ({str(dtype).removeprefix('torch.')}), not a score for each "
            "class: let it return what comes before argmax, or .float() of what it compares"
        )


def check_meaning(card: ModelCard, analysis: Runnable, output: OutputKind = "auto") -> None:
    """Raise ValueError for a network that gives numbers of classes, unless somebody says what they are."""
    gives = analysis.gives
    if gives.span.meaning == "classes" and output == "auto" and card.kind is None:
        raise ValueError(
            f"the network returns the numbers of classes ({gives.operator}), not a score for each class: let "
            f'it return what comes before {gives.operator}, or choose the output kind "values" to keep them'
        )


def gives_words(decision: Decision, card: ModelCard, analysis: Runnable, output: OutputKind = "auto") -> str:
    """Return what the numbers of a network are taken for, and who says so.

    Such as "probabilities, by its last layer (sigmoid)" or "logits: nothing says otherwise".
    """
    what = SCALES[decision.scale] if decision.labels else "values"
    if output != "auto":
        return f"{what}, as chosen"
    says = card.probabilities if decision.labels else card.kind
    if says is not None:
        return f"{what}, as the model says"
    operator = analysis.gives.operator
    if analysis.gives.span.meaning == "classes":
        what = "numbers of classes"
    return f"{what}, by its last layer ({operator})" if operator else f"{what}: nothing says otherwise"
