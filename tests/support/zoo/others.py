"""Networks of other kinds: ConvNeXt, dilated convolutions, a coarse output, super-resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.blocks import ResNet, conv


class ResponseNorm(nn.Module):
    """Global response normalisation with channels last, of ConvNeXt V2 (Woo et al., 2023)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.zeros(1, 1, 1, width)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        return self.gamma * (x * (size / (size.mean(-1, keepdim=True) + 1e-6))) + self.beta + x


class ConvNeXtBlock(nn.Module):
    """A depthwise 7 x 7 convolution, then a layer norm and two products over channels that come last."""

    def __init__(self, width: int, *, response: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm, self.grow = nn.LayerNorm(width), nn.Linear(width, 4 * width)
        self.response = ResponseNorm(4 * width) if response else nn.Identity()
        self.shrink = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.shrink(self.response(F.gelu(self.grow(y)))).permute(0, 3, 1, 2)


class ChannelNorm(nn.Module):
    """A layer norm over the channels of each pixel, which come first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """ConvNeXt (Liu et al., 2022): patches of 4 x 4, two stages; up by bilinear resizing and joined.

    With `response`, the blocks are those of V2.
    """

    def __init__(self, width: int = 6, classes: int = 3, *, response: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 4, 4), ChannelNorm(width))
        self.first = ConvNeXtBlock(width, response=response)
        self.down = nn.Sequential(ChannelNorm(width), nn.Conv2d(width, 2 * width, 2, 2))
        self.second = ConvNeXtBlock(2 * width, response=response)
        self.head = nn.Conv2d(3 * width, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.first(self.stem(x))
        coarse = F.interpolate(self.second(self.down(fine)), scale_factor=2, mode="bilinear")
        return F.interpolate(self.head(torch.cat([fine, coarse], 1)), scale_factor=4, mode="bilinear")


def context_aggregation(width: int = 4, classes: int = 3) -> nn.Sequential:
    """Return the context module of Yu and Koltun (2016): dilations 1, 1, 2, 4, 8, 16, 1, then 1 x 1."""
    layers: list[nn.Module] = []
    for i, dilation in enumerate((1, 1, 2, 4, 8, 16, 1)):
        layers += [nn.Conv2d(width if i else 1, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, classes, 1))


class CoarseScores(nn.Module):
    """A ResNet whose scores stay on the grid of its second stage: one for every 4 x 4 pixels."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.encoder = ResNet(blocks=1)
        self.head = nn.Conv2d(self.encoder.widths[1], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x)[1])


def super_resolution(factor: int = 2, width: int = 6, classes: int = 3) -> nn.Sequential:
    """Return ESPCN (Shi et al., 2016): convolutions, then channels that become pixels of a finer grid."""
    return nn.Sequential(
        nn.Conv2d(1, width, 5, padding=2), nn.Tanh(), nn.Conv2d(width, width, 3, padding=1), nn.Tanh(),
        nn.Conv2d(width, classes * factor**2, 3, padding=1), nn.PixelShuffle(factor),
    )  # fmt: skip


def shuffled(width: int = 8, classes: int = 3) -> nn.Sequential:
    """Return convolutions between a pixel unshuffle and a pixel shuffle, as fast restoration networks do."""
    return nn.Sequential(
        nn.PixelUnshuffle(4), conv(16, width), conv(width, width),
        nn.Conv2d(width, 16 * classes, 3, padding=1), nn.PixelShuffle(4),
    )  # fmt: skip


class NonLocal(nn.Module):
    """A block in which every pixel looks at every other."""

    def __init__(self, width: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.before, self.after = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        flat = x.flatten(2)
        weights = torch.softmax(flat.transpose(1, 2) @ flat, -1)
        return self.after(x + (flat @ weights).reshape(x.shape))


class ShiftedWindows(nn.Module):
    """The shift of windowed attention, which moves the image around its edges."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, classes, 4, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        shifted = torch.roll(self.conv(x), (-2, -2), dims=(2, 3))
        return F.interpolate(torch.roll(shifted, (2, 2), dims=(2, 3)), scale_factor=4)
