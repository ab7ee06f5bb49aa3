"""Networks that classify coarsely and resize: FCN, SegNet, DeepLabV3+, PSPNet, HRNet."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.blocks import ResNet, conv, double

VGG_BLOCKS = (2, 2, 3, 3, 3)


class FCN(nn.Module):
    """FCN-32s, -16s and -8s on VGG-16 (Long et al., 2015), with the offsets of the authors' networks.

    The first convolution pads 100 pixels, poolings round up, and what is too much is cropped at the end.
    """

    def __init__(self, stride: int = 8, width: int = 2, classes: int = 3) -> None:
        super().__init__()
        widths = [1, width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.stages = nn.ModuleList(
            self.stage(widths[i], widths[i + 1], count, 1 if i else 100) for i, count in enumerate(VGG_BLOCKS)
        )
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.classifier = nn.Sequential(
            nn.Conv2d(8 * width, 16 * width, 7), nn.ReLU(), nn.Conv2d(16 * width, 16 * width, 1), nn.ReLU(),
            nn.Conv2d(16 * width, classes, 1),
        )  # fmt: skip
        skips = {32: [], 16: [8 * width], 8: [8 * width, 4 * width]}[stride]
        self.scores = nn.ModuleList(nn.Conv2d(skip, classes, 1) for skip in skips)
        self.up = nn.ModuleList(nn.ConvTranspose2d(classes, classes, 4, 2, bias=False) for _ in skips)
        self.last = nn.ConvTranspose2d(classes, classes, 2 * stride, stride, bias=False)
        self.offset = {32: 19, 16: 27, 8: 31}[stride]

    @staticmethod
    def stage(width: int, out: int, count: int, padding: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i in range(count):
            layers += [nn.Conv2d(out if i else width, out, 3, padding=1 if i else padding), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y, pooled = x, []
        for stage in self.stages:
            y = self.pool(stage(y))
            pooled.append(y)
        y = self.classifier(y)
        for up, score, skip, offset in zip(
            self.up, self.scores, (pooled[3], pooled[2]), (5, 9), strict=False
        ):
            y = up(y)
            y = y + score(skip)[..., offset : offset + y.shape[2], offset : offset + y.shape[3]]
        y, start = self.last(y), self.offset
        return y[..., start : start + x.shape[2], start : start + x.shape[3]]


class SegNet(nn.Module):
    """SegNet (Badrinarayanan et al., 2017): up by putting values back where the poolings found them."""

    def __init__(self, widths: tuple[int, ...] = (4, 8, 8), classes: int = 3) -> None:
        super().__init__()
        pairs = list(zip((1, *widths[:-1]), widths, strict=True))
        self.down = nn.ModuleList(double(a, b) for a, b in pairs)
        self.up = nn.ModuleList(double(b, a if a > 1 else b) for a, b in reversed(pairs))
        self.head = nn.Conv2d(widths[0], classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        places = []
        for block in self.down:
            x, place = F.max_pool2d(block(x), 2, return_indices=True)
            places.append(place)
        for block in self.up:
            x = block(F.max_unpool2d(x, places.pop(), 2))
        return self.head(x)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: dilated convolutions side by side, and one mean over the image."""

    def __init__(self, width: int, out: int, rates: tuple[int, ...], align_corners: bool) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [conv(width, out, 1), *(conv(width, out, 3, dilation=rate) for rate in rates)]
        )
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(width, out, 1))
        self.project, self.align = conv(out * (len(rates) + 2), out, 1), align_corners

    def forward(self, x: Tensor) -> Tensor:
        pooled = resized(self.pooled(x), x, self.align)
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], 1))


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ (Chen et al., 2018) on a ResNet with output stride 16; rates as for that stride."""

    def __init__(
        self, classes: int = 3, rates: tuple[int, ...] = (6, 12, 18), *, align_corners: bool = False
    ) -> None:
        super().__init__()
        self.encoder, self.align = ResNet(blocks=1, output_stride=16), align_corners
        widths = self.encoder.widths
        self.aspp, self.low = ASPP(widths[4], 8, rates, align_corners), conv(widths[1], 4, 1)
        self.decoder = nn.Sequential(double(12, 8), nn.Conv2d(8, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder(x)
        low = self.low(features[1])
        high = resized(self.aspp(features[4]), low, self.align)
        return resized(self.decoder(torch.cat([high, low], 1)), x, self.align)


class PSPNet(nn.Module):
    """PSPNet (Zhao et al., 2017): means over the cells of coarse grids, whatever the size of the image."""

    def __init__(self, bins: tuple[int, ...] = (1, 2, 3, 6), classes: int = 3) -> None:
        super().__init__()
        self.encoder = ResNet(blocks=1, output_stride=8)
        width = self.encoder.widths[4]
        self.pyramid = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), conv(width, 4, 1)) for size in bins
        )
        self.head = nn.Sequential(conv(width + 4 * len(bins), 8), nn.Conv2d(8, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.encoder(x)[4]
        y = torch.cat([y, *(resized(level(y), y, False) for level in self.pyramid)], 1)
        return resized(self.head(y), x, False)


class Exchange(nn.Module):
    """HRNet's exchange unit: every branch gets the sum of all, strided down or resized up."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.ways = nn.ModuleList(
            nn.ModuleList(self.way(widths, source, to) for source in range(len(widths)))
            for to in range(len(widths))
        )

    @staticmethod
    def way(widths: tuple[int, ...], source: int, to: int) -> nn.Module:
        if source == to:
            return nn.Identity()
        if source > to:
            up = nn.Upsample(scale_factor=2 ** (source - to), mode="nearest")
            return nn.Sequential(
                nn.Conv2d(widths[source], widths[to], 1, bias=False), nn.BatchNorm2d(widths[to]), up
            )
        steps = [conv(widths[source], widths[source], stride=2) for _ in range(to - source - 1)]
        last = nn.Conv2d(widths[source], widths[to], 3, 2, 1, bias=False)
        return nn.Sequential(*steps, last, nn.BatchNorm2d(widths[to]))

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        sums = []
        for ways in self.ways:
            parts = [way(branch) for way, branch in zip(ways, branches, strict=True)]
            sums.append(sum(parts[1:], parts[0]).relu())
        return sums


class HRNet(nn.Module):
    """HRNetV2 (Wang et al., 2020) with three branches: all are resized to the finest and joined."""

    def __init__(self, width: int = 4, classes: int = 3) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        self.stem = nn.Sequential(conv(1, width, stride=2), conv(width, width, stride=2))
        self.transitions = nn.ModuleList(conv(a, b, stride=2) for a, b in pairwise(widths))
        self.blocks = nn.ModuleList(
            nn.ModuleList(double(w, w) for w in widths[: stage + 1]) for stage in range(3)
        )
        self.exchanges = nn.ModuleList([Exchange(widths[:2]), Exchange(widths)])
        self.head = nn.Sequential(conv(7 * width, 7 * width, 1), nn.Conv2d(7 * width, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.blocks[0][0](self.stem(x))]
        for blocks, transition, exchange in zip(
            list(self.blocks)[1:], self.transitions, self.exchanges, strict=True
        ):
            branches.append(transition(branches[-1]))
            branches = exchange([block(branch) for block, branch in zip(blocks, branches, strict=True)])
        joined = torch.cat([branches[0], *(resized(branch, branches[0]) for branch in branches[1:])], 1)
        return resized(self.head(joined), x)


def resized(x: Tensor, like: Tensor, align_corners: bool = False) -> Tensor:
    """Return `x` in the size of `like`, interpolated linearly."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=align_corners)
