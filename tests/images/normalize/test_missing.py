"""Pixels that no network can compute with are refused by name, or left out where somebody asks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from command_line import assert_refused, call, summary
from docks import finish
from napari_exactile.images.making import Making
from napari_exactile.images.normalize.parse import parse_steps
from napari_exactile.images.normalize.statistics import measure
from napari_exactile.images.normalize.steps import Affine, Fill, ZScore
from napari_exactile.images.source import ArraySource
from small_runs import network

NAN = float("nan")


def image(seed: int = 0) -> np.ndarray:
    """A float image with holes: a block, a row and single pixels."""
    pixels = np.random.default_rng(seed).normal(40, 10, (90, 110)).astype(np.float32)
    pixels[20:33, 41:60] = np.nan
    pixels[70] = np.nan
    pixels[5, 7] = np.nan
    return pixels


def filled(pixels: np.ndarray) -> np.ndarray:
    """The image as the network is to see it: the mean of what is there in place of what is not."""
    return np.where(np.isnan(pixels), np.nanmean(pixels, dtype=np.float64), pixels)


def net(classes: int = 3) -> nn.Module:
    return network(2, 1, classes=classes).float()


@pytest.mark.parametrize("value", [1e39, 1e300, -1e39])
@pytest.mark.parametrize("steps", ["model", "none", "min-max", "fixed 120 35"])
def test_numbers_beyond_float32_are_refused_by_name(value: float, steps: str) -> None:
    """One pixel that float32 cannot hold is named before anything is made, as NaN is."""
    pixels = image().astype(np.float64)
    pixels[np.isnan(pixels)] = 1
    pixels[33, 7] = value
    with pytest.raises(ValueError, match=r"too large pixels, first at y 33, x 7 \(-?1e\+\d+\), beyond what"):
        ex.segment(pixels, net(), normalization=steps)
    assert ex.segment(pixels, net().double(), normalization="fixed 120 35" if value == 1e300 else steps)


def test_what_overflows_when_it_is_normalised_is_refused() -> None:
    """Steps that make infinity of finite pixels, and a network of few digits, are noticed at the tile."""
    pixels = np.full((40, 40), 1e20, np.float32)
    with pytest.raises(RuntimeError, match="no finite numbers in float32 once they are normalised"):
        ex.segment(pixels, net(), normalization="fixed 0 1e-30")
    half = nn.Conv2d(1, 3, 3, padding=1).half().eval()
    with pytest.raises(RuntimeError, match="no finite numbers in float16 once they are normalised"):
        ex.segment(np.full((40, 40), 70_000, np.uint32), half, normalization="none")


@pytest.mark.parametrize("value", [NAN, np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float) -> None:
    """A network that can only give NaN is refused with the name of the weights, approximately, too."""
    broken = net()
    with torch.no_grad():
        next(iter(broken.parameters()))[0, 0, 0, 0] = value
    name = next(iter(dict(broken.named_parameters())))
    words = str(ex.analyse(broken, (64, 64)).refusals[0])
    assert name in words
    assert "weights hold" in words
    with pytest.raises(ValueError, match="weights hold"):
        ex.segment(np.zeros((40, 40)), broken)
    with pytest.raises(ValueError, match="weights hold"):
        ex.segment(np.zeros((40, 40)), broken, method="approximate", radius=16)


def test_infinite_masks_are_no_broken_weights() -> None:
    """A buffer may hold infinity: masks do."""
    masking = net()
    masking.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    assert not ex.analyse(masking, (64, 64)).refusals


def test_scores_that_are_no_numbers_end_the_run() -> None:
    """NaN that a network makes of finite pixels is never a label."""

    class Divides(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x / x, x], 1)

    pixels = np.ones((40, 40), np.float32)
    pixels[20, 20] = 0
    with pytest.raises(RuntimeError, match="the network gives NaN"):
        ex.segment(pixels, Divides().eval(), normalization="none")


@pytest.mark.parametrize("classes", [3, 1])
@pytest.mark.parametrize("tile", ["auto", 44])
def test_missing_pixels_are_background_and_the_others_as_if_the_mean_were_there(
    classes: int, tile: Any
) -> None:
    """Labels elsewhere are those of the image with the mean in the holes, normalised by what is there."""
    pixels = image()
    result = ex.segment(pixels, net(classes), ignore=NAN, tile=tile, probabilities=True)
    there = pixels[~np.isnan(pixels)].astype(np.float64)
    mean, std = there.mean(), there.std()
    steps = result.report.normalization.steps
    holes = np.isnan(pixels)
    assert steps[0] == Fill((steps[0].value[0],), int(holes.sum()))
    np.testing.assert_allclose(
        (steps[0].value[0], steps[1].mean[0], steps[1].std[0]), (mean, mean, std), rtol=1e-9
    )
    expected = ex.segment_whole(filled(pixels), net(classes), normalization=(Affine((mean,), (std,)),))
    assert len(np.unique(expected.labels[holes])) > 1
    np.testing.assert_array_equal(result.labels[~holes], expected.labels[~holes])
    assert (result.labels[holes] == 0).all()
    certain = result.probabilities[:, holes]
    np.testing.assert_array_equal(
        certain, np.eye(max(classes, 1))[:, :1] * np.ones(holes.sum()) if classes > 1 else 0
    )
    assert result.report.left_out == holes.sum()
    assert result.report.exact
    whole = ex.segment_whole(pixels, net(classes), ignore=NAN)
    np.testing.assert_array_equal(whole.labels, result.labels)


@pytest.mark.parametrize(
    "steps", ["percentile 5 95", "min-max", "fixed 40 10", "none", "clip 30 50; z-score"]
)
def test_the_mean_is_put_in_whatever_the_normalisation(steps: str) -> None:
    """Steps are measured on what is there, and holes enter as the mean of what is there."""
    pixels = image()
    found = Making(measure(ArraySource(pixels), parse_steps(steps), NAN)).finished()
    there = pixels[~np.isnan(pixels)]
    known = Making(measure(ArraySource(there[None]), parse_steps(steps))).finished()
    assert isinstance(found.steps[0], Fill)
    assert found.steps[0].value[0] == pytest.approx(there.mean(dtype=np.float64))
    assert found.steps[0].pixels == np.isnan(pixels).sum()
    for ours, theirs in zip(found.steps[1:], known.steps, strict=True):
        assert repr(ours)[:12] == repr(theirs)[:12]
        np.testing.assert_allclose(
            found.apply(pixels[None])[0][~np.isnan(pixels)], known.apply(there[None])[0], rtol=1e-5
        )
    assert np.isfinite(found.apply(pixels[None])).all()


def test_after_a_z_score_missing_pixels_are_zero() -> None:
    """Per channel and jointly, the mean that was measured becomes 0; a pixel lacks where a channel does."""
    pixels = np.stack([image(), image(1) + 300])
    pixels[1, 50, 50] = np.nan
    for step in (ZScore(), ZScore(joint=True)):
        found = Making(measure(ArraySource(pixels, channel_axis=0), (step,), NAN)).finished()
        normalised = found.apply(pixels)
        assert (normalised[np.isnan(pixels)] == 0).all()
        assert found.steps[0].pixels == np.isnan(pixels).any(axis=0).sum()


def test_a_value_can_be_put_in_their_place() -> None:
    """As a step, the value counts like all others, and what lies there gets the network's label."""
    pixels = image()
    zeros = np.where(np.isnan(pixels), 0, pixels)
    result = ex.segment(pixels, net(), normalization="nan 0; z-score", tile=44)
    np.testing.assert_array_equal(result.labels, ex.segment(zeros, net(), tile=44).labels)
    assert result.report.left_out == 0
    with pytest.raises(ValueError, match="say what NaN becomes first"):
        ex.segment(pixels, net(), normalization="z-score; nan 0")
    pixels[3, 3] = np.inf
    with pytest.raises(ValueError, match="infinite pixels, first at y 3, x 3"):
        ex.segment(pixels, net(), normalization="nan 0; z-score")


