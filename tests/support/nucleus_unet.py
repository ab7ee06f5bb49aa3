"""A trained nucleus U-Net from the bioimage.io specification's examples (C. Pape, F. Beuttenmueller; EMBL).

It goes up by bilinear resizing, and its package declares a halo that is too small.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

FOLDER = Path(__file__).parents[3] / "shared/data/bioimageio/unet2d_nuclei_broad"
WIDTHS = (16, 32, 64, 128)


class NucleusUNet(nn.Module):
    """Logits of one class, nucleus: (batch, 1, y, x) to the same; sides are multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        ways = list(pairwise((1, *WIDTHS)))
        steps = list(pairwise(reversed(WIDTHS)))
        self.encoders = nn.ModuleList(block(i, o) for i, o in ways[:-1])
        self.base = block(*ways[-1])
        self.upsamplers = nn.ModuleList(upsampler(i, o) for i, o in steps)
        self.decoders = nn.ModuleList(block(i, o) for i, o in steps)
        self.output = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for encoder in self.encoders:
            skips.append(encoder(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.base(x)
        for upsample, decoder in zip(self.upsamplers, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), upsample(x)], dim=1))
        return self.output(x)


def block(in_channels: int, out_channels: int) -> nn.Sequential:
    first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    return nn.Sequential(first, nn.Conv2d(out_channels, out_channels, 3, padding=1), nn.ReLU())


def upsampler(in_channels: int, out_channels: int) -> nn.Sequential:
    larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(larger, nn.Conv2d(in_channels, out_channels, 1))


def trained() -> NucleusUNet:
    """The network with its trained weights; skips the test where they are not there."""
    skip_without_data()
    net = NucleusUNet().eval().requires_grad_(False)
    net.load_state_dict(load_file(FOLDER / "weights.safetensors"))
    return net


def sample(name: str) -> np.ndarray:
    """`test_input` or `test_output`, (1, 1, 512, 512); skips the test where they are not there."""
    skip_without_data()
    return np.load(FOLDER / f"{name}.npy")


def skip_without_data() -> None:
    import pytest  # the benchmarks have the network, and no tests

    if not FOLDER.is_dir():
        pytest.skip(f"the trained weights are not there: {FOLDER}")
