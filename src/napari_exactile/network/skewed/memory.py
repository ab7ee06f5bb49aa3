"""Memory for large tensors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import torch

IN_MAIN_MEMORY = torch.device("cpu")
# Kernels read and write so many bytes at once.
ALIGNED = 64


def new_memory(
    shape: Sequence[int], dtype: torch.dtype, device: torch.device = IN_MAIN_MEMORY
) -> torch.Tensor:
    """Return a tensor whose numbers are not set.

    In main memory it is numpy's: on Linux, that asks for large pages, which torch does not, and writing for
    the first time takes a quarter of the time (numpy, numpy/_core/src/multiarray/alloc.c).
    """
    if device.type != "cpu":
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    size = prod(shape) * dtype.itemsize
    block = np.empty(size + ALIGNED, np.uint8)
    start = -block.ctypes.data % ALIGNED
    return torch.from_numpy(block[start : start + size]).view(dtype).view(tuple(shape))
