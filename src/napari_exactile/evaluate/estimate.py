"""Estimate the error of the usual tiling over a whole image from some of its zones, chosen at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.geometry.interval import volume
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.run.check.metrics import Difference
from napari_exactile.stopping import Check

CONFIDENCE = 0.95
SAMPLES = 24


@dataclass(frozen=True, slots=True)
class Span:
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """RMSE and ME of a whole image, from `samples` of its `zones`; with all of them the values are exact."""

    samples: int
    zones: int
    pixels: int
    misclassified: Span
    rmse: Span
    near_ties: int


def estimate(
    errors: TilingErrors, tiling: Tiling, samples: int = SAMPLES, seed: int = 0, check: Check = lambda: None
) -> Iterator[Estimate]:
    """Measure zones of `tiling` in random order; yields an estimate after each, from the second on.

    Zones are drawn without replacement, each as likely as any other. The intervals are Student's, narrower
    as fewer zones are left out; few samples of rare errors make them rough.
    """
    order = np.random.default_rng(seed).permutation(len(tiling))[: max(2, samples)]
    found: list[Difference] = []
    for index in order.tolist():
        zone = tiling.tile(index).zone
        reference = errors.reference(zone, check)
        found.append(errors.error(reference, tiling.zone, tiling.radius, check).difference)
        if len(found) > 1 or len(tiling) == 1:
            yield from_samples(found, len(tiling), volume(tiling.region))


def from_samples(found: Sequence[Difference], zones: int, pixels: int) -> Estimate:
    """Return the estimate for `zones` zones with `pixels` in all from the differences in some of them.

    The number of differing pixels is estimated as zones x mean; the mean square error as a ratio, because
    zones at the image's edge are smaller (Cochran, Sampling Techniques, 1977, chapters 2 and 6).
    """
    counts = np.array([one.misclassified for one in found], float)
    squares, sizes = np.array([(one.squares, one.pixels) for one in found], float).T
    ratio = squares.sum() / sizes.sum()
    half_count = zones * _half_width(counts - counts.mean(), zones)
    half_ratio = _half_width(squares - ratio * sizes, zones) / sizes.mean()
    total = zones * counts.mean()
    misclassified = Span(total, max(counts.sum(), total - half_count), min(pixels, total + half_count))
    rmse = Span(sqrt(ratio), sqrt(max(0.0, ratio - half_ratio)), sqrt(ratio + half_ratio))
    return Estimate(len(found), zones, pixels, misclassified, rmse, sum(one.near_ties for one in found))


def _half_width(deviations: np.ndarray, population: int) -> float:
    """Return half the confidence interval of a mean, for samples without replacement."""
    n = len(deviations)
    if n >= population or n < 2:
        return 0.0
    variance = float(np.square(deviations).sum()) / (n - 1)
    # Importing it takes a second: not where words about estimates are imported, on a window's thread.
    from scipy.stats import t as student

    return float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * sqrt((1 - n / population) * variance / n)
