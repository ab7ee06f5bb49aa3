"""Lively random weights for experiments and tests: networks that answer differently from pixel to pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def randomise(module: nn.Module, seed: int) -> None:
    """Overwrite every weight with lively random values, the same for the same seed.

    Convolutions get He's initialisation; normalisation gets statistics and affine parameters that matter,
    where a new network has zeros and ones. Untrained networks are nearly constant in space: they hide errors.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(_random_values(name.rsplit(".", 1)[-1], tensor.shape, generator))


def _random_values(role: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draw values for one tensor, known by the last part of its name."""
    if len(shape) > 1:
        return nn.init.kaiming_normal_(torch.empty(shape), nonlinearity="relu", generator=generator)
    uniform = torch.rand(shape, generator=generator)
    # With He's gain, rectified features have a mean of about 0.56 and a variance of about 0.68.
    ranges = {"running_mean": (0.3, 0.8), "running_var": (0.5, 1.5), "weight": (0.5, 1.5)}
    low, high = ranges.get(role, (-0.2, 0.2))
    return low + (high - low) * uniform
