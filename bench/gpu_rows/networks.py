"""The networks whose memory and speed are measured, with lively random weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from torch import nn

from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, analyse_module
from napari_exactile.network.cost.arithmetic import work_whole
from peak_memory import UNet3D


class MissingPackageError(ImportError):
    """A network needs a package that is not installed."""


def dynunet(widths: tuple[int, ...]) -> nn.Module:
    """nnU-Net's plain 2D U-Net, with an instance norm after each convolution."""
    try:
        from monai.networks.nets import DynUNet
    except ImportError as error:
        raise MissingPackageError("MONAI is not installed") from error
    count = len(widths)
    net: nn.Module = DynUNet(
        2, 1, 2, [3] * count, [1, *[2] * (count - 1)], [2] * (count - 1), filters=list(widths),
        norm_name="instance",
    )  # fmt: skip
    return net


LARGE: dict[str, Callable[[], nn.Module]] = {
    "U-Net, base 16": partial(UNet, base=16, softmax=False),
    "U-Net, base 64": partial(UNet, base=64, softmax=False),
    "FC-DenseNet-56": partial(FCDenseNet.named, 56, softmax=False),
    "DynUNet": partial(dynunet, (32, 64, 128, 256, 512, 512)),
    "3D U-Net, base 16": partial(UNet3D, base=16),
    "one 1x1 convolution": partial(nn.Conv2d, 1, 2, 1),
}
SMALL: dict[str, Callable[[], nn.Module]] = {
    "U-Net, base 16": partial(UNet, base=4, levels=2, softmax=False),
    "U-Net, base 64": partial(UNet, base=8, levels=2, softmax=False),
    "FC-DenseNet-56": partial(FCDenseNet, blocks=(2, 2), bottleneck=2, growth=4, base=8, softmax=False),
    "DynUNet": partial(dynunet, (4, 8, 8)),
    "3D U-Net, base 16": partial(UNet3D, base=2),
    "one 1x1 convolution": LARGE["one 1x1 convolution"],
}


@cache
def network(name: str, quick: bool) -> nn.Module:
    """Return one of them, always the same; raise MissingPackageError where its package is not there."""
    net = (SMALL if quick else LARGE)[name]().eval().requires_grad_(False)
    randomise(net, 0)
    return net


@cache
def analysed(name: str, quick: bool, shape: tuple[int, ...]) -> Analysis:
    """Return its analysis for an image of this shape."""
    return analyse_module(network(name, quick), 1, shape)


def work_of(name: str, quick: bool, pixels: int) -> float:
    """Return the multiply-accumulates of one pass over so many pixels."""
    shape = (64,) * (3 if name.startswith("3D") else 2) if quick else (256,) * (3 if "3D" in name else 2)
    try:
        bound = analysed(name, quick, shape).bound
    except MissingPackageError:
        return 0.0
    each = 1
    for length in bound.graph.spatial_shape(0):
        each *= length
    return work_whole(bound) * pixels / each
