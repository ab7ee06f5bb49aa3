"""What normalisation must know of the whole image, measured block by block."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.normalization import (
    Affine,
    Known,
    Normalization,
    Percentiles,
    Step,
    ZScore,
    check_values,
)
from napari_exactile.images.percentiles import passes, percentiles
from napari_exactile.images.source import ImageSource, row_blocks
from napari_exactile.images.work import Work

# One block in float64 takes 8 bytes for each of these pixels.
BLOCK_PIXELS = 1 << 21
# Deviations smaller than this part of the mean are rounding errors of the mean itself.
RESOLUTION = 1e-13


Measuring = Generator[float, None, Normalization]


def measure(
    source: ImageSource, steps: Sequence[Step] = (ZScore(),), ignore: float | None = None
) -> Measuring:
    """Measure what `steps` ask of the whole image; by default the z-score of the papers' code.

    Yields the fraction done. Blocks are merged in a fixed order in float64, so that the result does not
    depend on who computes what. A constant channel is divided by 1. A step is measured on what the steps
    before it make. Without any step to measure, pixels are only looked at. Pixels that equal `ignore` in all
    channels do not count. Raises ValueError at the first block with NaN or infinite pixels, naming the first
    of them, and where no pixel is left to count.
    """
    check_values(steps, source.channels, getattr(source, "name", "image"))
    asked = [step for step in steps if isinstance(step, ZScore | Percentiles)]
    if not asked:
        yield from check(source)
    known, number = Normalization(), 0
    for step in steps:
        if isinstance(step, ZScore | Percentiles):
            measuring = _measuring(_Whole(source, known, step.joint, ignore), step)
            found: Known = yield from _part(measuring, number, len(asked))
            number += 1
        else:
            found = step
        known = Normalization((*known.steps, found))
    return known


def _measuring(whole: _Whole, step: ZScore | Percentiles) -> Generator[float, None, Affine]:
    return _z_score(whole, step) if isinstance(step, ZScore) else _range(whole, step)


def _part(measuring: Generator[float, None, Affine], number: int, of: int) -> Generator[float, None, Affine]:
    """Yield the fraction of all measurements of which this is one."""
    work = Work(measuring)
    for fraction in work:
        yield (number + fraction) / of
    return work.made


@dataclass(frozen=True, slots=True)
class _Whole:
    """All pixels that count as (rows, pixels), block by block: a row for each channel, or one if `joint`."""

    source: ImageSource
    before: Normalization
    joint: bool
    ignore: float | None = None

    @property
    def boxes(self) -> list[Box]:
        return row_blocks(self.source.shape, BLOCK_PIXELS)

    def blocks(self) -> Iterator[NDArray[Any]]:
        name, counted = getattr(self.source, "name", "image"), 0
        for box in self.boxes:
            pixels = self.source.read(box)
            check_finite(pixels, box, name)
            counts = None if self.ignore is None else (pixels != self.ignore).any(axis=0)
            if self.before.steps:
                pixels = self.before.apply(pixels, np.float64)
            kept = pixels if counts is None else pixels[:, counts]
            counted += kept.size
            rows = 1 if self.joint else len(kept)
            yield kept.reshape(rows, kept.size // rows)
        if not counted:
            raise ValueError(f"all pixels of '{name}' are {self.ignore:g}, which is ignored: nothing is left")


def _z_score(whole: _Whole, step: ZScore) -> Generator[float, None, Affine]:
    count, total = 0, len(whole.boxes)
    mean = squares = np.zeros(1 if whole.joint else whole.source.channels)
    for number, pixels in enumerate(whole.blocks(), start=1):
        if pixels.size:
            count, mean, squares = _merged(count, mean, squares, pixels.astype(np.float64))
        yield number / total
    std = np.sqrt(squares / count)
    constant = std <= np.maximum(RESOLUTION * np.abs(mean), np.finfo(np.float32).tiny)
    std = np.where(constant & (step.eps == 0), 1.0, std + step.eps)
    return Affine(tuple(mean.tolist()), tuple(std.tolist()))


def _range(whole: _Whole, step: Percentiles) -> Generator[float, None, Affine]:
    first = whole.source.read(tuple(Interval(0, 1) for _ in whole.source.shape))
    dtype = np.dtype(np.float64) if whole.before.steps else first.dtype
    total = len(whole.boxes) * passes(dtype)
    selecting = Work(percentiles(whole.blocks, (step.low, step.high), dtype))
    for done, _block in enumerate(selecting, start=1):
        yield done / total
    lows, highs = zip(*selecting.made, strict=True)
    spans = [high - low + step.eps for low, high in zip(lows, highs, strict=True)]
    return Affine(lows, tuple(span or 1.0 for span in spans))


def check(source: ImageSource) -> Generator[float, None, None]:
    """Look for NaN and infinite pixels without measuring; yields the fraction done.

    Nothing but one pixel is read of integers, which cannot be such.
    """
    if source.read(tuple(Interval(0, 1) for _ in source.shape)).dtype.kind != "f":
        return
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
