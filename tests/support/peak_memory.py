"""Measure the most memory that tensors take at once, and a zoo of networks to measure it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from napari_exactile.geometry.interval import Box, box_shape
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.source import ArraySource
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, analyse_module
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.passes.kept_tensors import KeptTensors
from napari_exactile.run.engine.passes.survey import Survey
from napari_exactile.run.plan.plan import Plan, plan_tiles
from napari_exactile.run.plan.settings import MethodName
from nucleus_unet import NucleusUNet


def peak_of(compute: Callable[[], Any], device: torch.device | None = None) -> int:
    """Return the most bytes that torch holds at once while it computes, beyond what it held before.

    On CPUs, from the allocator's events, in which the copies that oneDNN makes appear as well; on GPUs, from
    the allocator's own count, which knows cuDNN's workspaces.
    """
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        compute()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with (
        # What numpy gives would not be among the events.
        patch("napari_exactile.network.skewed.slab.new_memory", _of_torch),
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded,
    ):
        compute()
    happened: Any = recorded.profiler.kineto_results.events()  # type: ignore[union-attr]
    sizes = [(event.start_ns(), event.nbytes()) for event in happened if event.name() == "[memory]"]
    return max(accumulate(size for _when, size in sorted(sizes, key=lambda event: event[0])))


def _of_torch(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=device)


class Bare(Executor):
    """An executor whose images are random numbers, so that torch alone takes memory."""

    def _image(self, box: Box) -> Tensor:
        return self._placed(torch.rand(1, self.analysis.channels, *box_shape(box), dtype=self._dtype))


@dataclass(frozen=True)
class Case:
    """A network and a tile for an image far larger than it; `span` is the image's length along every axis."""

    make: Callable[[], nn.Module]
    tile: int
    span: int
    axes: int = 2
    channels: int = 1

    def planned(self, method: MethodName) -> tuple[nn.Module, Analysis, Plan]:
        net = self.make().eval().requires_grad_(False)
        analysis = analyse_module(net, self.channels, (self.span,) * self.axes)
        return net, analysis, plan_tiles(analysis, tile=self.tile, method=method)

    def measured(self, net: nn.Module, analysis: Analysis, plan: Plan) -> int:
        """Return what the tile in the middle takes."""
        source, device = ArraySource(np.zeros((1,) * self.axes)), torch.device("cpu")
        survey = Survey(plan.schedule, plan.zor, KeptTensors(memory=0))
        executor = Bare(source, Normalization(), net, analysis, device, survey)
        middle = plan.tiling.at(tuple(length // 2 for length in plan.tiling.shape))
        assert middle is not None
        zone = plan.tiling.tile(middle).zone
        compute = partial(executor.scores, zone, plan.radius, plan.method, lambda: None)
        compute()  # places the weights
        return peak_of(compute, device)


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.norm2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.relu, self.shortcut = nn.ReLU(inplace=True), nn.Conv2d(width, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)


class ResNetDecoder(nn.Module):
    """A residual encoder, and a decoder that adds what the encoder found."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.down = nn.ModuleList([Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)])
        self.lateral = nn.ModuleList([nn.Conv2d(16, 16, 1), nn.Conv2d(32, 16, 1), nn.Conv2d(64, 16, 1)])
        self.head = nn.Conv2d(16, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x, found = self.stem(x), []
        for block in self.down:
            x = block(x)
            found.append(x)
        x = self.lateral[2](found[2])
        for level in (1, 0):
            x = F.interpolate(x, scale_factor=2, mode="nearest") + self.lateral[level](found[level])
        return F.interpolate(self.head(x), scale_factor=2, mode="bilinear")


class BilinearDecoder(nn.Module):
    """Encoder and decoder without skip connections, up by bilinear resizing."""

    def __init__(self) -> None:
        super().__init__()
        widths = [(1, 16), (16, 32), (32, 64)]
        self.down = nn.Sequential(*(self.block(i, o, nn.MaxPool2d(2)) for i, o in widths))
        up = partial(nn.Upsample, scale_factor=2, mode="bilinear")
        self.up = nn.Sequential(*(self.block(o, i if i > 1 else 8, up()) for i, o in reversed(widths)))
        self.head = nn.Conv2d(8, 3, 1)

    @staticmethod
    def block(width: int, out: int, resize: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(width, out, 3, padding=1), nn.ReLU(), resize)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.up(self.down(x)))


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, then a normalisation and two products over the channels, which come last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm, self.grow = nn.LayerNorm(width), nn.Linear(width, 4 * width)
        self.shrink, self.scale = nn.Linear(4 * width, width), nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.shrink(F.gelu(self.grow(y)))
        return x + y.permute(0, 3, 1, 2)


def dilated() -> nn.Module:
    """Wider and wider context at full resolution."""
    layers: list[nn.Module] = []
    for width, dilation in ((1, 1), (24, 2), (24, 4), (24, 8)):
        layers += [nn.Conv2d(width, 24, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(24), nn.ELU()]
    return nn.Sequential(*layers, nn.Conv2d(24, 2, 1), nn.Softmax(dim=1))


class UNet3D(nn.Module):
    """A U-Net with one level for volumes."""

    def __init__(self, base: int = 8) -> None:
        super().__init__()
        self.first, self.last = self.block(1, base), self.block(2 * base, base)
        self.bottom = nn.Sequential(nn.MaxPool3d(2), self.block(base, 2 * base))
        self.up, self.head = nn.ConvTranspose3d(2 * base, base, 2, 2), nn.Conv3d(base, 2, 1)

    @staticmethod
    def block(width: int, out: int) -> nn.Sequential:
        conv = nn.Conv3d(width, out, 3, padding=1)
        return nn.Sequential(conv, nn.ReLU(), nn.Conv3d(out, out, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        skip = self.first(x)
        return self.head(self.last(torch.cat([skip, self.up(self.bottom(skip))], dim=1)))


def convnext() -> nn.Module:
    """Two blocks between a patch embedding and its inverse."""
    blocks = ConvNeXtBlock(24), ConvNeXtBlock(24)
    return nn.Sequential(nn.Conv2d(3, 24, 2, 2), *blocks, nn.Conv2d(24, 8, 1), nn.PixelShuffle(2))


ZOO = {
    "U-Net, base 16, 2 levels": Case(partial(UNet, base=16, levels=2), 512, 2048),
    "U-Net, base 16, 4 levels": Case(partial(UNet, base=16, levels=4), 512, 2048),
    "U-Net, base 32, 3 levels": Case(partial(UNet, base=32, levels=3), 400, 2048),
    "U-Net, base 64, 2 levels": Case(partial(UNet, base=64, levels=2), 256, 2048),
    "U-Net, base 64, 4 levels": Case(partial(UNet, base=64, levels=4), 320, 2048),
    "FC-DenseNet, 3 blocks": Case(partial(FCDenseNet, blocks=(4, 4, 4), bottleneck=4), 320, 2048),
    "nucleus U-Net": Case(NucleusUNet, 512, 2048),
    "residual encoder, adding decoder": Case(ResNetDecoder, 512, 2048, channels=3),
    "bilinear decoder": Case(BilinearDecoder, 512, 2048),
    "ConvNeXt blocks": Case(convnext, 512, 2048, channels=3),
    "dilated convolutions": Case(dilated, 400, 2048),
    "3D U-Net": Case(UNet3D, 96, 512, axes=3),
    "U-Net in float64": Case(lambda: UNet(base=16, levels=2).double(), 256, 2048),
}
