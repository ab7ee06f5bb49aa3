"""Networks that end in any last layer, and what they themselves give for an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from napari_exactile.models.random_weights import randomise

Ending = Callable[[Tensor], Tensor]


class Ends(nn.Module):
    """Two convolutions, then whatever comes last."""

    def __init__(self, ending: Ending, channels: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, channels, 3, padding=1)
        )
        self.ending = ending

    def forward(self, x: Tensor) -> Tensor:
        return self.ending(self.layers(x))


def made(ending: Ending, channels: int = 1) -> nn.Module:
    """Return such a network, lively, with its scores around zero."""
    net = Ends(ending, channels).eval().requires_grad_(False)
    randomise(net, seed=4)
    with torch.no_grad():
        raw = net.layers(torch.from_numpy(normalised())[None, None])
        net.layers[2].bias -= raw.mean(dim=(0, 2, 3))
    return net


def image() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 900, (70, 83)).astype(np.uint16)


def normalised() -> np.ndarray:
    pixels = image().astype(np.float64)
    return ((pixels - pixels.mean()) / pixels.std()).astype(np.float32)


def output(net: nn.Module) -> Tensor:
    """Return what the network itself gives for the image: (channels, y, x)."""
    with torch.no_grad():
        return net(torch.from_numpy(normalised())[None, None])[0]


# These give the numbers of classes in place of scores.
CLASSES: dict[str, Ending] = {
    "argmax": lambda x: x.argmax(1, keepdim=True).float(),
    "argmax, viewed": lambda x: x.argmax(1)[:, None].to(torch.int32).float(),
    "index of max": lambda x: x.max(1, keepdim=True)[1].float(),
    "index of the best": lambda x: x.topk(1, 1)[1].float(),
    "argmax of two": lambda x: x[:, :2].argmax(1, keepdim=True).float(),
}
