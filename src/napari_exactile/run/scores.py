"""From a network's output to labels, and to the number that tells how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.images.normalization import Known, Normalization
from napari_exactile.models.card import Kind, ModelCard

# Two best scores closer than this can change places with the last bits of the arithmetic.
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
    """How a network's scores become labels; `probabilities` says that they are probabilities already.

    "classes" takes the best of the channels, "threshold" says yes to each channel whose probability reaches
    the `threshold`, "values" keeps the numbers after `steps`. Raises ValueError for what cannot be decided.
    """

    kind: Kind
    channels: int
    probabilities: bool
    threshold: float = 0.5
    steps: tuple[Known, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "classes" and self.channels == 1:
            raise ValueError("a network with one output channel has no classes to choose from")
        if not 0 < self.threshold < 1:
            raise ValueError(f"a threshold lies between 0 and 1, not at {self.threshold}")

    @classmethod
    def of(cls, card: ModelCard, channels: int, threshold: float | None = None) -> Decision:
        """Return the decision that a model's card asks for."""
        kind = card.kind or ("threshold" if channels == 1 else "classes")
        chosen = card.threshold if threshold is None else threshold
        return cls(kind, channels, card.probabilities, chosen, card.postprocessing)

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
        differ by less than 1e-5.
        """
        scores = scores[0]
        if self.kind == "values":
            return Labelled(None, 0, self._values(scores))
        if self.kind == "threshold":
            chances = scores if self.probabilities else torch.sigmoid(scores)
            yes = (chances >= self.threshold).to(torch.uint8)
            gap = (2 * (chances - self.threshold)).abs()
            return Labelled(yes if self.leading else yes[0], _count(gap), chances)
        chances = scores if self.probabilities else torch.softmax(scores, dim=0)
        # The best of the scores themselves: softmax can round two of them to the same number. Of equal
        # scores, max takes the first as argmax does, in a fifth of the time where classes lie apart.
        return Labelled(scores.max(dim=0).indices, _count(_gap(chances)), chances)

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
            "class: let it return what comes before argmax or the comparison, or .float() of it"
        )


def _gap(chances: torch.Tensor) -> torch.Tensor:
    if chances.shape[0] == 2:
        return (chances[0] - chances[1]).abs()
    best = chances.topk(2, dim=0).values
    return best[0] - best[1]


def _count(gap: torch.Tensor) -> int:
    return int((gap < NEAR_TIE).sum())
