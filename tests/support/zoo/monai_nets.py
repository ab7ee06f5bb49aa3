"""Networks of MONAI, which must be installed: small, with its own defaults for all but the sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from torch import nn

PRESENT = find_spec("monai") is not None

# Positional (spatial_dims, in_channels, out_channels) are not in the same order everywhere, so all are named.
PARAMETERS: dict[str, dict[str, Any]] = {
    "UNet": {"channels": (4, 8, 8, 8), "strides": (2, 2, 2), "num_res_units": 2},
    "DynUNet": {
        "kernel_size": [3] * 4,
        "strides": [1, 2, 2, 2],
        "upsample_kernel_size": [2] * 3,
        "filters": [4, 8, 8, 8],
    },
    "SegResNet": {"init_filters": 8, "blocks_down": (1, 1, 1, 2)},
    "AttentionUnet": {"channels": (4, 8, 8, 8), "strides": (2, 2, 2)},
    "BasicUNet": {"features": (4, 4, 8, 8, 8, 4)},
    "BasicUNetPlusPlus": {"features": (4, 4, 8, 8, 8, 4)},
    "FlexibleUNet": {"backbone": "efficientnet-b0", "decoder_channels": (16, 8, 8, 8, 4)},
    "VNet": {},
    "HighResNet": {},
    "MedNeXt": {
        "init_filters": 4,
        "encoder_expansion_ratio": 2,
        "decoder_expansion_ratio": 2,
        "bottleneck_expansion_ratio": 2,
        "blocks_down": (1,) * 4,
        "blocks_bottleneck": 1,
        "blocks_up": (1,) * 4,
    },
}


def maker(name: str, axes: int) -> Callable[[], nn.Module]:
    """Return what makes one of the networks for images of so many axes."""
    return partial(_make, name, axes)


def _make(name: str, axes: int) -> nn.Module:
    from monai.networks import nets

    network: nn.Module = getattr(nets, name)(
        spatial_dims=axes, in_channels=1, out_channels=3, **PARAMETERS[name]
    )
    return network
