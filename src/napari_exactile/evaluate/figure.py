"""A sweep as a figure: RMSE and ME against radius or offset, with exact zeros shown as zeros.

M. Majurski and P. Bajcsy (2020) tell the same two numbers (Eq. 4 and 5) against the same things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from napari_exactile.evaluate.sweep import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that colour-blind people can tell apart (Okabe and Ito).
RMSE_COLOUR, ME_COLOUR, NEEDED_COLOUR, PAPER_COLOUR = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
# The room below the line of zero, as a part of the height: the same on both axes, so that the line is one.
BELOW_ZERO = 0.06
SIZE_INCHES = (6.0, 4.0)


def sweep_figure(sweep: Sweep, figure: Figure | None = None) -> Figure:
    """Return `figure` (or a new one of 600 x 400 px) that shows the RMSE (left) and ME (right) of a sweep.

    Both axes are logarithmic above a line for zero; exact zeros are open markers on it. ME is the mean over
    the images, its bars the standard deviation. Lines stand at the radius that the network needs and at the
    papers' (Eq. 1, rounded up to F), or, in an offset sweep, at multiples of F. What `figure` showed is gone.
    """
    from matplotlib.figure import Figure

    figure = figure or Figure(figsize=SIZE_INCHES, dpi=100)
    figure.clear()
    figure.set_facecolor("white")
    figure.set_layout_engine("constrained")
    left = figure.add_subplot()
    right = left.twinx()
    _mark(left, sweep)
    _draw_rmse(left, sweep)
    _draw_me(right, sweep)
    left.set_xlabel(f"{'context (radius)' if sweep.kind == 'radius' else 'tiles start too early by'}, px")
    _set_across(left, sweep)
    _legend(figure, left, right)
    return figure


@dataclass(frozen=True, slots=True)
class _Scale:
    """An axis that is logarithmic from the decade of the smallest value up, and linear from there to zero."""

    least: float
    top: float

    @classmethod
    def of(cls, values: Sequence[float], default: float) -> _Scale:
        positive = [value for value in values if value > 0] or [default]
        first, last = floor(log10(min(positive))), ceil(log10(max(positive) * 1.3))
        return cls(10.0**first, 10.0 ** max(last, first + 1))

    def apply(self, axes: Axes) -> None:
        """Set scale, limits and ticks: at most seven decades have one, and zero."""
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

        # What is linear is as high as a decade.
        axes.set_yscale("symlog", linthresh=self.least, linscale=0.9)
        decades = range(round(log10(self.least)), round(log10(self.top)) + 1)
        axes.set_ylim(-BELOW_ZERO * len(decades) * self.least, self.top)
        ticks = [10.0**decade for decade in decades[:: -(-len(decades) // 7)]]
        axes.yaxis.set_major_locator(FixedLocator([0, *ticks]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _written(value)))


def _written(value: float) -> str:
    return f"{value:,.0f}" if value == 0 or 0.5 < value < 1e6 else f"$10^{{{round(log10(value))}}}$"


@dataclass(frozen=True, slots=True)
class _Look:
    """Colour and marker of a curve; the size of its zeros differs, so that two on one spot are both seen."""

    colour: str
    marker: str
    zero_size: int


def _draw_rmse(axes: Axes, sweep: Sweep) -> None:
    values = [point.rmse for point in sweep.points]
    scale = _Scale.of(values, default=1e-3)
    _draw_points(axes, sweep, values, scale, _Look(RMSE_COLOUR, "o", 10), "RMSE of the scores")
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0, gid="zero")


def _draw_me(axes: Axes, sweep: Sweep) -> None:
    values = [point.misclassified for point in sweep.points]
    tops = [point.misclassified + point.deviation for point in sweep.points]
    scale = _Scale.of([*values, *tops], default=1)
    several = max((point.images for point in sweep.points), default=1) > 1
    name = "ME: pixels that differ" + (", mean and deviation" if several else "")
    _draw_points(axes, sweep, values, scale, _Look(ME_COLOUR, "s", 5), name)
    if several:
        _draw_deviations(axes, sweep)


def _draw_points(
    axes: Axes, sweep: Sweep, values: Sequence[float], scale: _Scale, look: _Look, name: str
) -> None:
    """Draw a line with markers: full ones for what is positive, open ones for zeros."""
    x = [point.value for point in sweep.points]
    axes.plot(
        x, values, color=look.colour, linewidth=1.2, marker=look.marker, markersize=5, label=name, gid="curve"
    )
    zeros = [place for place, value in zip(x, values, strict=True) if value == 0]
    axes.plot(
        zeros, [0] * len(zeros), linestyle="none", marker=look.marker, markersize=look.zero_size,
        markerfacecolor="white", markeredgecolor=look.colour, zorder=3, gid="zeros",
    )  # fmt: skip
    axes.set_ylabel(name.split(",", maxsplit=1)[0], color=look.colour)
    axes.tick_params(axis="y", colors=look.colour)
    scale.apply(axes)


def _draw_deviations(axes: Axes, sweep: Sweep) -> None:
    """Draw bars of the standard deviation; one that reaches below zero ends on the line of zero."""
    points = [point for point in sweep.points if point.misclassified > 0]
    means = [point.misclassified for point in points]
    down = [min(point.deviation, point.misclassified) for point in points]
    axes.errorbar(
        [point.value for point in points], means, [down, [point.deviation for point in points]],
        fmt="none", ecolor=ME_COLOUR, elinewidth=1, capsize=3,
    )  # fmt: skip


def _mark(axes: Axes, sweep: Sweep) -> None:
    """Draw the vertical lines: radii that matter, or multiples of F."""
    if sweep.kind == "offset":
        last = max((point.value for point in sweep.points), default=sweep.factor)
        for place in range(0, last + 1, sweep.factor):
            name = f"multiples of {sweep.factor} px (F)" if place == 0 else None
            axes.axvline(place, color="0.6", linewidth=1, linestyle="--", zorder=0, label=name)
    elif sweep.paper == sweep.required:
        name = f"needed, and Eq. 1 rounded: {sweep.required} px"
        axes.axvline(sweep.required, color=NEEDED_COLOUR, linestyle="--", zorder=0, label=name)
    else:
        name = f"needed: {sweep.required} px"
        axes.axvline(sweep.required, color=NEEDED_COLOUR, linestyle="--", zorder=0, label=name)
        name = f"Eq. 1 rounded: {sweep.paper} px"
        axes.axvline(sweep.paper, color=PAPER_COLOUR, linestyle=":", zorder=0, label=name)


def _set_across(axes: Axes, sweep: Sweep) -> None:
    """Set the horizontal axis: its ends stay while a sweep goes on, its ticks are multiples of F."""
    from matplotlib.ticker import MultipleLocator

    known = [sweep.required, sweep.paper] if sweep.kind == "radius" else [2 * sweep.factor]
    last = max([*known, *(point.value for point in sweep.points)]) or 1
    axes.set_xlim(-0.04 * last, 1.04 * last)
    axes.xaxis.set_major_locator(MultipleLocator(sweep.factor * ceil(last / sweep.factor / 9)))


def _legend(figure: Figure, left: Axes, right: Axes) -> None:
    """Put one legend for both axes above them, where it covers nothing."""
    entries = [
        (handle, name)
        for axes in (left, right)
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    ]
    handles, names = zip(*sorted(entries, key=lambda entry: entry[0].get_gid() != "curve"), strict=True)
    figure.legend(handles, names, loc="outside upper center", ncols=2, frameon=False, fontsize="small")
