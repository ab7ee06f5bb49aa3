"""Networks whose context is known, and one of every odd size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# levels, convolutions, kernel, true context, rounded radius, Eq. 1
UNETS = [
    (4, 2, 3, 94, 96, 92), (3, 3, 3, 69, 72, 66), (4, 1, 3, 47, 48, 46), (4, 3, 3, 141, 144, 138),
    (3, 1, 3, 23, 24, 22), (3, 2, 3, 46, 48, 44), (2, 2, 3, 22, 24, 20), (2, 3, 3, 33, 36, 30),
    (2, 1, 5, 22, 24, 20), (1, 1, 3, 5, 6, 4), (1, 3, 3, 13, 14, 12), (3, 4, 3, 92, 96, 88),
]  # fmt: skip


class Asymmetric(nn.Module):
    """Strides, even and asymmetric kernels, dilation, overlapping transposed windows, odd paddings."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 3, (4, 3), stride=(2, 3), padding=(1, 1))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.deep = nn.Conv2d(3, 4, (3, 2), padding=(2, 1), dilation=(2, 2), groups=1)
        self.up = nn.ConvTranspose2d(4, 3, (5, 4), stride=2, padding=(2, 1), output_padding=(1, 0))
        self.last = nn.ConvTranspose2d(6, 2, (2, 4), stride=(2, 3), padding=(0, 1), output_padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        a = self.down(x).relu_()
        b = self.up(self.deep(self.pool(a)))
        return self.last(torch.cat([a, b], dim=1))
