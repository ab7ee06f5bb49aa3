"""The preview's computing: where seams are, what is kept, and estimates that keep their word."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_exactile as ex
from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.evaluate.estimate import estimate, from_samples
from napari_exactile.evaluate.preview import ErrorPreview
from napari_exactile.evaluate.words import error_remarks, error_sentence
from napari_exactile.geometry.interval import Interval, volume
from napari_exactile.geometry.seams import nearest_junction, window_around
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.run.check.metrics import Difference
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from napari_exactile.stopping import Cancelled
from tiled_errors import RADIUS, SHAPE, model, picture

ZONE = (32, 32)
REGION = (Interval(0, SHAPE[0]), Interval(0, SHAPE[1]))


def tiling(radius: int, shape: tuple[int, int] = SHAPE) -> Tiling:
    return Tiling(shape, (4, 4), ZONE, (radius, radius))


def preview(seed: int = 0) -> ErrorPreview:
    return ErrorPreview(image_task(picture(*SHAPE, seed=seed), model(), Settings()))


def go_on() -> None:
    return False


# --- places


@given(st.integers(0, SHAPE[0]), st.integers(0, SHAPE[1]))
def test_four_zones_meet_at_a_junction_and_none_is_nearer(y: int, x: int) -> None:
    """The junction starts zones on both axes, and every other one is at least as far away."""
    plan = tiling(8)
    junction = nearest_junction(plan, (y, x))
    assert junction is not None
    starts = [[span.start for span in plan.spans(axis)[1:]] for axis in (0, 1)]
    for axis, position in enumerate((y, x)):
        assert junction[axis] in starts[axis]
        assert abs(junction[axis] - position) == min(abs(s - position) for s in starts[axis])


def test_an_image_of_one_zone_has_no_junction() -> None:
    """None in that case; along an axis with one zone only, the point itself."""
    assert nearest_junction(tiling(8, (30, 30)), (5, 5)) is None
    assert nearest_junction(tiling(8, (30, 90)), (5, 50)) == (5, 64)


@given(st.integers(-50, 200), st.integers(-50, 200), st.integers(1, 150))
def test_a_window_lies_in_its_region(y: int, x: int, size: int) -> None:
    """It has the size asked for, or that of the region where that is smaller, and is never outside."""
    for side, outer in zip(window_around((y, x), size, REGION), REGION, strict=True):
        assert outer.start <= side.start < side.stop <= outer.stop
        assert len(side) == min(size, len(outer))


# --- keeping


def test_an_error_is_kept_until_the_window_moves() -> None:
    """`known` gives what has been computed, for the last window only."""
    kept, window, other = preview(), window_around((64, 64), 40, REGION), window_around((32, 32), 40, REGION)
    assert kept.known(tiling(8), window) is None
    found = kept.error(tiling(8), window, go_on)
    assert kept.known(tiling(8), window) is kept.error(tiling(8), window, go_on) is found
    assert kept.known(tiling(4), window) is None
    kept.error(tiling(8), other, go_on)
    assert kept.known(tiling(8), window) is None


def test_the_preview_tells_what_tiling_error_tells() -> None:
    """The window's error equals that of the public function with the same zones."""
    window = window_around((64, 64), 40, REGION)
    found = preview().error(tiling(8), window, go_on)
    sides = [(side.start, side.stop) for side in window]
    expected = ex.tiling_error(picture(*SHAPE), model(), zone=32, radius=8, window=sides)
    assert found.difference == expected.difference
    assert found.misclassified > 0


def test_a_superseded_question_makes_room() -> None:
    """A cancelled computation ends with Cancelled, and the one that waited for it gets its answer."""
    kept, started, stop = preview(), threading.Event(), threading.Event()

    def superseded() -> None:
        started.set()
        stop.wait(20)
        raise Cancelled

    def first() -> None:
        with pytest.raises(Cancelled):
            kept.error(tiling(0), REGION, superseded)
        ended.append(True)

    ended: list[bool] = []
    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(20)
    stop.set()
    assert kept.error(tiling(8), REGION, go_on).misclassified > 0
    thread.join(20)
    assert ended == [True]


