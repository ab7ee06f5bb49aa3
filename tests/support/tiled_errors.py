"""A network whose errors in tiles are known, and an image for it."""

from __future__ import annotations

import numpy as np

import napari_exactile as ex
from integer_nets import MODULUS, integer_unet

FACTOR, RADIUS = 4, 24


SHAPE = (118, 130)


def model(seed: int = 3, classes: int = 3) -> ex.Model:
    """A network whose arithmetic is exact: F is 4 and it needs a radius of 24 px, Eq. 1 says 20."""
    net = integer_unet(seed, levels=2, convolutions=2, kernel=3, base=2, classes=classes)
    return ex.load_model(net, normalization="none", name="integers")


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, MODULUS, shape).astype(float)
