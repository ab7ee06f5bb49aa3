"""The kinds of decision: the best class, yes or no for each channel, and numbers that are no labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.models.card import Kind, ModelCard
from napari_exactile.run.task.decision import Decision, Labelled

# Sums of probabilities can be so far from 1 in coarse numbers.
UNITY = 2e-2


ONE_CHANNEL = (
    'a network with one output channel has no classes to choose from: choose the output kind "logits", '
    '"probabilities" or "values"'
)


@dataclass(frozen=True, slots=True)
class Classes(Decision):
    """The best of the channels is the label. Raises ValueError for one channel."""

    kind = "classes"
    doubt = (
        "all scores lie between 0 and 1 and add up to 1, as probabilities do, and were read as logits, which "
        "flattens them: if they are probabilities, let it end in torch.softmax, or load it with "
        "probabilities=True"
    )

    def __post_init__(self) -> None:
        if self.channels == 1:
            raise ValueError(ONE_CHANNEL)
        Decision.__post_init__(self)

    @property
    def count(self) -> int:
        """One for each channel."""
        return self.channels

    def background(self, card: ModelCard) -> int | None:
        """The one that the card names."""
        return card.background

    def _squashed(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.softmax(logits, dim=0)

    def _labels(self, scores: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
        # The best of the scores themselves: softmax can round two of them to the same number. Of equal
        # scores, max takes the first as argmax does, in a fifth of the time where classes lie apart; and two
        # are compared in a tenth of that.
        return scores.max(dim=0).indices if len(scores) > 2 else (scores[1] > scores[0]).long()

    def _lead(self, chances: torch.Tensor) -> torch.Tensor:
        if chances.shape[0] == 2:
            return (chances[0] - chances[1]).abs()
        # A comparison at a time: where classes lie apart, `topk` takes five times as long.
        best, second = torch.maximum(chances[0], chances[1]), torch.minimum(chances[0], chances[1])
        for other in chances[2:]:
            second = torch.maximum(second, torch.minimum(best, other))
            best = torch.maximum(best, other)
        return best - second

    def without(self, result: Labelled, where: torch.Tensor, background: int) -> Labelled:
        """Return a result whose pixels in the mask `where` are the background, with probability 1."""
        found = result.emptied(where, background)
        found.probabilities[background, where] = 1
        return found

    def like_probabilities(self, scores: torch.Tensor) -> bool:
        """They add up to one at each pixel."""
        return bool(((scores.float().sum(dim=1) - 1).abs() < UNITY).all())


@dataclass(frozen=True, slots=True)
class YesNo(Decision):
    """Yes for each channel whose probability reaches the `threshold`."""

    kind = "threshold"
    doubt = (
        "all scores lie between 0 and 1, as probabilities do, and were read as logits: if they are "
        'probabilities, choose the output kind "probabilities"'
    )

    @property
    def leading(self) -> tuple[int, ...]:
        """The channels, where there are several."""
        return (self.channels,) if self.channels > 1 else ()

    @property
    def chosen_threshold(self) -> float | None:
        """The threshold."""
        return self.threshold

    def names(self, card: ModelCard) -> tuple[str, ...]:
        """Return what a person calls them, of one channel; no and yes otherwise."""
        named = len(card.classes) == self.count and not self.leading
        return card.classes if named else ("no", "yes")

    def _squashed(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(logits)

    def _labels(self, scores: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
        yes = (chances >= self.threshold).to(torch.uint8)
        return yes if self.leading else yes[0]

    def _lead(self, chances: torch.Tensor) -> torch.Tensor:
        lead = (2 * (chances - self.threshold)).abs()
        return lead if self.leading else lead[0]

    def again(self, chances: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
        """Return the labels that kept probabilities (channels, *spatial) give, and their near-ties."""
        kept, threshold = (chances if self.leading else chances[0]), np.float32(self.threshold)
        near_ties = np.abs(2 * (kept - threshold)) < self.near_tie
        return (kept >= threshold).astype(np.uint8), int(near_ties.sum())

    def like_probabilities(self, scores: torch.Tensor) -> bool:
        """Those of yes or no need not add up to anything."""
        return True


@dataclass(frozen=True, slots=True)
class Values(Decision):
    """The numbers themselves, after the `steps`: there are no labels."""

    kind = "values"

    @property
    def labels(self) -> bool:
        """There are none."""
        return False

    def names(self, card: ModelCard) -> tuple[str, ...]:
        """There are no labels to name."""
        return ()

    def bytes_each(self, probabilities: bool) -> int:
        """The numbers are all that there is."""
        return 4 * self.channels

    def decide(self, scores: torch.Tensor) -> Labelled:
        """Return the numbers."""
        return Labelled(None, None, self.chances(scores[0]))

    def chances(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the numbers after the steps."""
        if not self.steps:
            return scores
        return torch.from_numpy(Normalization(self.steps).apply(scores.float().cpu().numpy()))

    def without(self, result: Labelled, where: torch.Tensor, background: int) -> Labelled:
        """Return a result whose pixels in the mask `where` are NaN."""
        numbers = result.probabilities.clone()
        numbers[:, where] = torch.nan
        return Labelled(None, None, numbers)

    @property
    def reads_logits(self) -> bool:
        """They are not read as anything."""
        return False

    def _squashed(self, logits: torch.Tensor) -> torch.Tensor:
        return logits

    def _labels(self, scores: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
        raise TypeError("values are not decided on")

    def _lead(self, chances: torch.Tensor) -> torch.Tensor:
        raise TypeError("values do not lead")

    def like_probabilities(self, scores: torch.Tensor) -> bool:
        """Nobody takes them for such."""
        return False


KINDS: dict[Kind, type[Decision]] = {one.kind: one for one in (Classes, YesNo, Values)}