def test_a_sweep_of_the_window_ends_in_zero() -> None:
    """Zones stay where they are while tiles grow, up to two F beyond what is required."""
    sweeps = list(preview().sweep(tiling(8), window_around((64, 64), 40, REGION), go_on))
    assert [p.value for p in sweeps[-1].points] == list(range(0, RADIUS + 9, 4))
    assert [p.rmse == 0 for p in sweeps[-1].points] == [p.value >= RADIUS for p in sweeps[-1].points]


# --- estimates


def test_an_estimate_from_all_zones_is_exact() -> None:
    """With every zone measured, ME and RMSE are those of the whole image, without any doubt."""
    errors = TilingErrors(LocalEngine(image_task(picture(*SHAPE), model(), Settings())))
    errors.prepare()
    last = list(estimate(errors, tiling(8), samples=1000))[-1]
    whole = ex.tiling_error(picture(*SHAPE), model(), zone=32, radius=8)
    assert last.samples == last.zones == len(tiling(8))
    assert last.pixels == volume(REGION)
    for span, true in ((last.misclassified, whole.misclassified), (last.rmse, whole.rmse)):
        assert span.low == pytest.approx(span.value) == pytest.approx(span.high) == pytest.approx(true)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Over many draws from a known population, the 95 % intervals hold the true values in at least 88 %."""
    rng = np.random.default_rng(5)
    population = [
        Difference(n, float(e), 0.0, 0.0, int(c), 0)
        for n, e, c in zip(
            rng.choice([400, 1000], 80), rng.gamma(2, 1, 80), rng.negative_binomial(3, 0.1, 80), strict=True
        )
    ]
    total = sum(population[1:], population[0])
    held = np.zeros(2)
    for _ in range(300):
        drawn = [population[i] for i in rng.permutation(80)[:20]]
        found = from_samples(drawn, 80, total.pixels)
        held += [
            found.misclassified.low <= total.misclassified <= found.misclassified.high,
            found.rmse.low <= total.rmse <= found.rmse.high,
        ]
    assert (held / 300 >= 0.88).all()


def test_more_samples_make_an_estimate_surer() -> None:
    """Each further zone gives an estimate; intervals shrink, and never promise less than was seen."""
    errors = TilingErrors(LocalEngine(image_task(picture(200, 210), model(), Settings())))
    errors.prepare()
    found = list(estimate(errors, tiling(4, (200, 210)), samples=20))
    assert [one.samples for one in found] == list(range(2, 21))
    widths = [one.misclassified.high - one.misclassified.low for one in found]
    assert widths[-1] < widths[0]
    assert all(
        0 <= one.misclassified.low <= one.misclassified.value <= one.misclassified.high for one in found
    )


# --- words


def test_errors_are_told_in_words() -> None:
    """How many pixels differ, their share, the mean difference; nothing is said that is not so."""
    image = picture(*SHAPE)
    none = ex.tiling_error(image, model(), zone=32, radius=RADIUS)
    assert error_sentence(none) == "No pixel differs: the scores are equal to the last bit"
    assert error_remarks(none) == []
    some = ex.tiling_error(image, model(), zone=32, radius=3)
    words = error_sentence(some).replace("\u00a0", " ")
    assert words.startswith(f"{some.misclassified:,} pixels differ (")
    assert "mean score difference" in words
    ties = f"Near-ties among them, which rounding alone can flip: {some.near_ties}"
    assert error_remarks(some) == ["3 px is no multiple of 4: tiles start off the grid", ties]


def test_a_window_of_one_class_says_so() -> None:
    """Where all pixels have one label, few can change: the person is told to look elsewhere."""
    image = picture(*SHAPE)
    labels = ex.segment_whole(image, model()).labels
    y, x = next(
        (y, x) for y in range(60) for x in range(60) if len(np.unique(labels[y : y + 2, x : x + 2])) == 1
    )
    error = ex.tiling_error(image, model(), zone=32, radius=0, window=((y, y + 2), (x, x + 2)))
    assert "one class only" in error_remarks(error)[-1]
