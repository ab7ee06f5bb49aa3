"""Settings of torch under which the same numbers come out of every run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Switch off TF32, autocast and cuDNN's search for the fastest kernel, and restore them afterwards.

    TF32 keeps 10 bits of each factor's mantissa, and the search picks kernels by their timing: with either
    on, a tile and the whole image are not computed alike.
    """
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    before = cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark, cudnn.deterministic
    try:
        cudnn.conv.fp32_precision = matmul.fp32_precision = "ieee"
        cudnn.benchmark, cudnn.deterministic = False, True
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark, cudnn.deterministic = before
