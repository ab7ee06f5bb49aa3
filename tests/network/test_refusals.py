"""What looks at the whole image, or at places that pixels choose, is refused by name, with a remedy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from integer_nets import Applied, assert_exact
from napari_exactile.network.analysis import analyse_module


def pixels(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def attention(x: Tensor) -> Tensor:
    tokens = pixels(x)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2).view(x.shape)


def squares(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    parts = x.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(batch, 4 * channels, height // 2, width // 2)


def sampled(x: Tensor) -> Tensor:
    grid = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 8, 8], align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


@pytest.mark.parametrize(
    ("function", "operator", "reason"),
    [
        (lambda x: x.cumsum(-1), "cumsum", "all that come before it"),
        (attention, "", "every pixel looks at every other"),
        (sampled, "grid_sampler_2d", "can lead anywhere"),
        (lambda x: F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1), "im2col", "windows"),
        (lambda x: x.unfold(2, 2, 2), "unfold", "windows"),
        (lambda x: torch.fft.rfft2(x).abs(), "_fft_r2c", "every pixel depends on every other"),
        (lambda x: F.embedding(x.long(), torch.ones(4, 3))[..., 0], "embedding", "table"),
        (squares, "view", "mixes an axis"),
        (lambda x: x.roll(1, 2), "roll", "far edge becomes a neighbour"),
        (lambda x: x.roll((1, 1), (1, 3)), "roll", "far edge becomes a neighbour"),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="circular")[..., 2:, 2:], "copy_", "in place"),
        (lambda x: F.adaptive_avg_pool2d(x, (x.shape[2] // 2, 3)), "adaptive_avg_pool2d", "shares"),
    ],
)
def test_what_reaches_everywhere_is_refused_in_plain_words(
    function: Callable[[Tensor], Tensor], operator: str, reason: str
) -> None:
    """Operator, reason and remedy are named."""
    refusal = analyse_module(Applied(function).eval(), 1, (24, 24)).refusals[0]
    assert operator in refusal.operator
    assert reason in refusal.reason
    assert refusal.remedy


def test_rolling_channels_is_exact() -> None:
    """A roll over the channels moves no pixel."""
    assert_exact(Applied(lambda x, conv: conv(x).round().roll(1, 1), nn.Conv2d(1, 3, 1)), (9, 7), (4, 3), 0)
