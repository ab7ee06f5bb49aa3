"""What several networks of the zoo are built from: convolutions with a norm, and residual blocks."""

from __future__ import annotations

from torch import Tensor, nn


def conv(width: int, out: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Return convolution, batch norm and ReLU; at stride 1 the size stays."""
    padding = dilation * (kernel - 1) // 2
    layer = nn.Conv2d(width, out, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def double(width: int, out: int) -> nn.Sequential:
    """Return two of them, as in a U-Net."""
    return nn.Sequential(conv(width, out), conv(out, out))


class SqueezeExcitation(nn.Module):
    """Every channel is weighted by what all channels are on average over the image (Hu et al., 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.up = nn.Conv2d(width, max(1, width // 4), 1), nn.Conv2d(max(1, width // 4), width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.up(self.down(self.pool(x)).relu()).sigmoid()


class Residual(nn.Module):
    """The basic block of a ResNet (He et al., 2016): two convolutions beside a shortcut."""

    def __init__(
        self, width: int, out: int, stride: int = 1, dilation: int = 1, *, squeeze: bool = False
    ) -> None:
        super().__init__()
        self.first = conv(width, out, 3, stride, dilation)
        self.second = nn.Sequential(
            nn.Conv2d(out, out, 3, 1, dilation, dilation, bias=False), nn.BatchNorm2d(out)
        )
        self.squeeze = SqueezeExcitation(out) if squeeze else nn.Identity()
        self.shortcut = nn.Identity()
        if stride > 1 or width != out:
            self.shortcut = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(self.second(self.first(x)))
        y += self.shortcut(x)
        return self.relu(y)


class ResNet(nn.Module):
    """A stem of stride 2, a max pooling, and stages of residual blocks; returns the features of each.

    With an `output_stride` of 16 or 8, the last stages are dilated instead of strided, as in DeepLab.
    """

    def __init__(
        self, width: int = 4, blocks: int = 2, *, output_stride: int = 32, squeeze: bool = False
    ) -> None:
        super().__init__()
        self.widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stem, self.pool = conv(1, width, 7, stride=2), nn.MaxPool2d(3, 2, 1)
        self.stages, stride, dilation = nn.ModuleList(), 4, 1
        for number in range(1, 5):
            before, out = self.widths[number - 1], self.widths[number]
            step = 1 if number == 1 or stride == output_stride else 2
            dilation *= 2 if number > 1 and step == 1 else 1
            stride *= step
            rest = [Residual(out, out, dilation=dilation, squeeze=squeeze) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(Residual(before, out, step, dilation, squeeze=squeeze), *rest))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.stem(x)]
        x = self.pool(features[0])
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
