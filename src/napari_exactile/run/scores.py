"""From a network's output to labels, and to the number that tells how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

# Two best scores closer than this can change places with the last bits of the arithmetic.
NEAR_TIE = 1e-5
# A network with one output channel says "yes" from this probability on.
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of a box, the number of its near-ties, and its probabilities (classes, *spatial)."""

    labels: torch.Tensor
    near_ties: int
    probabilities: torch.Tensor


def check_scores(dtype: torch.dtype) -> None:
    """Raise ValueError for a network whose output, of this type, cannot be scores of classes."""
    if not dtype.is_floating_point:
        raise ValueError(
            f"the network returns whole numbers ({str(dtype).removeprefix('torch.')}), not a score for each "
            "class: let it return what comes before argmax or the comparison, or .float() of it"
        )


def label(scores: torch.Tensor, probabilities: bool) -> Labelled:
    """Return the labels of `scores` (1, classes, *spatial): the best class, or yes and no for one channel.

    `probabilities` says that the scores are probabilities already; otherwise softmax (sigmoid for one
    channel) is applied. A near-tie is a pixel whose two best probabilities differ by less than 1e-5.
    """
    scores = scores[0]
    if scores.shape[0] == 1:
        chance = scores if probabilities else torch.sigmoid(scores)
        gap = (2 * chance[0] - 1).abs()
        return Labelled((chance[0] >= THRESHOLD).to(torch.uint8), _count(gap), chance)
    chances = scores if probabilities else torch.softmax(scores, dim=0)
    # The best of the scores themselves: softmax can round two of them to the same number. Of equal scores,
    # max takes the first as argmax does, in a fifth of the time where classes lie apart in memory.
    return Labelled(scores.max(dim=0).indices, _count(_gap(chances)), chances)


def _gap(chances: torch.Tensor) -> torch.Tensor:
    if chances.shape[0] == 2:
        return (chances[0] - chances[1]).abs()
    best = chances.topk(2, dim=0).values
    return best[0] - best[1]


def _count(gap: torch.Tensor) -> int:
    return int((gap < NEAR_TIE).sum())
