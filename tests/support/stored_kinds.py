"""A model, an image and settings for every kind of store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from slow_run import image, network


def regression() -> ex.Model:
    torch.manual_seed(4)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1)).eval()
    return ex.load_model(net, kind="values")


def channelwise() -> ex.Model:
    torch.manual_seed(4)
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1)).eval()
    return ex.load_model(net, kind="threshold", classes=("a", "b", "c"))


def stack() -> np.ndarray:
    return np.stack([image(), image()[::-1]])


CASES: dict[str, tuple[Callable[[], Any], Callable[[], np.ndarray], dict[str, Any]]] = {
    "probabilities": (network, image, {"probabilities": True}),
    "in half the space": (network, image, {"probabilities": "float16"}),
    "of a stack": (network, stack, {"probabilities": True, "axes": "tyx"}),
    "of volumes cut into planes": (network, stack, {"probabilities": True, "axes": "zyx"}),
    "channels by themselves": (channelwise, stack, {"probabilities": "float16", "axes": "tyx"}),
    "values": (regression, image, {}),
    "values of a stack": (regression, stack, {"axes": "tyx", "probabilities": "float16"}),
}


EVERY = pytest.mark.parametrize(("model", "pixels", "settings"), CASES.values(), ids=CASES.keys())
