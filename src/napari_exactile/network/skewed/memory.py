"""Memory for large tensors, used again by the next run: what is touched for the first time takes long."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from threading import RLock
from typing import Any
from weakref import finalize

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

IN_MAIN_MEMORY = torch.device("cpu")
# Kernels read and write so many bytes at once.
ALIGNED = 64
# Blocks of this size and more are kept, so many bytes in all, for what takes at least such a share of one.
LEAST, SHARE = 1 << 20, 0.75
MOST = min(1 << 30, psutil.virtual_memory().total // 16)


class _Pool:
    """Blocks of memory that nobody uses now; threads may share it."""

    def __init__(self) -> None:
        self._lock, self._free = RLock(), list[NDArray[np.uint8]]()

    def take(self, size: int) -> NDArray[np.uint8]:
        """Return a block of at least so many bytes: the smallest one that is free, or a new one."""
        with self._lock:
            fits = [one for one in self._free if SHARE * one.nbytes <= size <= one.nbytes]
            if not fits:
                # On Linux, numpy asks for large pages, torch does not: the first touch takes far less time
                # (numpy, numpy/_core/src/multiarray/alloc.c).
                return np.empty(size, np.uint8)
            best = min(fits, key=lambda one: one.nbytes)
            self._free = [one for one in self._free if one is not best]
            return best

    def give(self, block: NDArray[np.uint8]) -> None:
        """Take a block back; of more than are kept, those that came first go."""
        with self._lock:
            self._free.append(block)
            while sum(one.nbytes for one in self._free) > MOST:
                del self._free[0]

    def release(self) -> None:
        """Let go of all that is free."""
        with self._lock:
            self._free = []


_pool = _Pool()


def release() -> None:
    """Give memory that nobody uses now back to the system."""
    _pool.release()


def new_memory(
    shape: Sequence[int], dtype: torch.dtype, device: torch.device = IN_MAIN_MEMORY
) -> torch.Tensor:
    """Return a tensor whose numbers are not set; in main memory, it may be that of one that is gone."""
    if device.type != "cpu":
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    size = prod(shape) * dtype.itemsize
    block: Any = _pool.take(size + ALIGNED) if size >= LEAST else np.empty(size + ALIGNED, np.uint8)
    start = -block.ctypes.data % ALIGNED
    part = block[start : start + size]
    if size >= LEAST:
        # With the last tensor that looks at it, the part goes, and not the block.
        finalize(part, _pool.give, block).atexit = False
    return torch.from_numpy(part).view(dtype).view(tuple(shape))
