"""The error of the usual tiling is what cutting the image into tiles really does, no more and no less."""

from __future__ import annotations

import csv
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import napari_exactile as ex
from napari_exactile.evaluate.comparison import Comparison
from napari_exactile.geometry.interval import Interval, slices
from napari_exactile.geometry.tiling import Tiling, tile_around
from napari_exactile.run.check.metrics import Difference, difference
from napari_exactile.run.engine.local import executor
from napari_exactile.stopping import Cancelled
from proofs import many
from tiled_errors import FACTOR, RADIUS, SHAPE, model, picture


def by_hand(image: np.ndarray, net: nn.Module, zone: int, radius: int) -> np.ndarray:
    """Labels of the usual tiling, from a loop that anybody would write; offset tiles read on at their end."""
    padded = [-(-n // FACTOR) * FACTOR for n in image.shape]
    image = np.pad(image, [(0, p - n + 64) for p, n in zip(padded, image.shape, strict=True)], "reflect")
    labels = np.zeros(padded, int)
    for y in range(0, padded[0], zone):
        for x in range(0, padded[1], zone):
            spans = (Interval(y, min(y + zone, padded[0])), Interval(x, min(x + zone, padded[1])))
            tile = [tile_around(s, FACTOR, radius, p) for s, p in zip(spans, padded, strict=True)]
            part = torch.from_numpy(image[tuple(slice(t.start, t.stop) for t in tile)].copy())
            with torch.no_grad():
                found = net(part[None, None])[0].argmax(0).numpy()
            labels[slices(spans)] = found[slices(spans, tuple(tile))]
    return labels


@settings(max_examples=many(15), deadline=None)
@given(st.data())
def test_it_is_the_error_of_tiles_cut_by_hand(data: st.DataObject) -> None:
    """For any shape, zone and radius, on the grid and off it, what differs is what a loop gets wrong."""
    shape = tuple(data.draw(st.integers(1, 70), name) for name in "yx")
    zone = FACTOR * data.draw(st.integers(4, 12), "zone")
    radius = data.draw(st.integers(0, RADIUS + 9), "radius")
    made, image = model(data.draw(st.integers(0, 20), "seed")), picture(*shape)
    error = ex.tiling_error(image, made, zone=zone, radius=radius)
    expected = by_hand(image, made.module, zone, radius)[: shape[0], : shape[1]]
    differs = expected != ex.segment_whole(image, made).labels
    np.testing.assert_array_equal(error.differing, differs)
    assert error.misclassified == differs.sum()
    assert not (error.exact and differs.any())


@pytest.mark.parametrize("radius", [0, 5, 8, RADIUS, RADIUS + FACTOR])
def test_computing_only_what_counts_changes_nothing(radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending whole tiles through the unchanged network gives the same maps to the bit."""
    monkeypatch.setattr(executor, "TRACING_WORK", 0)  # small tiles, too, are traced and computed in part
    window = ((30, 90), (7, 101))
    errors = [
        ex.tiling_error(picture(*SHAPE), model(), zone=32, radius=radius, window=window, unchanged=unchanged)
        for unchanged in (False, True)
    ]
    np.testing.assert_array_equal(errors[0].differing, errors[1].differing)
    np.testing.assert_array_equal(errors[0].error_map, errors[1].error_map)
    assert errors[0].difference == errors[1].difference
    assert (errors[0].misclassified > 0) == (radius < 20)


def test_a_window_is_that_part_of_the_whole() -> None:
    """The zones keep their places: what a window shows is cut out of the error of the whole image."""
    image, window = picture(*SHAPE), ((17, 80), (33, 128))
    whole = ex.tiling_error(image, model(), zone=32, radius=8)
    part = ex.tiling_error(image, model(), zone=32, radius=8, window=window)
    index = tuple(slice(*side) for side in window)
    np.testing.assert_array_equal(part.differing, whole.differing[index])
    np.testing.assert_array_equal(part.error_map, whole.error_map[index])
    assert part.differing.any()


def test_a_difference_of_zero_needs_the_whole_radius_and_the_grid() -> None:
    """The required radius and larger multiples of F are exact; the papers' radius and odd ones are not."""
    image = picture(*SHAPE)
    errors = {r: ex.tiling_error(image, model(), zone=32, radius=r) for r in (20, RADIUS, RADIUS + 1, 28)}
    assert [errors[r].exact for r in errors] == [False, True, False, True]
    assert errors[RADIUS].difference == Difference(image.size, 0.0, 0.0, 0.0, 0, 0)
    assert errors[28].misclassified == 0
    assert errors[RADIUS + 1].misclassified > 0
    assert errors[20].max_abs_difference > 0


def test_a_fixed_tile_gives_its_zone_to_the_radius() -> None:
    """With a tile size, as in the papers, the zone is what the radius leaves of it."""
    image = picture(*SHAPE)
    assert ex.tiling_error(image, model(), tile=64, radius=8).zone == (48, 48)
    with pytest.raises(ValueError, match="smallest tile is 68 px"):
        ex.tiling_error(image, model(), tile=64, radius=32)


# --- the numbers


def test_differences_of_parts_add_up() -> None:
    """RMSE, ME, mean and largest difference of the whole follow from those of its parts."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.random((2, 3, 20, 30))
    labels, true = ours.argmax(0), theirs.argmax(0)
    whole = difference(labels, ours, true, theirs)
    parts = [
        difference(labels[i], ours[:, i], true[i], theirs[:, i])
        for i in (slice(7), slice(7, 12), slice(12, 20))
    ]
    total = parts[0] + parts[1] + parts[2]
    assert total.misclassified == whole.misclassified == (labels != true).sum()
    assert total.rmse == pytest.approx(np.sqrt(np.mean((ours - theirs) ** 2)))
    assert total.mean_abs_difference == pytest.approx(np.abs(ours - theirs).mean())
    assert total.max_abs_difference == np.abs(ours - theirs).max()
    assert total.rate == whole.misclassified / 600


@pytest.mark.parametrize("chances", [[[0.5 + 4e-6], [0.5 - 4e-6]], [[0.5 + 4e-6]]])
def test_flipped_near_ties_are_counted_apart(chances: list[list[float]]) -> None:
    """A flipped pixel is a near-tie where the reference's best two are tied, also for one channel."""
    true = np.array(chances)
    far = np.array([[0.9], [0.1]])[: len(true)]
    assert difference(np.array([1]), true, np.array([0]), true).near_ties == 1
    assert not difference(np.array([1]), true, np.array([0]), far).last_bits_only
    assert difference(np.array([0]), true, np.array([0]), true).near_ties == 0


def test_one_channel_is_compared_by_its_threshold() -> None:
    """A network with one output channel says yes from one half on; its errors are found and vanish alike."""
    made, image = model(classes=1), picture(*SHAPE)
    small, enough = (ex.tiling_error(image, made, zone=32, radius=r) for r in (0, RADIUS))
    assert small.max_abs_difference > 0
    assert enough.difference.squares == enough.misclassified == 0


# --- sweeps


def test_a_radius_sweep_ends_in_zero() -> None:
    """By default 0, F, ..., required + 2 F; from the required radius on nothing differs."""
    found: list[ex.Sweep] = []
    sweep = ex.radius_sweep(picture(*SHAPE), model(), zone=32, on_measured=found.append)
    assert [point.value for point in sweep.points] == list(range(0, RADIUS + 2 * FACTOR + 1, FACTOR))
    assert (sweep.required, sweep.paper, sweep.factor, sweep.pixels) == (RADIUS, 20, FACTOR, 118 * 130)
    for point in sweep.points:
        assert (point.rmse == 0) == point.exact == (point.value >= RADIUS)
    assert sweep.points[0].misclassified > sweep.points[2].misclassified > 0
    assert [len(partial.points) for partial in found] == list(range(1, len(sweep.points) + 1))


def test_several_images_are_averaged() -> None:
    """RMSE is the mean over images, ME too, with its standard deviation; the rate is over all pixels."""
    images = [picture(*SHAPE, seed=seed) for seed in range(3)]
    alone = [ex.tiling_error(image, model(), tile=64, radius=4) for image in images]
    (point,) = ex.radius_sweep(images, model(), tile=64, radii=[4]).points
    counts = [error.misclassified for error in alone]
    assert point.images == 3
    assert point.misclassified == pytest.approx(np.mean(counts))
    assert point.deviation == pytest.approx(np.std(counts, ddof=1))
    assert point.rmse == pytest.approx(np.mean([error.rmse for error in alone]))
    assert point.rate == pytest.approx(sum(counts) / (3 * 118 * 130))


def test_an_offset_sweep_vanishes_at_multiples_of_the_factor_only() -> None:
    """Tiles that start off the grid are wrong however much context they have."""
    sweep = ex.offset_sweep(picture(*SHAPE), model(), zone=32)
    zeros = [point.value for point in sweep.points if point.rmse == 0]
    assert zeros == [0, FACTOR, 2 * FACTOR]
    assert [point.value for point in sweep.points] == list(range(2 * FACTOR + 1))
    assert {point.value for point in sweep.points if point.exact} == set(zeros)


def test_a_sweep_is_saved_as_a_table(tmp_path: Path) -> None:
    """The file has a column for each field and a row for each point, in numbers that can be read back."""
    sweep = ex.radius_sweep(picture(40, 40), model(), zone=16, radii=[0, RADIUS])
    sweep.save_csv(tmp_path / "sweep.csv")
    rows = list(csv.reader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert rows[0] == ["radius", *(field.name for field in fields(ex.SweepPoint)[1:])]
    assert [int(row[0]) for row in rows[1:]] == [0, RADIUS]
    assert float(rows[1][2]) == sweep.points[0].rmse


# --- what cannot be


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"window": ((0, 10), (120, 140))}, "window 120..140 does not lie in the image of 118 x 130 px"),
        ({"window": ((5, 5), (0, 9))}, "window 5..5 does not lie in the image"),
        ({"window": ((0, 5),)}, "window needs a (start, stop) for each of the 2 axes"),
        ({"radius": -4}, "radius is at least 0 px, not -4"),
        ({"tile": 0}, "tile needs at least 1 px, not 0"),
        ({"zone": -3}, "zone needs at least 1 px, not -3"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(wrong: dict[str, Any], words: str) -> None:
    """Windows outside the image and sizes that no tile can have give one sentence."""
    with pytest.raises(ValueError, match=re.escape(words)):
        ex.tiling_error(picture(*SHAPE), model(), **({"radius": 4} | wrong))


def test_pixels_that_are_no_numbers_are_refused() -> None:
    """NaN anywhere spoils the statistics of the whole image: it is named."""
    image = picture(*SHAPE)
    image[50, 60] = np.nan
    with pytest.raises(ValueError, match="NaN pixels, first at y 50, x 60"):
        ex.tiling_error(image, model(), zone=32, radius=4)


def test_a_radius_larger_than_the_image_is_exact() -> None:
    """Every tile is then the whole image."""
    error = ex.tiling_error(picture(30, 20), model(), zone=8, radius=400)
    assert error.exact
    assert error.difference.squares == 0


def test_a_comparison_can_be_stopped() -> None:
    """`cancel` is asked before every operator."""
    calls = iter(range(10**6))
    with pytest.raises(Cancelled):
        ex.radius_sweep(picture(*SHAPE), model(), zone=32, cancel=lambda: next(calls) > 200)
    assert next(calls) < 210


def test_overlapping_zones_and_windows_meet() -> None:
    """`parts` covers a window exactly once, each part with the tile of its whole zone."""
    tiling, window = Tiling(SHAPE, (4, 4), (32, 32), (8, 8)), (Interval(17, 80), Interval(33, 128))
    covered = np.zeros(SHAPE, int)
    for tile, part in tiling.parts(window):
        covered[slices(part)] += 1
        assert tile in {known.box for known in tiling}
        assert all(t.start <= p.start < p.stop <= t.stop for t, p in zip(tile, part, strict=True))
    assert (covered[slices(window)] == 1).all()
    assert covered.sum() == covered[slices(window)].size


def test_an_unknown_setting_is_refused() -> None:
    """`Comparison` takes no other names, so that a typing error cannot change what is measured."""
    assert Comparison(tile=64).zone is None
    with pytest.raises(TypeError, match="radiuss"):
        ex.tiling_error(picture(8, 8), model(), radius=0, radiuss=3)
