"""What normalisation must know of the whole image, measured block by block."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.making import Making
from napari_exactile.images.normalize.percentiles import passes, percentiles
from napari_exactile.images.normalize.steps import (
    Affine,
    Fill,
    Known,
    Normalization,
    Percentiles,
    Step,
    ZScore,
    check_values,
)
from napari_exactile.images.source import ImageSource, row_blocks

# Networks compute in float32: of larger numbers, infinity would arrive there.
LARGEST = float(np.finfo(np.float32).max)
NAN_WAYS = " Leave them out (ignore: nan), or put a value in their place (normalisation: nan 0; z-score)"
OTHER_WAYS = " Bring them into a range (normalisation: clip 0 4095; z-score, say)"
# One block in float64 takes 8 bytes for each of these pixels.
BLOCK_PIXELS = 1 << 21
# Deviations smaller than this part of the mean are rounding errors of the mean itself.
RESOLUTION = 1e-13


Measuring = Generator[float, None, Normalization]


def measure(
    source: ImageSource,
    steps: Sequence[Step] = (ZScore(),),
    ignore: float | None = None,
    largest: float = LARGEST,
) -> Measuring:
    """Measure what `steps` ask of the whole image; by default the z-score of the papers' code.

    Yields the fraction done. Blocks are merged in a fixed order in float64, so that the result does not
    depend on who computes what. A constant channel is divided by 1. A step is measured on what the steps
    before it make. Without any step to measure, pixels are only looked at. Pixels that equal `ignore` in all
    channels do not count; where it is NaN, pixels that are NaN in some channel do not, and in what is
    returned they first become the mean that was measured of their channel. Raises ValueError at the first
    block with other NaN, infinite or too large pixels (beyond `largest`), naming the first of them, and where
    no pixel is left to count.
    """
    check_values(steps, source.channels, getattr(source, "name", "image"))
    if is_missing(ignore) and _has_fractions(source):
        return (yield from _without_missing(source, steps, largest))
    count = _count(steps)
    if not count:
        yield from check(source, largest, filled=bool(steps) and isinstance(steps[0], Fill))
    return (yield from _each(source, steps, ignore, largest, (0, count)))


def is_missing(value: float | None) -> bool:
    """Return whether a value to be ignored stands for pixels that have none."""
    return value is not None and math.isnan(value)


def _without_missing(source: ImageSource, steps: Sequence[Step], largest: float) -> Measuring:
    """Measure without the pixels that are NaN; these become the mean of their channel, or that of a joint
    z-score, which makes 0 of it."""
    first, total = steps[0] if steps else None, 1 + _count(steps)
    whole = _Whole(source, Normalization(), isinstance(first, ZScore) and first.joint, math.nan, largest)
    mean = yield from _part(_z_score(whole, ZScore()), 0, total)
    if not whole.left_out:
        return (yield from _each(source, steps, None, largest, (1, total)))
    known = yield from _each(source, steps, math.nan, largest, (1, total))
    return Normalization((Fill(mean.mean, whole.left_out), *known.steps))


def _each(
    source: ImageSource, steps: Sequence[Step], ignore: float | None, largest: float, part: tuple[int, int]
) -> Measuring:
    """Measure step after step; `part` says how many measurements come before, and how many there are."""
    known, (number, total) = Normalization(), part
    for step in steps:
        if isinstance(step, ZScore | Percentiles):
            whole = _Whole(source, known, step.joint, ignore, largest)
            found: Known = yield from _part(_measuring(whole, step), number, total)
            number += 1
        else:
            found = step
        known = Normalization((*known.steps, found))
    return known


def _count(steps: Sequence[Step]) -> int:
    return sum(isinstance(step, ZScore | Percentiles) for step in steps)


def _has_fractions(source: ImageSource) -> bool:
    return source.read(tuple(Interval(0, 1) for _ in source.shape)).dtype.kind == "f"


def _measuring(whole: _Whole, step: ZScore | Percentiles) -> Generator[float, None, Affine]:
    return _z_score(whole, step) if isinstance(step, ZScore) else _range(whole, step)


def _part(measuring: Generator[float, None, Affine], number: int, of: int) -> Generator[float, None, Affine]:
    """Yield the fraction of all measurements of which this is one."""
    making = Making(measuring)
    for fraction in making:
        yield (number + fraction) / of
    return making.made


@dataclass(slots=True)
class _Whole:
    """All pixels that count as (rows, pixels), block by block: a row for each channel, or one if `joint`.

    `left_out` counts the pixels that do not, as far as the blocks have been read.
    """

    source: ImageSource
    before: Normalization
    joint: bool
    ignore: float | None
    largest: float
    left_out: int = 0

    @property
    def boxes(self) -> list[Box]:
        return row_blocks(self.source.shape, BLOCK_PIXELS)

    @property
    def _may_be_nan(self) -> bool:
        return is_missing(self.ignore) or any(isinstance(step, Fill) for step in self.before.steps)

    def blocks(self) -> Iterator[NDArray[Any]]:
        name, counted, self.left_out = getattr(self.source, "name", "image"), 0, 0
        for box in self.boxes:
            pixels = self.source.read(box)
            check_finite(pixels, box, name, self.largest, filled=self._may_be_nan)
            counts = self._counted(pixels)
            if self.before.steps:
                pixels = self.before.apply(pixels, np.float64)
            kept = pixels if counts is None else pixels[:, counts]
            counted += kept.size
            self.left_out += 0 if counts is None else int(counts.size - np.count_nonzero(counts))
            rows = 1 if self.joint else len(kept)
            yield kept.reshape(rows, kept.size // rows)
        if not counted:
            what = "NaN" if is_missing(self.ignore) else f"{self.ignore:g}"
            words = f"all pixels of '{name}' are {what}, which is ignored, so that nothing is left"
            raise ValueError(f"{words}: ignore another value, or none")

    def _counted(self, pixels: NDArray[Any]) -> NDArray[np.bool_] | None:
        if self.ignore is None:
            return None
        if is_missing(self.ignore):
            found: NDArray[np.bool_] = ~np.isnan(pixels).any(axis=0)
            return found
        differs: NDArray[np.bool_] = (pixels != self.ignore).any(axis=0)
        return differs


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
    selecting = Making(percentiles(whole.blocks, (step.low, step.high), dtype))
    for done, _block in enumerate(selecting, start=1):
        yield done / total
    lows, highs = zip(*selecting.made, strict=True)
    spans = [high - low + step.eps for low, high in zip(lows, highs, strict=True)]
    return Affine(lows, tuple(span or 1.0 for span in spans))


def check(
    source: ImageSource, largest: float = LARGEST, *, filled: bool = False
) -> Generator[float, None, None]:
    """Look for pixels that cannot be used without measuring, as `check_finite`; yields the fraction done.

    Nothing but one pixel is read of integers, which cannot be such.
    """
    if not _has_fractions(source):
        return
    boxes = row_blocks(source.shape, BLOCK_PIXELS)
    for number, box in enumerate(boxes, start=1):
        check_finite(source.read(box), box, getattr(source, "name", "image"), largest, filled=filled)
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


def check_finite(
    pixels: NDArray[Any], box: Box, name: str, largest: float = LARGEST, *, filled: bool = False
) -> None:
    """Raise ValueError where `pixels`, read from `box`, are not numbers of at most `largest`, either way.

    Where NaN is `filled` with something, it may be there.
    """
    if pixels.dtype.kind != "f":
        return
    good = np.abs(pixels) <= min(largest, float(np.finfo(pixels.dtype).max))
    if filled:
        good |= np.isnan(pixels)
    if good.all():
        return
    channel, *place = np.unravel_index(int(np.argmin(good)), good.shape)
    value = pixels[(channel, *place)]
    kind = "NaN" if np.isnan(value) else "infinite" if np.isinf(value) else "too large"
    names = "zyx"[-len(place) :]
    where = ", ".join(f"{n} {int(p) + i.start}" for n, p, i in zip(names, place, box, strict=True))
    beyond = f" ({value:g}), beyond what the network can compute with" if kind == "too large" else ""
    ways = NAN_WAYS if kind == "NaN" else OTHER_WAYS
    raise ValueError(f"'{name}' has {kind} pixels, first at {where}{beyond}. Nothing was created.{ways}")
