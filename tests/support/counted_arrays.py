"""Arrays of every kind that holds an image, and one in which every pixel is different."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import zarr

ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": lambda array: array,
    "dask": lambda array: da.from_array(array, chunks=(5,) * array.ndim),
    "zarr": lambda array: zarr.array(array, chunks=(4,) * array.ndim),
}


def counting(*shape: int) -> np.ndarray:
    """An array in which every pixel is different."""
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
