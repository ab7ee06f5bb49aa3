"""Probabilities and values in the type that they are kept in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.run.plan.settings import NumberType


def as_numbers(values: NDArray[np.float32], dtype: NumberType) -> NDArray[Any]:
    """Return probabilities or values in the type that they are kept in; ValueError where it is too small."""
    try:
        with np.errstate(over="raise"):
            return values.astype(dtype, copy=False)
    except FloatingPointError:
        most = np.abs(values[np.isfinite(values)]).max()
        raise ValueError(f"values up to {most:.4g} do not fit into {dtype}: keep them as float32") from None
