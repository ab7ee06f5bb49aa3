"""Networks that resize, and the context that they need."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Resized(nn.Module):
    """Down by poolings, up by resizing, with skip connections; `factor` is that of each level."""

    def __init__(self, mode: str, factor: int, levels: int, convolutions: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.mode, self.factor, self.levels = mode, factor, levels
        pad = kernel // 2

        def block(i: int, o: int) -> nn.Module:
            later = (nn.Conv2d(o, o, kernel, padding=pad) for _ in range(convolutions - 1))
            return nn.Sequential(nn.Conv2d(i, o, kernel, padding=pad), *later, nn.ReLU())

        self.encoder = nn.ModuleList(block(2 if level else 1, 2) for level in range(levels + 1))
        self.decoder = nn.ModuleList(block(4, 2) for _ in range(levels))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, self.factor) if level else x)
            skips.append(x)
        x = skips.pop()
        for block in self.decoder:
            x = block(torch.cat([skips.pop(), self.larger(x)], dim=1))
        return x

    def larger(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.factor, mode=self.mode)


class Chain(nn.Module):
    """Slices and resizes in a row, out of step with each other, back on the grid of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, (2, 3), padding=(1, 1))
        self.up = nn.ConvTranspose2d(3, 2, 3, stride=2)
        self.last = nn.Conv2d(6, 2, 3, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)[..., 1:, :]
        phases = torch.cat([a[..., ::2, 1::2], a[..., 1::2, 0::2]], dim=1)
        back = self.up(phases[:, 1:4])[..., :-1, :-1]
        finer = F.avg_pool2d(F.interpolate(x, scale_factor=(4, 2), mode="bilinear"), (4, 2))
        coarse = F.interpolate(F.max_pool2d(a, 2)[:, :2], size=x.shape[2:], mode="bilinear")
        y = self.last(torch.cat([back, finer, coarse, x], dim=1))
        return y[..., 2 : y.shape[2], -y.shape[3] : -2]


# mode, factor, levels, context on both sides, Eq. 1
CONTEXTS = [
    ("nearest", 2, 1, 5, 4), ("bilinear", 2, 1, 5, 4), ("nearest", 2, 2, 11, 10), ("bilinear", 2, 2, 15, 10),
    ("nearest", 4, 1, 9, 6), ("bilinear", 4, 1, 9, 6), ("bilinear", 8, 1, 17, 10),
]  # fmt: skip
