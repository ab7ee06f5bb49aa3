"""Images and models whose scores are compared to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

import napari_exactile as ex
from integer_nets import integer_unet


def pixels(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 13, shape).astype(np.uint8)


def integer_model(net: nn.Module, **facts: Any) -> ex.Model:
    """A network whose sums are exact; its scores themselves are compared."""
    return ex.load_model(net.double().eval(), normalization="none", probabilities=True, **facts)


def unet() -> ex.Model:
    """A small U-Net with three classes; F is 4."""
    return integer_model(integer_unet(1, levels=2, convolutions=1, base=4, classes=3))
