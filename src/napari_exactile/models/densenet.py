"""FC-DenseNet-56, -67 and -103 ("Tiramisu").

- S. Jégou, M. Drozdzal, D. Vazquez, A. Romero and Y. Bengio, "The One Hundred Layers Tiramisu: Fully
  Convolutional DenseNets for Semantic Segmentation" (CVPR workshop, 2017), as used in
- M. Majurski and P. Bajcsy, "Exact Tile-Based Segmentation Inference for Images Larger than GPU Memory"
  (J. Res. NIST 126:126009, 2021).

Every convolution has a bias, and upsampling is aligned as in the authors' code: the transposed convolution
makes one row and one column too many, and the last ones are cropped. TensorFlow's SAME does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

# TensorFlow's default, a hundred times PyTorch's.
_EPSILON = 1e-3
_DROPOUT = 0.2

_NAMED: dict[int, dict[str, Any]] = {
    56: {"growth": 12, "blocks": (4,) * 5, "bottleneck": 4},
    67: {"growth": 16, "blocks": (5,) * 5, "bottleneck": 5},
    103: {"growth": 16, "blocks": (4, 5, 7, 10, 12), "bottleneck": 15},
}


class FCDenseNet(nn.Module):
    """Class scores for every pixel: (batch, in_channels, y, x) to (batch, classes, y, x).

    `blocks` are the layers of each dense block on the way down, finest first, and in reverse on the way up;
    `bottleneck` are those of the block in between. `growth` is the number of channels that each layer adds,
    `base` the width of the first convolution, `kernel` the odd size of all that look at neighbours. The
    defaults are FC-DenseNet-56. Image sides must be multiples of `2 ** len(blocks)`. With `softmax` off, the
    scores are logits. Raises ValueError for a parameter that describes no such network.
    """

    def __init__(
        self,
        *,
        growth: int = 12,
        blocks: Sequence[int] = (4, 4, 4, 4, 4),
        bottleneck: int = 4,
        base: int = 48,
        kernel: int = 3,
        in_channels: int = 1,
        classes: int = 2,
        softmax: bool = True,
    ) -> None:
        super().__init__()
        _check(growth=growth, blocks=min(blocks, default=0), bottleneck=bottleneck, base=base)
        _check(in_channels=in_channels, classes=classes)
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and at least 1, so that padding is symmetric, not {kernel}")
        self.first = nn.Conv2d(in_channels, base, kernel, padding=kernel // 2)
        # The stack of features grows by every block on the way down; each skip connection carries all of it.
        skips = list(accumulate((growth * layers for layers in blocks), initial=base))[1:]
        self.encoder = nn.ModuleList(
            DenseBlock(width, growth, layers, kernel)
            for width, layers in zip([base, *skips], blocks, strict=False)
        )
        self.down = nn.ModuleList(_transition_down(width) for width in skips)
        self.bottleneck = DenseBlock(skips[-1], growth, bottleneck, kernel)
        # On the way up, only what the block below has made goes on.
        made = [growth * layers for layers in (bottleneck, *reversed(blocks))]
        widths = [below + skip for below, skip in zip(made, reversed(skips), strict=False)]
        self.up = nn.ModuleList(TransitionUp(below) for below in made[:-1])
        self.decoder = nn.ModuleList(
            DenseBlock(width, growth, layers, kernel)
            for width, layers in zip(widths, reversed(blocks), strict=True)
        )
        self.logits = nn.Conv2d(widths[-1] + made[-1], classes, kernel_size=1)
        self.softmax = softmax

    @classmethod
    def named(cls, layers: int, **parameters: Any) -> FCDenseNet:
        """Return FC-DenseNet-56, -67 or -103; `parameters` change what the number does not settle."""
        if layers not in _NAMED:
            raise ValueError(f"there is no FC-DenseNet-{layers}: choose one of {', '.join(map(str, _NAMED))}")
        return cls(**(_NAMED[layers] | parameters))

    def forward(self, image: Tensor) -> Tensor:
        """Return probabilities, or logits with `softmax` off."""
        stack, skips = self.first(image), []
        for block, down in zip(self.encoder, self.down, strict=True):
            skips.append(torch.cat([stack, block(stack)], dim=1))
            stack = down(skips[-1])
        made = self.bottleneck(stack)
        for up, block in zip(self.up, self.decoder, strict=True):
            stack = torch.cat([up(made), skips.pop()], dim=1)
            made = block(stack)
        scores: Tensor = self.logits(torch.cat([stack, made], dim=1))
        return torch.softmax(scores, dim=1) if self.softmax else scores


class DenseBlock(nn.Module):
    """Layers of which each sees the input and all that those before it have made; returns all they made."""

    def __init__(self, width: int, growth: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(width + growth * i, growth, kernel) for i in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return `growth` channels per layer, without the input."""
        made: list[Tensor] = []
        for layer in self.layers:
            made.append(layer(torch.cat([x, *made], dim=1)))
        return torch.cat(made, dim=1)


class TransitionUp(nn.Module):
    """A transposed convolution that doubles the size: input i adds to outputs 2 i, 2 i + 1 and 2 i + 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(width, width, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return twice the size: the row and the column that are too many are the last ones."""
        larger: Tensor = self.convolution(x)
        return larger[..., :-1, :-1]


def _layer(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """Return normalisation, ReLU, convolution, dropout; the size of the image stays."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels, eps=_EPSILON),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
        nn.Dropout(_DROPOUT),
    )


def _transition_down(width: int) -> nn.Sequential:
    """Return a layer that looks at single pixels, and a pooling that halves the size."""
    return nn.Sequential(*_layer(width, width, kernel=1), nn.MaxPool2d(2))


def _check(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
