"""The U-Net of the papers on exact tiling.

Layer order, widths and paddings follow the TensorFlow code published with

- M. Majurski and P. Bajcsy, "Error-Free Semantic Segmentation Inference of Images Larger than GPU Memory"
  (AAAI workshop, 2020),
- M. Majurski and P. Bajcsy, "Exact Tile-Based Segmentation Inference for Images Larger than GPU Memory"
  (J. Res. NIST 126:126009, 2021),

which differs from the first U-Net (Ronneberger et al., 2015) in its SAME padding and batch normalisation.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# TensorFlow's default, a hundred times PyTorch's.
_EPSILON = 1e-3
_DROPOUT = 0.5


class UNet(nn.Module):
    """Class scores for every pixel: (batch, in_channels, y, x) to (batch, classes, y, x).

    `levels` is the number of poolings M, `convolutions` the number n per block, `kernel` their odd size k
    and `base` the width of the first block, which doubles with each level. The defaults are the published
    network. Image sides must be multiples of `2 ** levels`. In training, half of the features are dropped
    after the bottleneck and after the block before it, hence also from its skip connection; for the
    published network that block is the fourth. With `softmax` off, the scores are logits.

    Raises `ValueError` for a parameter that describes no such network.
    """

    def __init__(
        self,
        *,
        levels: int = 4,
        convolutions: int = 2,
        kernel: int = 3,
        base: int = 64,
        in_channels: int = 1,
        classes: int = 2,
        softmax: bool = True,
    ) -> None:
        super().__init__()
        _check_positive(
            levels=levels, convolutions=convolutions, base=base, in_channels=in_channels, classes=classes
        )
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and at least 1, so that padding is symmetric, not {kernel}")
        widths = [base << level for level in range(levels + 1)]
        encoder = [_block(i, o, kernel, convolutions) for i, o in pairwise([in_channels, *widths])]
        # From the bottom up, each step halves the width; the skip connection doubles it again for the block.
        steps = list(pairwise(reversed(widths)))
        self.encoder = nn.ModuleList(encoder)
        self.up = nn.ModuleList(_upsampling(i, o) for i, o in steps)
        self.decoder = nn.ModuleList(_block(2 * o, o, kernel, convolutions) for _, o in steps)
        self.logits = _block(base, classes, kernel=1, convolutions=1)
        self.dropout = nn.Dropout(_DROPOUT)
        self.softmax = softmax

    def forward(self, image: Tensor) -> Tensor:
        """Return probabilities, or logits with `softmax` off."""
        features = self._encode(image)
        x = features.pop()
        for up, block in zip(self.up, self.decoder, strict=True):
            x = block(torch.cat([features.pop(), up(x)], dim=1))
        scores: Tensor = self.logits(x)
        return torch.softmax(scores, dim=1) if self.softmax else scores

    def _encode(self, x: Tensor) -> list[Tensor]:
        """Return every level's features, finest first and the bottleneck last."""
        features: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            if level >= len(self.encoder) - 2:
                x = self.dropout(x)
            features.append(x)
        return features


def _block(in_channels: int, out_channels: int, kernel: int, convolutions: int) -> nn.Sequential:
    """Return n times convolution, ReLU, batch normalisation; the size of the image stays."""
    widths = [in_channels] + [out_channels] * convolutions
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Conv2d(i, o, kernel, padding=kernel // 2), nn.ReLU(), _normalisation(o)]
    return nn.Sequential(*layers)


def _upsampling(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a transposed convolution that doubles the size, with batch normalisation and no activation."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2), _normalisation(out_channels)
    )


def _normalisation(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
