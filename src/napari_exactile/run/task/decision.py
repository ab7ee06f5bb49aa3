"""From a network's output to labels, and to the number that tells how sure they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.images.normalize.steps import Known
from napari_exactile.models.card import Kind, ModelCard
from napari_exactile.network.span import Scale

# Two best probabilities closer than this can change places with the last bits of the arithmetic: more so
# where a network computes in coarser numbers. Differences that were seen in labels were a fifth as large.
NEAR_TIES = {torch.float16: 4e-3, torch.bfloat16: 3e-2}
NEAR_TIE = 1e-5


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of a box, where they are `near` ties, and its probabilities (channels, *spatial).

    Labels and near-ties are (*spatial), or (channels, *spatial) where each channel is decided by itself.
    There are none where the output is values; these stand in place of the probabilities then.
    """

    labels: torch.Tensor | None
    near: torch.Tensor | None
    probabilities: torch.Tensor

    @property
    def near_ties(self) -> int:
        """How many labels are."""
        return 0 if self.near is None else int(self.near.sum())

    def emptied(self, where: torch.Tensor, label: int) -> Labelled:
        """Return a copy with this label, and probabilities of 0, in the mask `where`."""
        assert self.labels is not None, "only values have none"
        labels, chances = self.labels.clone(), self.probabilities.clone()
        index: Any = (..., where)
        labels[index] = label
        chances[:, where] = 0
        return Labelled(labels, self.near, chances)


@dataclass(frozen=True, slots=True)
class Decision(ABC):
    """How a network's scores become labels; `scale` says what the scores are.

    Two best probabilities that are closer than `near_tie` are a near-tie. `threshold` and `steps` count for
    some of the kinds only, and stand in the identity of all.
    """

    kind: ClassVar[Kind]
    doubt: ClassVar[str] = ""  # in words, where scores that were read as logits are like probabilities
    channels: int
    scale: Scale = "logits"
    threshold: float = 0.5
    steps: tuple[Known, ...] = ()
    near_tie: float = NEAR_TIE

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"a threshold lies between 0 and 1, not at {self.threshold}")

    # --- what comes out

    @property
    def labels(self) -> bool:
        """Whether there are labels; otherwise the numbers are the result."""
        return True

    @property
    def one_label(self) -> bool:
        """Whether each pixel has one label, and not none, or one for each channel."""
        return self.labels and not self.leading

    @property
    def leading(self) -> tuple[int, ...]:
        """The shape of what comes before the spatial axes of the labels."""
        return ()

    @property
    def count(self) -> int:
        """Number of label values."""
        return 2

    @property
    def named(self) -> int:
        """How many classes have a name: the labels, or the channels that are decided each by itself."""
        return self.channels if self.leading else self.count

    @property
    def chosen_threshold(self) -> float | None:
        """The threshold that labels depend on, if they do."""
        return None

    def names(self, card: ModelCard) -> tuple[str, ...]:
        """Return what the labels mean."""
        return card.class_names(self.count)

    def keeps_numbers(self, wanted: bool) -> bool:
        """Return whether numbers are kept beside labels, or instead of them."""
        return wanted or not self.labels

    def background(self, card: ModelCard) -> int | None:
        """Return which channel is the background, if one is."""
        return None

    def bytes_each(self, probabilities: bool) -> int:
        """Return the bytes that the results of one pixel take, with its probabilities in float32 if kept."""
        labels = np.min_scalar_type(self.count).itemsize * (self.leading or (1,))[0]
        return int(labels) + probabilities * 4 * self.channels

    # --- deciding

    def decide(self, scores: torch.Tensor) -> Labelled:
        """Return the labels of `scores` (1, channels, *spatial).

        A near-tie is a pixel whose two best probabilities, or those of yes and no counted from the threshold,
        differ by less than `near_tie`. Raises ValueError for NaN; where the output is values, it is kept.
        """
        chances = self.chances(scores[0])
        if chances.isnan().any():
            raise ValueError(
                "the network gives NaN there, which is no score of a class; look at its weights, or "
                "normalise the image"
            )
        near = self._lead(chances) < self.near_tie
        return Labelled(self._labels(scores[0], chances), near, chances)

    def chances(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the probabilities that scores (channels, *spatial) stand for."""
        if self.scale == "probabilities":
            return scores
        return scores.exp() if self.scale == "logarithms" else self._squashed(scores)

    @abstractmethod
    def _squashed(self, logits: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _labels(self, scores: torch.Tensor, chances: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _lead(self, chances: torch.Tensor) -> torch.Tensor:
        """Return by how much each label leads, in the shape of the labels."""

    def leads(self, chances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much each label leads, in the shape of the labels."""
        lead: NDArray[np.float64] = self._lead(torch.from_numpy(chances)).numpy()
        return lead

    def without(self, result: Labelled, where: torch.Tensor, background: int) -> Labelled:
        """Return a result whose pixels in the mask `where` are the background, for certain."""
        return result.emptied(where, 0)

    # --- what looks like a mistake

    @property
    def reads_logits(self) -> bool:
        """Whether numbers are taken for logits, which probabilities would be taken for by mistake."""
        return self.scale == "logits"

    @abstractmethod
    def like_probabilities(self, scores: torch.Tensor) -> bool:
        """Return whether scores (1, channels, *spatial) between 0 and 1 are like probabilities."""
