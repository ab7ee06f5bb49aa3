"""The experiments: tables 1 to 3 and figure 7 of the 2020 paper, and FC-DenseNet-56 of the 2021 paper.

M. Majurski and P. Bajcsy, "Error-Free Semantic Segmentation Inference of Images Larger than GPU Memory" (AAAI
workshop, 2020) and "Exact Tile-Based Segmentation Inference for Images Larger than GPU Memory" (J. Res. NIST
126:126009, 2021). Images and networks are smaller than theirs, so that each runs in minutes without a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_exactile.images.colonies import draw_colonies
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.load import Model, load_model
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.papers.experiment import Experiment, Scale
from napari_exactile.papers.published import (
    DENSENET_2021,
    FIGURE_7,
    TABLE_1,
    TABLE_2,
    TABLE_3,
    UNET_2021,
)

COLONIES = "synthetic phase contrast of colonies, drawn from seeds that training has not seen"
NOISE = "independent normal noise of mean 0 and variance 1 in every pixel"
LIVELY = "untrained, with lively random weights, as those of a new network would hide errors"


def colonies(shape: tuple[int, ...], seed: int) -> NDArray[Any]:
    """Return a synthetic phase-contrast image, uint16."""
    height, width = shape
    return draw_colonies((height, width), seed).image


def noise(shape: tuple[int, ...], seed: int) -> NDArray[Any]:
    """Return N(0, 1) noise, float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def trained_unet(_base: int) -> Model:
    """Return the bundled model, whose width is settled."""
    return load_model("colonies-demo")


def unet_4_classes(base: int) -> Model:
    """Return the published U-Net for four classes, with random weights."""
    return untrained(UNet(base=base, classes=4), seed=1)


def unet_modified(base: int) -> Model:
    """Return the U-Net with three poolings and three convolutions a level, with random weights."""
    return untrained(UNet(levels=3, convolutions=3, base=base, classes=4), seed=1)


def densenet_56(base: int) -> Model:
    """Return FC-DenseNet-56 of growth `base`; its first convolution is four times as wide, as it should."""
    return untrained(FCDenseNet.named(56, growth=base, base=4 * base), seed=1)


def untrained(network: nn.Module, seed: int) -> Model:
    """Return a network with lively random weights, for images that are already normal."""
    randomise(network, seed)
    network.eval().requires_grad_(False)
    return load_model(network, normalization="none", probabilities=True)


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "table1", "Table 1: errors of a trained U-Net against the radius, tile 512",
            "U-Net M=4 n=2, 2 classes, trained (the bundled model colonies-demo)", COLONIES,
            trained_unet, colonies, tile=512, values=range(0, 129, 16), scale=Scale(768, 4, 8),
            papers_base=64, fixed_base=True, published=(UNET_2021, TABLE_1),
        ),
        Experiment(
            "table2", "Table 2: errors of an untrained U-Net against the radius, tile 1024",
            f"U-Net M=4 n=2, 4 classes, {LIVELY}", NOISE,
            unet_4_classes, noise, tile=1024, values=range(0, 129, 16), scale=Scale(1280, 2, 4),
            papers_base=64, published=(TABLE_2,),
        ),
        Experiment(
            "table3", "Table 3: errors of a modified U-Net against the radius, tile 1032",
            f"U-Net M=3 n=3, 4 classes, {LIVELY}", NOISE,
            unet_modified, noise, tile=1032, values=range(0, 73, 8), scale=Scale(1280, 2, 4),
            papers_base=64, published=(TABLE_3,),
        ),
        Experiment(
            "fig7", "Figure 7: errors of a U-Net against where its tiles start, tile 512",
            "U-Net M=4 n=2, 2 classes, trained (the bundled model colonies-demo)", COLONIES,
            trained_unet, colonies, tile=512, values=range(33), scale=Scale(640, 1, 8),
            papers_base=64, kind="offset", fixed_base=True, published=(FIGURE_7,),
        ),
        Experiment(
            "densenet", "FC-DenseNet-56: errors against the radius, tile 1152",
            f"FC-DenseNet-56, 2 classes, {LIVELY}", NOISE,
            densenet_56, noise, tile=1152, values=range(0, 417, 32), scale=Scale(1536, 1, 2),
            papers_base=12, strip=256, published=(DENSENET_2021,),
        ),
    )
}  # fmt: skip
