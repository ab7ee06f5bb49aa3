"""Scores become labels; near-ties and differences are counted as they are defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_exactile.network.span import Scale
from napari_exactile.run.check.metrics import difference
from napari_exactile.run.task.kinds import Classes, YesNo


def test_near_ties_of_two_classes() -> None:
    """Of probabilities, exactly the pixels whose two differ by less than 1e-5 are near-ties."""
    first = torch.tensor([[0.5, 0.5 + 4e-6, 0.5 - 4e-6, 0.5 + 6e-6, 0.5 - 6e-6, 1.0]], dtype=torch.float64)
    result = Classes(2, "probabilities").decide(torch.stack([first, 1 - first])[None])
    assert result.near_ties == 3
    assert result.labels.tolist() == [[0, 0, 1, 0, 1, 0]]


def test_near_ties_of_several_classes() -> None:
    """Only the two best count, wherever they stand; softmax comes before the comparison."""
    logits = torch.tensor([[0.0, 5.0, 5.0 + 1e-6], [3.0, 0.0, 0.0], [0.0, 0.0, 9.0], [2.0, 2.0, 2.0]]).T
    result = Classes(3).decide(logits.reshape(1, 3, 2, 2))
    assert result.near_ties == 2
    assert result.labels.flatten().tolist() == [2, 0, 2, 0]
    torch.testing.assert_close(result.probabilities.sum(0), torch.ones(2, 2))


def test_near_ties_of_one_channel() -> None:
    """One channel is tied where yes and no differ by less than 1e-5; a probability of one half says yes."""
    chance = torch.tensor([[0.5, 0.5 + 4e-6, 0.5 - 4e-6, 0.5 - 6e-6, 0.9]], dtype=torch.float64)
    given: dict[Scale, torch.Tensor] = {
        "probabilities": chance, "logits": torch.logit(chance), "logarithms": chance.log(),
    }  # fmt: skip
    for scale, scores in given.items():
        result = YesNo(1, scale).decide(scores[None, None])
        assert result.near_ties == 3
        assert result.labels.tolist() == [[1, 1, 0, 0, 1]]


def test_difference_counts_and_measures() -> None:
    """ME counts labels, RMSE and the largest difference measure probabilities (Eq. 4 and 5)."""
    a, b = np.array([[0.2, 0.8]]), np.array([[0.2, 0.4]])
    found = difference(np.array([0, 1]), a, np.array([0, 0]), b)
    assert found.misclassified == 1
    assert found.max_abs_difference == pytest.approx(0.4)
    assert found.rmse == pytest.approx(0.4 / 2**0.5)