def test_an_image_of_nothing_is_one_sentence() -> None:
    """Where no pixel is left, nothing is computed."""
    with pytest.raises(
        ValueError, match="all pixels of 'image' are NaN, which is ignored, so that nothing is left"
    ):
        ex.segment(np.full((30, 30), np.nan), net(), ignore=NAN)


def test_without_being_asked_nan_is_refused_with_both_ways_on() -> None:
    """The sentence names the first pixel and what can be done."""
    with pytest.raises(
        ValueError, match=r"first at y 5, x 7\. .* Leave them out \(ignore: nan\), or put a value"
    ):
        ex.segment(image(), net())
    with pytest.raises(ValueError, match="a number or nan, not inf"):
        ex.segment(image(), net(), ignore=np.inf)


def test_whole_numbers_lack_nothing() -> None:
    """For an image of integers, asking for it changes nothing."""
    pixels = np.random.default_rng(0).integers(0, 99, (50, 60))
    one, other = ex.segment(pixels, net(), ignore=NAN), ex.segment(pixels, net())
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.report.normalization == other.report.normalization


def test_elements_of_another_grid_go_by_the_pixel_they_begin_at() -> None:
    """Of scores at stride 2, those on a missing pixel are background."""
    coarse = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1)).eval()
    pixels = image()
    labels = ex.segment(pixels, coarse, ignore=NAN).labels
    assert (labels[np.isnan(pixels[::2, ::2])] == 0).all()
    assert len(np.unique(labels)) == 3


