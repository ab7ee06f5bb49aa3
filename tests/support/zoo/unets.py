"""U-Nets: with a residual encoder, gates, nested skips, valid convolutions, instance norms."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.blocks import ResNet, double


class ResNetUNet(nn.Module):
    """A ResNet down; up by nearest resizing, skips and two convolutions a level, as is common practice."""

    def __init__(self, classes: int = 3, *, squeeze: bool = False) -> None:
        super().__init__()
        self.encoder = ResNet(squeeze=squeeze)
        widths = self.encoder.widths[::-1]
        self.decoder = nn.ModuleList(double(below + skip, skip) for below, skip in pairwise(widths))
        self.last, self.head = double(widths[-1], 4), nn.Conv2d(4, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        *skips, y = self.encoder(x)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            y = block(torch.cat([F.interpolate(y, scale_factor=2), skip], 1))
        return self.head(self.last(F.interpolate(y, scale_factor=2)))


class Gate(nn.Module):
    """An additive attention gate: the coarser signal says where in the skip connection to look."""

    def __init__(self, skip: int, signal: int) -> None:
        super().__init__()
        self.of_skip = nn.Conv2d(skip, skip, 2, 2, bias=False)
        self.of_signal, self.weight = nn.Conv2d(signal, skip, 1), nn.Conv2d(skip, 1, 1)

    def forward(self, skip: Tensor, signal: Tensor) -> Tensor:
        attention = self.weight((self.of_skip(skip) + self.of_signal(signal)).relu()).sigmoid()
        return skip * F.interpolate(attention, scale_factor=2, mode="bilinear", align_corners=False)


class AttentionUNet(nn.Module):
    """Attention U-Net (Oktay et al., 2018): every skip connection passes a gate."""

    def __init__(self, levels: int = 3, base: int = 4, classes: int = 3) -> None:
        super().__init__()
        widths = [base << level for level in range(levels + 1)]
        self.down = nn.ModuleList(double(a, b) for a, b in pairwise([1, *widths]))
        steps = list(pairwise(widths[::-1]))
        self.gates = nn.ModuleList(Gate(out, width) for width, out in steps)
        self.up = nn.ModuleList(nn.ConvTranspose2d(width, out, 2, 2) for width, out in steps)
        self.blocks = nn.ModuleList(double(2 * out, out) for _, out in steps)
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for block in self.down:
            skips.append(block(F.max_pool2d(skips[-1], 2) if skips else x))
        x = skips.pop()
        for gate, up, block in zip(self.gates, self.up, self.blocks, strict=True):
            x = block(torch.cat([gate(skips.pop(), x), up(x)], 1))
        return self.head(x)


class UNetPlusPlus(nn.Module):
    """U-Net++ (Zhou et al., 2018): node (i, j) joins all nodes of level i before it and one from below."""

    def __init__(self, levels: int = 3, base: int = 4, classes: int = 3) -> None:
        super().__init__()
        widths, self.levels = [base << level for level in range(levels + 1)], levels
        self.first = nn.ModuleList(double(a, b) for a, b in pairwise([1, *widths]))
        self.up, self.nodes = nn.ModuleDict(), nn.ModuleDict()
        for j in range(1, levels + 1):
            for i in range(levels + 1 - j):
                self.up[f"{i},{j}"] = nn.ConvTranspose2d(widths[i + 1], widths[i], 2, 2)
                self.nodes[f"{i},{j}"] = double((j + 1) * widths[i], widths[i])
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows: list[list[Tensor]] = []
        for i, block in enumerate(self.first):
            rows.append([block(F.max_pool2d(rows[-1][0], 2) if i else x)])
        for j in range(1, self.levels + 1):
            for i in range(self.levels + 1 - j):
                below = self.up[f"{i},{j}"](rows[i + 1][j - 1])
                rows[i].append(self.nodes[f"{i},{j}"](torch.cat([*rows[i], below], 1)))
        return self.head(rows[0][-1])


class ValidUNet(nn.Module):
    """The first U-Net (Ronneberger et al., 2015): no padding, skips cropped, a smaller output.

    With `same_size`, the image is mirrored all around first, as far as the output would lack.
    """

    def __init__(self, levels: int = 2, base: int = 4, classes: int = 3, *, same_size: bool = False) -> None:
        super().__init__()
        widths = [base << level for level in range(levels + 1)]
        self.lost = 2 * (sum(4 << level for level in range(levels)) + (2 << levels)) if same_size else 0
        self.down = nn.ModuleList(self.block(a, b) for a, b in pairwise([1, *widths]))
        steps = list(pairwise(widths[::-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(width, out, 2, 2) for width, out in steps)
        self.blocks = nn.ModuleList(self.block(2 * out, out) for _, out in steps)
        self.head = nn.Conv2d(base, classes, 1)

    @staticmethod
    def block(width: int, out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(width, out, 3), nn.ReLU(), nn.Conv2d(out, out, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (self.lost // 2,) * 4, mode="reflect") if self.lost else x
        skips: list[Tensor] = []
        for block in self.down:
            skips.append(block(F.max_pool2d(skips[-1], 2) if skips else x))
        x = skips.pop()
        for up, block in zip(self.up, self.blocks, strict=True):
            larger, skip = up(x), skips.pop()
            top, left = ((a - b) // 2 for a, b in zip(skip.shape[2:], larger.shape[2:], strict=True))
            skip = skip[..., top : top + larger.shape[2], left : left + larger.shape[3]]
            x = block(torch.cat([skip, larger], 1))
        return self.head(x)


class PlainUNet(nn.Module):
    """nnU-Net's plain U-Net: strided convolutions down, transposed ones up, two norms a stage."""

    def __init__(self, widths: tuple[int, ...], classes: int = 3) -> None:
        super().__init__()

        def block(before: int, after: int, stride: int = 1) -> nn.Sequential:
            layers: list[nn.Module] = []
            for i, step in ((before, stride), (after, 1)):
                layers += [nn.Conv2d(i, after, 3, step, 1), nn.InstanceNorm2d(after, affine=True)]
                layers.append(nn.LeakyReLU(0.01))
            return nn.Sequential(*layers)

        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([block(1, widths[0]), *(block(a, b, 2) for a, b in pairs)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(pairs)])
        self.join = nn.ModuleList([block(2 * a, a) for a, _ in reversed(pairs)])
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        for up, join, skip in zip(self.up, self.join, reversed(skips[:-1]), strict=True):
            x = join(torch.cat([up(x), skip], 1))
        return self.head(x)


class UNet3D(nn.Module):
    """3D U-Net (Çiçek et al., 2016), padded: of two convolutions a level, the second doubles the width."""

    def __init__(self, levels: int = 2, base: int = 3, classes: int = 3) -> None:
        super().__init__()
        widths = [base << level for level in range(levels + 2)]
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(self.block(a if i else 1, a, b) for i, (a, b) in enumerate(pairs))
        steps = list(pairwise(widths[:0:-1]))
        self.up = nn.ModuleList(nn.ConvTranspose3d(width, width, 2, 2) for width, _ in steps)
        self.blocks = nn.ModuleList(self.block(width + out, out, out) for width, out in steps)
        self.head = nn.Conv3d(widths[1], classes, 1)

    @staticmethod
    def block(width: int, middle: int, out: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i, o in pairwise([width, middle, out]):
            layers += [nn.Conv3d(i, o, 3, padding=1), nn.BatchNorm3d(o), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for block in self.down:
            skips.append(block(F.max_pool3d(skips[-1], 2) if skips else x))
        x = skips.pop()
        for up, block in zip(self.up, self.blocks, strict=True):
            x = block(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)
