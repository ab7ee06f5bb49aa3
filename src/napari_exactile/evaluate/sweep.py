"""The error of the usual tiling against its radius, or against where its tiles start: the papers' figures."""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from napari_exactile.evaluate.errors import Scored, TilingErrors
from napari_exactile.geometry.equations import rounded_radius
from napari_exactile.geometry.interval import Box
from napari_exactile.network.derived import Derived
from napari_exactile.run.check.metrics import Difference
from napari_exactile.run.plan import given
from napari_exactile.stopping import Check

SweepKind = Literal["radius", "offset"]


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One row of a sweep: `value` is the radius or the offset in pixels, the rest describes K images.

    `rmse` is the mean over the images of Eq. 4, `misclassified` that of Eq. 5 and `deviation` its standard
    deviation (0 for one image); `rate` is the share of all pixels that are misclassified. `near_ties` counts,
    over all images, the misclassified pixels that the last bits of the arithmetic can flip; `exact` says that
    the geometry is. `seconds` is the time of tiling and comparing, over all images.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.ones((32, 32), np.float32), nn.Conv2d(1, 2, 5, padding=2).eval()
    >>> (point,) = ex.radius_sweep(image, model, radii=[2], zone=16).points
    >>> point.value, point.exact, point.misclassified, point.images
    (2, True, 0.0, 1)
    """

    value: int
    exact: bool
    rmse: float
    misclassified: float
    deviation: float
    rate: float
    max_abs_difference: float
    near_ties: int
    images: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """Errors against radius or offset; `required` and `paper` are radii, the latter Eq. 1 rounded up to F.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.ones((64, 64), np.float32), nn.Conv2d(1, 2, 5, padding=2).eval()
    >>> sweep = ex.radius_sweep(image, model, zone=16)
    >>> sweep.kind, sweep.factor, sweep.required, [point.value for point in sweep.points]
    ('radius', 1, 2, [0, 1, 2, 3, 4])
    """

    kind: SweepKind
    points: tuple[SweepPoint, ...]
    factor: int
    required: int
    paper: int
    pixels: int

    def save_csv(self, path: Path) -> None:
        """Write a table with a row per point and a column per field."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([self.kind, *(field.name for field in fields(SweepPoint)[1:])])
            writer.writerows(map(astuple, self.points))


@dataclass(frozen=True, slots=True)
class SweepStep:
    """One measurement of a sweep: the `value` that its row is named by, and the tiling to measure."""

    value: int
    zone: tuple[int, ...]
    radius: tuple[int, ...]


ZoneFor = Callable[[tuple[int, ...], tuple[int, ...]], tuple[int, ...]]


def radius_steps(analysis: Derived, radii: Iterable[int] | None, zone_for: ZoneFor) -> list[SweepStep]:
    """Return the steps of a radius sweep: `radii`, or 0, F, ..., required + 2 F.

    `zone_for(radius, F)` gives the size of the zones; it may raise ValueError. So do negative radii.
    """
    factor = analysis.factor
    last = max(analysis.radius) + 2 * max(factor)
    chosen = list(range(0, last + 1, max(factor))) if radii is None else _numbers("a radius", radii)
    if any(radius < 0 for radius in chosen):
        raise ValueError(f"a radius is at least 0 px, not {min(chosen)}")
    around = [(radius,) * len(factor) for radius in chosen]
    return [SweepStep(radius[0], zone_for(radius, factor), radius) for radius in around]


def offset_steps(analysis: Derived, offsets: Iterable[int] | None, zone: tuple[int, ...]) -> list[SweepStep]:
    """Return the steps of an offset sweep: tiles start so many pixels too early; by default 0, 1, ..., 2 F.

    Their context grows by as much, so it is never too small: what is measured is the phase alone.
    """
    required = analysis.radius
    chosen = list(range(2 * max(analysis.factor) + 1)) if offsets is None else _numbers("an offset", offsets)
    if any(offset < 0 for offset in chosen):
        raise ValueError(f"an offset is at least 0 px, not {min(chosen)}")
    return [SweepStep(offset, zone, tuple(r + offset for r in required)) for offset in chosen]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """An image of a sweep: its errors, and the window in which they are measured."""

    errors: TilingErrors
    window: Box


@dataclass(frozen=True, slots=True)
class _Measured:
    difference: Difference
    exact: bool
    seconds: float


def run_sweep(
    kind: SweepKind, subjects: Sequence[Subject], steps: Sequence[SweepStep], check: Check = lambda: None, *,
    reference: Callable[[TilingErrors, Box], Scored] | None = None, unchanged: bool = False,
) -> Iterator[Sweep]:  # fmt: skip
    """Measure every step on every image; yields the sweep so far after each.

    `reference` gives what is compared to (by default the engine's exact result), `unchanged` is that of
    TilingErrors.error. Raises what these raise; what has been yielded stands.
    """
    true = reference or (lambda errors, window: errors.reference(window, check))
    measured: dict[int, list[_Measured]] = {step.value: [] for step in steps}
    for subject in subjects:
        compared = true(subject.errors, subject.window)
        for step in steps:
            started = time.perf_counter()
            error = subject.errors.error(compared, step.zone, step.radius, check, unchanged=unchanged)
            seconds = time.perf_counter() - started
            measured[step.value].append(_Measured(error.difference, error.exact, seconds))
            yield _sweep(kind, subjects[0].errors.analysis, measured)


def _sweep(kind: SweepKind, analysis: Derived, measured: dict[int, list[_Measured]]) -> Sweep:
    factor, paper = max(analysis.factor), max(analysis.paper_radius)
    points = tuple(_point(value, done) for value, done in measured.items() if done)
    pixels = next(iter(measured.values()))[0].difference.pixels
    required = max(analysis.radius)
    return Sweep(kind, points, factor, required, rounded_radius(paper, factor), pixels)


def _point(value: int, measured: Sequence[_Measured]) -> SweepPoint:
    differences = [one.difference for one in measured]
    counts = [one.misclassified for one in differences]
    return SweepPoint(
        value=value,
        exact=all(one.exact for one in measured),
        rmse=statistics.fmean(one.rmse for one in differences),
        misclassified=statistics.fmean(counts),
        deviation=statistics.stdev(counts) if len(counts) > 1 else 0.0,
        rate=sum(counts) / sum(one.pixels for one in differences),
        max_abs_difference=max(one.max_abs_difference for one in differences),
        near_ties=sum(one.near_ties for one in differences),
        images=len(measured),
        seconds=sum(one.seconds for one in measured),
    )


def _numbers(what: str, values: Any) -> list[int]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"a sweep takes a list of numbers, such as [0, 16, 32], not {values!r}")
    return [given.whole(what, value) for value in values]
