"""From a network's output to labels, and to the number that tells how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.images.normalize.steps import (
    Known,
    Normalization,
)
from napari_exactile.models.card import Kind, ModelCard
from napari_exactile.network.analysis import Analysis
from napari_exactile.network.span import Scale
from napari_exactile.run.plan.settings import OutputKind

# Two best probabilities closer than this can change places with the last bits of the arithmetic: more so
# where a network computes in coarser numbers. Differences that were seen in labels were a fifth as large.
NEAR_TIES = {torch.float16: 4e-3, torch.bfloat16: 3e-2}
NEAR_TIE = 1e-5


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of a box, the number of its near-ties, and its probabilities (channels, *spatial).

    Labels are (*spatial), or (channels, *spatial) where each channel is decided by itself. There are none
    where the output is values; these stand in place of the probabilities then.
    """

    labels: torch.Tensor | None
    near_ties: int
    probabilities: torch.Tensor


@dataclass(frozen=True, slots=True)
class Decision:
    """How a network's scores become labels; `scale` says what the scores are.

    "classes" takes the best of the channels, "threshold" says yes to each channel whose probability reaches
    the `threshold`, "values" keeps the numbers after `steps`. Two best probabilities that are closer than
    `near_tie` are a near-tie. Raises ValueError for what cannot be decided.
    """

    kind: Kind
    channels: int
    scale: Scale = "logits"
    threshold: float = 0.5
    steps: tuple[Known, ...] = ()
    near_tie: float = NEAR_TIE

    def __post_init__(self) -> None:
        if self.kind == "classes" and self.channels == 1:
            raise ValueError("a network with one output channel has no classes to choose from")
        if not 0 < self.threshold < 1:
            raise ValueError(f"a threshold lies between 0 and 1, not at {self.threshold}")

    @classmethod
    def of(
        cls, card: ModelCard, analysis: Analysis, threshold: float | None = None, output: OutputKind = "auto"
    ) -> Decision:
        """Return the decision that a person has chosen, or the model's card, or its last operators tell.

        Where nobody says it, one channel is yes or no, unless its numbers cannot be logits, and several are
        classes; scores are logits, unless the last operators make others of them.
        """
        channels = analysis.classes
        kind, scale = _CHOSEN.get(output) or (card.kind or _kind(analysis), None)
        if scale is None and card.probabilities is not None:
            scale = "probabilities" if card.probabilities else "logits"
        chosen = card.threshold if threshold is None else threshold
        near = NEAR_TIES.get(analysis.precision, NEAR_TIE)
        return cls(kind, channels, scale or analysis.gives.span.scale, chosen, card.postprocessing, near)

    @property
    def leading(self) -> tuple[int, ...]:
        """The shape of what comes before the spatial axes of the labels."""
        return (self.channels,) if self.kind == "threshold" and self.channels > 1 else ()

    @property
    def count(self) -> int:
        """Number of label values."""
        return self.channels if self.kind == "classes" else 2

    def bytes_each(self, probabilities: bool) -> int:
        """Return the bytes that the results of one pixel take, with its probabilities in float32 if kept."""
        numbers = 4 * self.channels
        if self.kind == "values":
            return numbers
        labels = np.min_scalar_type(self.count).itemsize * (self.leading or (1,))[0]
        return int(labels) + probabilities * numbers

    def decide(self, scores: torch.Tensor) -> Labelled:
        """Return the labels of `scores` (1, channels, *spatial).

        A near-tie is a pixel whose two best probabilities, or those of yes and no counted from the threshold,
        differ by less than `near_tie`. Raises ValueError for NaN; where the output is values, it is kept.
        """
        scores = scores[0]
        if self.kind == "values":
            return Labelled(None, 0, self._values(scores))
        chances = self._chances(scores)
        if chances.isnan().any():
            raise ValueError("the network gives NaN there, which is no score of a class")
        if self.kind == "threshold":
            yes = (chances >= self.threshold).to(torch.uint8)
            gap = (2 * (chances - self.threshold)).abs()
            return Labelled(yes if self.leading else yes[0], self._count(gap), chances)
        # The best of the scores themselves: softmax can round two of them to the same number. Of equal
        # scores, max takes the first as argmax does, in a fifth of the time where classes lie apart.
        return Labelled(scores.max(dim=0).indices, self._count(_gap(chances)), chances)

    def _chances(self, scores: torch.Tensor) -> torch.Tensor:
        if self.scale == "probabilities":
            return scores
        if self.scale == "logarithms":
            return scores.exp()
        return torch.sigmoid(scores) if self.kind == "threshold" else torch.softmax(scores, dim=0)

    def _count(self, gap: torch.Tensor) -> int:
        return int((gap < self.near_tie).sum())

    def _values(self, scores: torch.Tensor) -> torch.Tensor:
        if not self.steps:
            return scores
        return torch.from_numpy(Normalization(self.steps).apply(scores.float().cpu().numpy()))


def thresholded(probabilities: NDArray[Any], threshold: float) -> NDArray[np.uint8]:
    """Return what a decision by threshold makes of probabilities that were kept: the labels it would give."""
    return (probabilities >= np.float32(threshold)).astype(np.uint8)


def check_scores(dtype: torch.dtype) -> None:
    """Raise ValueError for a network whose output, of this type, cannot be scores of classes."""
    if not dtype.is_floating_point:
        raise ValueError(
            f"the network returns whole numbers ({str(dtype).removeprefix('torch.')}), not a score for each "
            "class: let it return what comes before argmax, or .float() of what it compares"
        )


def check_meaning(card: ModelCard, analysis: Analysis, output: OutputKind = "auto") -> None:
    """Raise ValueError for a network that gives numbers of classes, unless somebody says what they are."""
    gives = analysis.gives
    if gives.span.meaning == "classes" and output == "auto" and card.kind is None:
        raise ValueError(
            f"the network returns the numbers of classes ({gives.operator}), not a score for each class: let "
            f'it return what comes before {gives.operator}, or choose the output kind "values" to keep them'
        )


def _gap(chances: torch.Tensor) -> torch.Tensor:
    if chances.shape[0] == 2:
        return (chances[0] - chances[1]).abs()
    best = chances.topk(2, dim=0).values
    return best[0] - best[1]


# What a person can say of the output; None: as the model or its last operators tell.
_CHOSEN: dict[OutputKind, tuple[Kind, Scale | None]] = {
    "classes": ("classes", None),
    "logits": ("threshold", "logits"),
    "probabilities": ("threshold", "probabilities"),
    "values": ("values", None),
}


def _kind(analysis: Analysis) -> Kind:
    if analysis.classes > 1:
        return "classes"
    span = analysis.gives.span
    return "values" if span.one_sided and span.scale == "logits" else "threshold"


SCALES = {"logits": "logits", "probabilities": "probabilities", "logarithms": "logarithms of probabilities"}


def gives_words(decision: Decision, card: ModelCard, analysis: Analysis, output: OutputKind = "auto") -> str:
    """Return what the numbers of a network are taken for, and who says so.

    Such as "probabilities, by its last layer (sigmoid)" or "logits: nothing says otherwise".
    """
    what = "values" if decision.kind == "values" else SCALES[decision.scale]
    if output != "auto":
        return f"{what}, as chosen"
    says = card.kind if decision.kind == "values" else card.probabilities
    if says is not None:
        return f"{what}, as the model says"
    operator = analysis.gives.operator
    if analysis.gives.span.meaning == "classes":
        what = "numbers of classes"
    return f"{what}, by its last layer ({operator})" if operator else f"{what}: nothing says otherwise"
