"""The figure of a sweep shows what was measured: zeros as zeros, and the radii where they are."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_exactile.evaluate.figure import SIZE_INCHES, sweep_figure
from napari_exactile.evaluate.sweep import Sweep, SweepKind, SweepPoint

RMSE = (0.05, 0.01, 0.0, 2e-9, 0.0)
ME = (900.0, 4.0, 0.5, 0.0, 0.0)


def sweep(
    kind: SweepKind = "radius", required: int = 12, paper: int = 8, images: int = 1, points: int = 5
) -> Sweep:
    """A sweep in which one number is zero where the other is not."""
    rows = [
        SweepPoint(
            value=4 * i, exact=i > 2, rmse=RMSE[i], misclassified=ME[i],
            deviation=2 * ME[i] if images > 1 else 0.0, rate=0, max_abs_difference=0.1, near_ties=0,
            images=images, seconds=1.0,
        )
        for i in range(points)
    ]  # fmt: skip
    return Sweep(kind, tuple(rows), 4, required, paper, 1000)


def drawn(figure: Figure) -> tuple[Axes, Axes]:
    """Draw it, warnings being errors, and return the axes of RMSE and ME."""
    FigureCanvasAgg(figure).draw()
    left, right = figure.axes
    return left, right


def marked_zeros(axes: Axes) -> list[float]:
    (line,) = [line for line in axes.lines if line.get_gid() == "zeros"]
    assert line.get_markerfacecolor() == "white"
    return [float(x) for x in line.get_xdata()]


def verticals(axes: Axes) -> dict[str, float]:
    """Return the places of the vertical lines, by their names."""
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 1]
    return {str(line.get_label()): float(line.get_xdata()[0]) for line in lines}


def test_zeros_are_drawn_as_zeros() -> None:
    """Open markers stand at exact zeros and nowhere else, on a tick that says 0; tiny values stay above."""
    left, right = drawn(sweep_figure(sweep()))
    assert marked_zeros(left) == [8, 16]
    assert marked_zeros(right) == [12, 16]
    for axes, values in ((left, RMSE), (right, ME)):
        zero = min(axes.get_yticks())
        labels = dict(zip(axes.get_yticks(), axes.get_yticklabels(), strict=True))
        assert labels[zero].get_text() == "0"
        assert zero < min(value for value in values if value > 0)


def test_values_are_drawn_where_they_are() -> None:
    """The curves hold the sweep's numbers, each on its own axis, within the limits."""
    left, right = drawn(sweep_figure(sweep()))
    for axes, values in ((left, RMSE), (right, ME)):
        curve = next(line for line in axes.lines if line.get_gid() == "curve")
        shown = np.asarray(curve.get_ydata())
        assert list(curve.get_xdata()) == [0, 4, 8, 12, 16]
        assert [y for y, value in zip(shown, values, strict=True) if value] == [v for v in values if v]
        low, high = axes.get_ylim()
        assert (low < shown).all()
        assert (shown <= high).all()


def test_zero_is_one_line_on_both_axes() -> None:
    """The zero of RMSE and that of ME lie at the same height, whatever the decades."""
    axes = drawn(sweep_figure(sweep()))
    heights = [
        one.transAxes.inverted().transform(one.transData.transform((0, min(one.get_yticks()))))[1]
        for one in axes
    ]
    assert heights[0] == pytest.approx(heights[1])
    assert heights[0] > 0


def test_lines_stand_at_the_radii() -> None:
    """Required and papers' radius are two lines, or one that says both where they agree."""
    left, _ = drawn(sweep_figure(sweep()))
    assert verticals(left) == {"needed: 12 px": 12, "Eq. 1 rounded: 8 px": 8}
    left, _ = drawn(sweep_figure(sweep(paper=12)))
    assert verticals(left) == {"needed, and Eq. 1 rounded: 12 px": 12}


def test_multiples_of_the_factor_are_marked_in_offset_sweeps() -> None:
    """A line at 0, F, 2 F, ... as far as the sweep goes; radii mean nothing there."""
    left, _ = drawn(sweep_figure(sweep("offset")))
    places = [line.get_xdata()[0] for line in left.lines if line.get_linestyle() == "--"]
    assert places == [0, 4, 8, 12, 16]
    assert "multiples of 4 px (F)" in verticals(left)
    assert "early" in left.get_xlabel()


def test_several_images_have_bars_that_end_at_zero() -> None:
    """Bars show the standard deviation, and none goes below the line of zero."""
    _, right = drawn(sweep_figure(sweep(images=3)))
    (bars,) = [c for c in right.collections if c.get_gid() is None]
    zero = min(right.get_yticks())
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert max(end.max() for end in ends) <= right.get_ylim()[1]
    assert [end.max() for end in ends] == pytest.approx([3 * value for value in ME if value])
    assert min(end.min() for end in ends) == pytest.approx(zero)
    assert "deviation" in figure_words(sweep(images=3))
    assert "deviation" not in figure_words(sweep())


def figure_words(shown: Sweep) -> str:
    """Return what the legend says."""
    figure = sweep_figure(shown)
    return " ".join(text.get_text() for text in figure.legends[0].get_texts())


@pytest.mark.parametrize("points", [1, 3, 5])
@pytest.mark.parametrize("kind", ["radius", "offset"])
def test_nothing_is_cut_off(points: int, kind: SweepKind) -> None:
    """At 600 x 400 px every word lies inside the figure, also while a sweep has just begun."""
    figure = sweep_figure(sweep(kind, points=points, images=3))
    left, right = drawn(figure)
    assert tuple(figure.get_size_inches() * figure.dpi) == (600, 400)
    words = [left.xaxis.label, left.yaxis.label, right.yaxis.label, *figure.legends[0].get_texts()]
    for text in words:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= 600
        assert 0 <= box.y0 < box.y1 <= 400


def test_a_given_figure_is_used_again() -> None:
    """Drawing into a figure replaces what it showed, as a sweep goes on, and its frame stays in place."""
    figure = Figure(SIZE_INCHES)
    for points in (1, 2, 5):
        assert sweep_figure(sweep(points=points), figure) is figure
        left, _ = drawn(figure)
        assert left.get_xlim() == pytest.approx(
            (-0.04 * max(12, 4 * points - 4), 1.04 * max(12, 4 * points - 4))
        )
    assert len(figure.legends) == 1


def test_all_zeros_can_be_drawn() -> None:
    """A sweep without any error has its zeros on both axes."""
    zeros = Sweep("radius", sweep().points[4:], 4, 12, 12, 1000)
    left, right = drawn(sweep_figure(zeros))
    assert marked_zeros(left) == marked_zeros(right) == [16]


def test_importing_loads_no_matplotlib() -> None:
    """Only drawing does: the module, the package and the command line can be imported without."""
    code = (
        "import napari_exactile.evaluate.figure, napari_exactile.cli, sys; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
