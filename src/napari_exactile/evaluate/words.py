"""Errors of the usual tiling in words for people: the same in the dock and on the command line."""

from __future__ import annotations

from math import floor, log10

from napari_exactile.evaluate.errors import TilingError
from napari_exactile.evaluate.estimate import Estimate
from napari_exactile.geometry.words import counted, lengths, part_of


def error_sentence(error: TilingError) -> str:
    """Return how many pixels differ, their share, and the mean difference of the scores."""
    found = error.difference
    if not found.misclassified and not found.max_abs_difference:
        return "No pixel differs: the scores are equal to the last bit"
    scores = f"mean score difference {found.mean_abs_difference:.2g}"
    if not found.misclassified:
        return f"No pixel differs, {scores}"
    pixels = pixels_differ(found.misclassified)
    return f"{pixels} ({share(found.rate)}), {scores}"


def pixels_differ(count: int) -> str:
    """Return how many pixels differ.

    >>> pixels_differ(1), pixels_differ(312)
    ('1 pixel differs', '312 pixels differ')
    """
    return counted(count, "pixel differs", "pixels differ")


def error_remarks(error: TilingError) -> list[str]:
    """Return what a person must know to judge the error; nothing where the sentence says it all."""
    remarks = []
    if not error.on_grid:
        steps = lengths(error.tiling.factor)
        remarks.append(f"{lengths(error.radius)} px is no multiple of {steps}: tiles start off the grid")
    if error.evenly:
        remarks.append(
            f"The image is padded to multiples of {lengths(error.tiling.factor)} px here: at its own size, "
            "which a run takes, tiles of this model have no grid"
        )
    if error.anchored:
        remarks.append(
            "No radius makes this exact: the model looks at the whole image, a tile sees itself alone"
        )
    if error.misclassified:
        remarks += _on_rounding(error)
    if error.one_class and not error.exact:
        remarks.append("There is one class only here, so few labels can change: look where classes meet")
    return remarks


def _on_rounding(error: TilingError) -> list[str]:
    """Say which of the pixels that differ do so by the last bits alone: not an error of the tiling."""
    if error.exact:
        largest = f"{error.max_abs_difference:.2g}"
        return [
            f"The geometry is exact: these differ by rounding alone (scores by at most {largest}); "
            f"near-ties among them: {error.near_ties}"
        ]
    if error.near_ties:
        return [f"Near-ties among them, which rounding alone can flip: {error.near_ties}"]
    return []


def share(rate: float) -> str:
    """Return a share in per cent with two significant digits.

    >>> [share(rate).replace(chr(160), " ") for rate in (0.00119, 0.2345, 3e-7)]
    ['0.12 %', '23 %', '0.00003 %']
    """
    percent = 100 * rate
    digits = max(0, 1 - floor(log10(percent))) if percent > 0 else 0
    return f"{percent:.{min(digits, 5)}f}\u00a0%"


def estimate_sentence(estimate: Estimate, of: str = "Whole image") -> str:
    """Return an estimate with its 95 % intervals and the number of samples; `of` says what was measured."""
    measured = f"{part_of(estimate.samples, estimate.zones, 'zone')} measured"
    pixels, rmse = estimate.misclassified, estimate.rmse
    if estimate.samples == estimate.zones:
        return f"{of}: {pixels_differ(round(pixels.value))}, RMSE {rmse.value:.2g}; all zones measured"
    if not pixels.value:
        return f"{of}: no pixel differs so far, RMSE about {rmse.value:.2g}; {measured}"
    return (
        f"{of}: about {pixels_differ(_rounded(pixels.value))} ({_rounded(pixels.low):,} to "
        f"{_rounded(pixels.high):,}), RMSE {rmse.value:.2g} ({rmse.low:.2g} to {rmse.high:.2g}), "
        f"95\u00a0% intervals; {measured}"
    )


def _rounded(value: float) -> int:
    """Return a count with three significant digits: more would promise too much."""
    return round(float(f"{value:.3g}"))