def test_values_are_nan_where_pixels_are() -> None:
    """A regression has no background: what is not known stays unknown."""
    values = ex.segment(image(), nn.Conv2d(1, 2, 3, padding=1).eval(), ignore=NAN, output_kind="values")
    np.testing.assert_array_equal(np.isnan(values.probabilities), np.isnan(image())[None].repeat(2, 0))


def test_a_store_continues_verifies_and_reports_it(tmp_path: Path) -> None:
    """What was left out is the same after a stop, in the check of windows, and in the report's words."""
    path, done = tmp_path / "a.ome.zarr", []
    settings: dict[str, Any] = {"ignore": NAN, "tile": 44, "output": path}
    ex.segment(image(), net(), on_event=done.append, cancel=lambda: len(done) > 12, **settings)
    assert json.loads((path / "exactile/run.json").read_text(), parse_constant=pytest.fail)
    result = ex.segment(image(), net(), **settings)
    np.testing.assert_array_equal(result.labels[:], ex.segment(image(), net(), ignore=NAN).labels)
    report = json.loads((path / "exactile/report.json").read_text(), parse_constant=pytest.fail)
    assert report["output"]["nan_pixels"] == np.isnan(image()).sum()
    assert report["spot_check"]["differing"] == 0
    assert ex.verify(path, image(), net()).agrees


def test_the_command_line_takes_it(tmp_path: Path) -> None:
    """`--ignore nan` is the script's, and the end says how many pixels there were."""
    tifffile.imwrite(tmp_path / "a.tif", image())
    assert_refused(call("segment", tmp_path / "a.tif", "--model", "colonies-demo"), "Leave them out")
    done = call("segment", tmp_path / "a.tif", "--model", "colonies-demo", "--ignore", "nan")
    assert summary(done)["NaN pixels"].startswith("358: not measured, read as the mean of their channel")


def test_planes_of_a_stack_count_together() -> None:
    """Each plane has its own mean; the report adds up what was left out."""
    stack = np.stack([image(), image(1)])
    result = ex.segment(stack, net(), axes="tyx", ignore=NAN, tile=44)
    assert result.report.left_out == np.isnan(stack).sum()
    for plane, labels in zip(stack, result.labels, strict=True):
        np.testing.assert_array_equal(labels, ex.segment(plane, net(), ignore=NAN, tile=44).labels)


def test_the_dock_finds_them_and_leaves_them_out(opened: Any, qtbot: QtBot) -> None:
    """Under the image stands that it has such pixels, and what to type; typed, the run goes through."""
    pixels = np.random.default_rng(0).normal(40, 10, (200, 150)).astype(np.float32)
    pixels[50:60, 60:80] = np.nan
    _viewer, dock = opened(pixels)
    assert "NaN pixels" in dock.fields.image_note.text()
    dock.fields.normalizing.ignore.value = "nan"
    qtbot.waitUntil(lambda: dock.plan is not None)
    assert "NaN pixels" not in dock.fields.image_note.text()
    labels = finish(qtbot, dock).data
    assert (labels[50:60, 60:80] == 0).all()
    assert len(np.unique(labels)) == 3


@pytest.mark.parametrize("dims", [2, 3])
def test_planes_normalised_together_count_each_pixel_once(dims: int) -> None:
    """What is measured of all planes at once is not counted again for each of them."""
    stack = np.random.default_rng(0).random((3, 60, 70)[-dims:], np.float32)
    stack[..., 5:9, 5:9] = np.nan
    axes = "tyx"[-dims:]
    report = ex.segment(stack, network(), axes=axes, tile=48, ignore=np.nan, together=dims == 3).report
    assert report.left_out == np.isnan(stack).sum()


def test_checks_leave_out_what_the_run_left_out(tmp_path: Path) -> None:
    """The probabilities that a check compares are background at missing pixels on both sides."""
    pixels = np.random.default_rng(0).random((90, 101), np.float32)
    pixels[3:60, 20:60] = np.nan
    ex.segment(pixels, network(), tile=48, ignore=np.nan, output=tmp_path / "a.zarr")
    check = ex.verify(tmp_path / "a.zarr", pixels, network(), seed=1).check
    assert check.agrees
    assert check.largest is not None
    assert check.largest < 1e-6


def test_the_preview_leaves_out_what_a_run_leaves_out() -> None:
    """Pixels that get no label of the network are no errors of its tiles, which would be many there."""
    pixels = np.random.default_rng(0).random((96, 96), np.float32)
    missing = np.zeros(pixels.shape, bool)
    missing[:, 20:76] = True
    known = ex.tiling_error(pixels, network(), tile=32, radius=0)
    assert known.differing[missing].any()
    pixels[missing] = np.nan
    error = ex.tiling_error(pixels, network(), tile=32, radius=0, ignore=np.nan)
    assert error.misclassified == np.count_nonzero(error.differing[~missing]) > 0
    assert not error.differing[missing].any()
    assert not error.error_map[missing].any()
