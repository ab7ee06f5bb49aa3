"""Statistics of the whole image in one pass over its blocks, and the normalisation made of them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.images.source import ImageSource, row_blocks

# One block in float64 takes 8 bytes for each of these pixels.
BLOCK_PIXELS = 1 << 21
# Deviations smaller than this part of the mean are rounding errors of the mean itself.
RESOLUTION = 1e-13


@dataclass(frozen=True, slots=True)
class Normalization:
    """Subtract `mean`, divide by `std`: one value per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, block: NDArray[Any], dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Return a normalised copy of `block` (channels first) as `dtype`.

        Each pixel is computed on its own and in `dtype`, so it does not matter how an image is cut.
        """
        column = (-1,) + (1,) * (block.ndim - 1)
        mean = np.asarray(self.mean, dtype).reshape(column)
        std = np.asarray(self.std, dtype).reshape(column)
        result: NDArray[Any] = block.astype(dtype)
        result -= mean
        result /= std
        return result


def identity(channels: int) -> Normalization:
    """Return the normalisation that changes nothing."""
    return Normalization((0.0,) * channels, (1.0,) * channels)


def measure(source: ImageSource) -> Generator[float, None, Normalization]:
    """Measure mean and standard deviation of each channel: the z-score of the papers' code.

    Yields the fraction done. Blocks are merged in a fixed order in float64, so that the result does not
    depend on who computes what. A constant channel gets 1 as its standard deviation. Raises ValueError at
    the first block with NaN or infinite pixels, naming the first of them.
    """
    boxes = row_blocks(source.shape, BLOCK_PIXELS)
    count, mean, squares = 0, np.zeros(source.channels), np.zeros(source.channels)
    for number, box in enumerate(boxes, start=1):
        pixels = source.read(box)
        check_finite(pixels, box, getattr(source, "name", "image"))
        pixels = pixels.reshape(source.channels, -1).astype(np.float64)
        count, mean, squares = _merged(count, mean, squares, pixels)
        yield number / len(boxes)
    std = np.sqrt(squares / count)
    std[std <= np.maximum(RESOLUTION * np.abs(mean), np.finfo(np.float32).tiny)] = 1.0
    return Normalization(tuple(mean.tolist()), tuple(std.tolist()))


def check(source: ImageSource) -> Generator[float, None, None]:
    """Look for NaN and infinite pixels without measuring; yields the fraction done."""
    boxes = row_blocks(source.shape, BLOCK_PIXELS)
    for number, box in enumerate(boxes, start=1):
        check_finite(source.read(box), box, getattr(source, "name", "image"))
        yield number / len(boxes)


def _merged(
    count: int, mean: NDArray[Any], squares: NDArray[Any], pixels: NDArray[Any]
) -> tuple[int, NDArray[Any], NDArray[Any]]:
    """Merge a block into count, mean and sum of squared deviations (Chan, Golub and LeVeque, 1979)."""
    here = pixels.shape[1]
    block_mean = pixels.mean(axis=1)
    pixels -= block_mean[:, None]
    block_squares = np.einsum("ci,ci->c", pixels, pixels)
    total, delta = count + here, block_mean - mean
    return total, mean + delta * (here / total), squares + block_squares + delta**2 * (count * here / total)


def check_finite(pixels: NDArray[Any], box: Box, name: str) -> None:
    """Raise ValueError where `pixels`, read from `box`, are not all numbers."""
    if pixels.dtype.kind != "f":
        return
    bad = ~np.isfinite(pixels)
    if not bad.any():
        return
    channel, *place = np.unravel_index(int(bad.argmax()), bad.shape)
    value = "NaN" if np.isnan(pixels[(channel, *place)]) else "infinite"
    names = "zyx"[-len(place) :]
    where = ", ".join(f"{n} {int(p) + i.start}" for n, p, i in zip(names, place, box, strict=True))
    raise ValueError(f"'{name}' has {value} pixels, first at {where}. Nothing was created.")
