"""The list of all networks of the zoo: how to make each, its source, and the verdict that is expected."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import nn

from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, analyse_module
from nucleus_unet import NucleusUNet
from zoo import monai_nets, others, pyramids, unets

# Neither is a multiple of any F; padded, they leave room for two zones at least.
SHAPES = {2: (50, 75), 3: (9, 10, 37)}


@dataclass(frozen=True)
class Entry:
    """One network. `refused` holds the operator and words of the reason; it is empty where it is exact.

    `whole` says that operators look at the whole image. `integer`: all its operators are exact in integers.
    `tight`: an impulse shows its context. `costly`: it takes too long to measure with NaN here. `of_image`:
    its output has the image's pixels. `side` is the length along every axis of an image that it can be
    calibrated on.
    """

    name: str
    make: Callable[[], nn.Module]
    source: str
    axes: int = 2
    refused: tuple[str, str] | None = None
    notes: str = ""
    whole: bool = False
    integer: bool = False
    tight: bool = False
    costly: bool = False
    of_image: bool = True
    side: int = 64

    @property
    def shape(self) -> tuple[int, ...]:
        """The spatial shape of the image that it is tested on."""
        return SHAPES[self.axes]

    def network(self) -> nn.Module:
        """Return the network with lively random weights, ready to be used and changed."""
        return deepcopy(_lively(self.name))

    def analysis(self) -> Analysis:
        """Return the analysis for an image of `shape`, in float64; made once."""
        return _analysed(self.name)


@cache
def _lively(name: str) -> nn.Module:
    net = ZOO[name].make().eval().requires_grad_(False)
    randomise(net, seed=0)
    return calibrated(net, (2, 1, *(ZOO[name].side,) * ZOO[name].axes))


def calibrated(net: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Give batch norms the statistics of an image: with random ones, deep networks fade to a constant."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    # Without batch norms there is nothing to learn, and instance norms may find the image too small.
    if norms:
        with torch.no_grad():
            net(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    for norm in norms:
        norm.eval()
    return net


@cache
def _analysed(name: str) -> Analysis:
    entry = ZOO[name]
    return analyse_module(entry.network().double(), 1, entry.shape)


PAPERS = "Majurski and Bajcsy 2021"
# (M poolings, n convolutions a level, kernel k); the first is the published one, the second that of table 3.
UNETS = (
    (4, 2, 3), (3, 3, 3), (4, 1, 3), (4, 3, 3), (3, 1, 3), (3, 2, 3),
    (2, 2, 3), (2, 3, 3), (2, 1, 5), (1, 1, 3), (1, 3, 3), (3, 4, 3),
)  # fmt: skip


def _unet(levels: int, convolutions: int, kernel: int) -> Entry:
    make = partial(
        UNet, levels=levels, convolutions=convolutions, kernel=kernel, base=2, classes=3, softmax=False
    )
    return Entry(
        f"U-Net M={levels} n={convolutions} k={kernel}", make, PAPERS, integer=True, tight=levels < 3
    )


def _densenet(layers: int) -> Entry:
    make = partial(FCDenseNet.named, layers, growth=2, base=4, classes=3, softmax=False)
    source = "Jégou et al. 2017, upsampled as by " + PAPERS
    return Entry(f"FC-DenseNet-{layers}", make, source, integer=layers == 56, costly=layers > 56)


_ENTRIES = [
    *(_unet(*parameters) for parameters in UNETS),
    *(_densenet(layers) for layers in (56, 67, 103)),
    Entry("nucleus U-Net", NucleusUNet, "bioimage.io specification, example", integer=True),
    Entry("ResNet U-Net", unets.ResNetUNet, "He et al. 2016 as encoder", integer=True),
    Entry(
        "SE-ResNet U-Net", partial(unets.ResNetUNet, squeeze=True), "Hu et al. 2018 as encoder", whole=True,
    ),
    Entry("Attention U-Net", unets.AttentionUNet, "Oktay et al. 2018", notes="attention gates"),
    Entry("U-Net++", unets.UNetPlusPlus, "Zhou et al. 2018", integer=True, tight=True),
    Entry(
        "U-Net, valid convolutions", unets.ValidUNet, "Ronneberger et al. 2015", of_image=False,
        notes="the output is smaller than the image",
    ),
    Entry(
        "U-Net, valid convolutions, mirrored", partial(unets.ValidUNet, same_size=True),
        "Ronneberger et al. 2015", integer=True, notes="the image is mirrored around its edges first",
    ),
    Entry("nnU-Net, plain", partial(unets.PlainUNet, (4, 8, 8, 8)), "Isensee et al. 2021", whole=True),
    Entry("3D U-Net", unets.UNet3D, "Çiçek et al. 2016, padded", axes=3, side=16),
    Entry(
        "SegNet", pyramids.SegNet, "Badrinarayanan et al. 2017", integer=True,
    ),
    *(
        Entry(
            f"FCN-{stride}s", partial(pyramids.FCN, stride), "Long et al. 2015, VGG-16", integer=True,
            notes="pads 100 px, crops",
        )
        for stride in (32, 16, 8)
    ),
    Entry(
        "DeepLabV3+", pyramids.DeepLabV3Plus, "Chen et al. 2018", whole=True, notes="image pooling in ASPP",
    ),
    Entry(
        "DeepLabV3+, align_corners", partial(pyramids.DeepLabV3Plus, align_corners=True), "Chen et al. 2018",
        whole=True, notes="image pooling in ASPP",
    ),
    Entry(
        "PSPNet", pyramids.PSPNet, "Zhao et al. 2017",
        whole=True, notes="pyramid pooling",
    ),
    Entry("PSPNet, global mean alone", partial(pyramids.PSPNet, (1,)), "Zhao et al. 2017", whole=True),
    Entry("HRNet, three branches", pyramids.HRNet, "Wang et al. 2020", integer=True),
    Entry("ConvNeXt", others.ConvNeXt, "Liu et al. 2022"),
    Entry("ConvNeXt V2", partial(others.ConvNeXt, response=True), "Woo et al. 2023", whole=True),
    Entry("context aggregation", others.context_aggregation, "Yu and Koltun 2016", integer=True, tight=True),
    Entry("scores at stride 4", others.CoarseScores, "ResNet, no decoder", of_image=False),
    Entry("ESPCN, x2 super-resolution", others.super_resolution, "Shi et al. 2016", of_image=False),
    Entry(
        "non-local block", others.NonLocal, "Wang et al. 2018",
        refused=("bmm", "every pixel looks at every other"),
    ),
    Entry("shifted windows", others.ShiftedWindows, "Liu et al. 2021", refused=("roll", "far edge")),
    Entry("pixel unshuffle and shuffle", others.shuffled, "Shi et al. 2016", integer=True, tight=True),
]  # fmt: skip

_WHOLE = {"UNet", "DynUNet", "SegResNet", "BasicUNet", "BasicUNetPlusPlus", "FlexibleUNet", "MedNeXt"}

# In three dimensions, that is: half a minute and more.
_COSTLY = {"BasicUNetPlusPlus", "FlexibleUNet", "VNet"}

_ENTRIES += [
    Entry(
        f"MONAI {name}, {axes}D", monai_nets.maker(name, axes), "MONAI 1.6", axes,
        whole=name in _WHOLE | {"AttentionUnet"}, costly=axes == 3 and name in _COSTLY,
        side=64 if axes == 2 else 32 if name == "FlexibleUNet" else 16,
    )
    for axes in (2, 3)
    for name in monai_nets.PARAMETERS
]  # fmt: skip

ZOO: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
