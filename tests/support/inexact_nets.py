"""Networks that cannot be exact, each for a reason of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attentive(nn.Module):
    """Convolutions with attention over the whole image between them, at an eighth of its resolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.down = nn.Conv2d(1, 8, 8, stride=8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.Conv2d(9, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        low = self.down(x)
        tokens = low.flatten(2).transpose(1, 2)
        seen = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        low = (tokens + seen).transpose(1, 2).unflatten(2, low.shape[2:])
        return self.last(torch.cat([x, F.interpolate(low, scale_factor=8)], 1))


class Steered(nn.Module):
    """What it does depends on pixel values, so that it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.bright, self.dark = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.bright(x) if x.mean() > 0 else self.dark(x)


class Needs(nn.Module):
    """Takes multiples of one number only, and cannot be exact."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple, self.layer = multiple, nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        assert not any(n % self.multiple for n in x.shape[2:]), f"sides must be multiples of {self.multiple}"
        return torch.cumsum(self.layer(x), -1)
