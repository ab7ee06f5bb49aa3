"""A run gives the labels of one pass over the whole image, whatever stops it, halves it or fails."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from at_the_door import meet
from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.geometry.tiling import Tile
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.run.check.metrics import difference
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import TileError
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.methods import METHODS
from napari_exactile.run.plan.plan import plan_tiles
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from napari_exactile.run.words.summary import summary_lines
from small_runs import SMALL, assert_lively, indices, network, picture, run

# --- equal to one pass --------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", SMALL)
@pytest.mark.parametrize(
    ("shape", "tile"), [((3, 5), 56), ((1, 90), 56), ((37, 41), 60), ((64, 96), 80), ((61, 75), "auto")]
)
def test_tiles_give_the_labels_of_one_pass(net: tuple[int, ...], shape: tuple[int, ...], tile: Any) -> None:
    """ME is 0 for images smaller than the padding, odd ones, one tile and many."""
    model, image = network(*net), picture(*shape)
    tiled, whole = ex.segment(image, model, tile=tile), ex.segment_whole(image, model)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    assert tiled.report.exact
    assert whole.report.method == "one pass"
    assert tiled.report.near_ties == whole.report.near_ties
    assert tiled.labels.shape == shape
    if min(shape) > 30:
        assert_lively(whole.labels)


@pytest.mark.parametrize("net", SMALL)
@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
def test_scores_agree_in_float64(net: tuple[int, ...], method: Any) -> None:
    """In float64, the scores of every zone agree with those of one pass to 1e-10."""
    job = Job(image_task(picture(77, 90), network(*net), Settings(tile=88, method=method)))
    run(job)
    executor = job.engine.executor()
    whole = executor.whole()
    assert len(job.task.plan) > 1
    for tile in job.task.plan:
        part = executor.scores(tile.zone, job.task.plan.radius, METHODS[method], lambda: None)
        reference = whole[(..., *slices(tile.zone))]
        torch.testing.assert_close(part, reference, rtol=1e-10, atol=1e-10)


def test_labels_in_float32_differ_at_most_in_near_ties() -> None:
    """In single precision, a label differs from one pass only where two classes are tied to the last bits."""
    model, image = network(2, 2, base=8).float(), picture(150, 170)
    tiled = ex.segment(image, model, tile=112, probabilities=True)
    whole = ex.segment_whole(image, model)
    gap = np.abs(np.diff(whole.probabilities, axis=0))[0]
    assert_lively(whole.labels)
    assert not (tiled.labels != whole.labels)[gap >= 1e-5].any()
    found = difference(tiled.labels, tiled.probabilities, whole.labels, whole.probabilities)
    assert found.max_abs_difference < 1e-5
    assert found.rmse < 1e-6


@pytest.mark.parametrize("region", [(Interval(0, 1), Interval(0, 1)), (Interval(7, 48), Interval(31, 60))])
def test_a_region_is_that_part_of_the_whole(region: Box) -> None:
    """A region, also off the multiples of F, gets the labels that the whole image has there."""
    model, image = network(2, 2), picture(64, 60)
    whole = ex.segment_whole(image, model)
    part = ex.segment(image, model, tile=64, region=region)
    np.testing.assert_array_equal(part.labels, whole.labels[slices(region)])
    assert part.report.shape == part.labels.shape


@pytest.mark.parametrize(("axes", "shape"), [("cyx", (3, 50, 61)), ("yxc", (50, 61, 3)), (None, (50, 61, 4))])
def test_colour_images(axes: str | None, shape: tuple[int, ...]) -> None:
    """A model for RGB gives the same labels in tiles as in one pass, wherever the colours stand."""
    model, image = network(in_channels=3), picture(*shape)
    whole = ex.segment_whole(image, model, axes=axes)
    assert_lively(whole.labels)
    np.testing.assert_array_equal(ex.segment(image, model, axes=axes, tile=32).labels, whole.labels)


def test_a_network_with_one_output_says_yes_or_no() -> None:
    """One output channel goes through a sigmoid: labels 0 and 1, tiled as whole, and one probability."""
    model, image = network(classes=1), picture(50, 61)
    tiled = ex.segment(image, model, tile=32, probabilities=True)
    whole = ex.segment_whole(image, model)
    assert_lively(whole.labels)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    assert tiled.probabilities.shape == (1, 50, 61)
    np.testing.assert_array_equal(tiled.probabilities[0] >= 0.5, tiled.labels == 1)


def test_labels_take_the_smallest_type() -> None:
    """Labels are uint8 as long as the number of classes, which marks unfinished pixels, fits into it."""
    model = nn.Conv2d(1, 255, 1).eval()
    assert ex.segment(picture(8, 8), model).labels.dtype == np.uint8
    assert ex.segment(picture(8, 8), nn.Conv2d(1, 256, 1).eval()).labels.dtype == np.uint16


@pytest.mark.parametrize("net", SMALL)
def test_whole_tiles_with_the_required_radius_are_exact(net: tuple[int, ...]) -> None:
    """The papers' tiling gives the labels of one pass when its radius is what the network needs."""
    model, image = network(*net), picture(85, 70)
    tiled = ex.segment(image, model, tile=64, method="whole-tile")
    assert tiled.report.exact
    np.testing.assert_array_equal(tiled.labels, ex.segment_whole(image, model).labels)


def test_an_undersized_radius_is_never_silent() -> None:
    """It is refused where it cannot be used; with whole tiles, labels differ and the report says inexact."""
    model, image = network(2, 2), picture(96, 96)
    with pytest.raises(
        ValueError, match=r'radius of 4 px is too small: this model needs 24 px\. .*"whole-tile"'
    ):
        ex.segment(image, model, tile=56, radius=4)
    tiled = ex.segment(image, model, tile=32, radius=4, method="whole-tile")
    assert not tiled.report.exact
    assert (tiled.labels != ex.segment_whole(image, model).labels).any()
    assert (
        "INEXACT: the radius is 4 px, but this model needs 24 px"
        in dict(summary_lines(tiled.report, ""))["result"]
    )


def test_normalization_is_the_whole_images() -> None:
    """Tiles are normalised with the statistics of the whole image, also where only a region is computed."""
    image = picture(64, 60)
    part = ex.segment(image, network(), region=(Interval(0, 8), Interval(0, 8)))
    assert part.report.normalization.steps[0].mean[0] == pytest.approx(image.mean(), rel=1e-12)
    raw = ex.segment(image, network(), normalization="none")
    assert raw.report.normalization == Normalization()


def test_the_report_says_what_was_done() -> None:
    """The report holds the plan's numbers; the summary says them in words."""
    report = ex.segment(picture(85, 70), network(2, 2), tile=80).report
    assert (report.factor, report.context, report.radius) == ((4, 4), ((22, 22), (22, 22)), (24, 24))
    assert (report.zone, report.tiles, report.tiles_done) == ((32, 32), 9, 9)
    lines = dict(summary_lines(report, "cells.tif"))
    assert lines["image"] == "cells.tif, 85 x 70 px"
    assert lines["context (radius)"] == "22 px needed, radius 24 px"
    assert lines["zone (ZoR)"] == "32 px"
    assert lines["tiles"] == "9"
    assert lines["extra computing"] == f"+{round((report.redundancy - 1) * 100)} %"
    assert lines["result"].startswith("exact")


# --- stopping and going on ----------------------------------------------------------------------------------


def test_a_cancelled_run_goes_on_where_it_was() -> None:
    """Finished tiles are kept, the rest is marked unfinished, and no tile is computed twice."""
    model, image = network(), picture(60, 60)
    job = Job(image_task(image, model, Settings(tile=32)))
    first = run(job, lambda: len(job.done) == 1)
    zone = next(iter(job.task.plan)).zone
    assert first[-1] == events.Finished(cancelled=True)
    assert indices(first, events.TileFinished) == [0]
    assert not job.complete
    outside = np.ones((60, 60), bool)
    outside[slices(zone)] = False
    np.testing.assert_array_equal(job.labels == job.task.unfinished, outside)

    second = run(job)
    assert indices(second, events.TileStarted) == list(range(1, len(job.task.plan)))
    assert not any(isinstance(event, events.Measuring) for event in second)
    assert job.complete
    np.testing.assert_array_equal(job.labels, ex.segment(image, model, tile=32).labels)


@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
def test_a_run_stops_within_a_tile(method: Any) -> None:
    """Once asked to stop, it does so before the next operator: the tile at work stays unfinished."""
    job = Job(image_task(picture(60, 60), network(), Settings(tile=32, method=method)))
    asked = iter(range(1000))
    happened = run(job, lambda: next(asked) > 4)
    assert indices(happened, events.TileStarted) == [0]
    assert indices(happened, events.TileFinished) == []
    assert next(asked) < 10
    assert (job.labels == job.task.unfinished).all()


def test_a_run_that_is_cancelled_at_once_makes_nothing() -> None:
    """A run stopped while the image is measured has no labels, and `segment` says so."""
    job = Job(image_task(picture(30, 30), network(), Settings()))
    assert run(job, lambda: True) == [events.Finished(cancelled=True)]
    assert job.labels is None
    with pytest.raises(ValueError, match="cancelled before its first tile"):
        ex.segment(picture(30, 30), network(), cancel=lambda: True)


def test_events_tell_the_whole_story() -> None:
    """Measuring, ready, every tile's start and end in turn, finished; zones cover the image exactly once."""
    heard: list[events.Event] = []
    result = ex.segment(picture(60, 60), network(), tile=32, method="trimmed", on_event=heard.append)
    assert heard[0] == events.Measuring(1.0)
    assert heard[1] == events.Ready(result.report.tiles, 0)
    assert heard[-1] == events.Finished(cancelled=False)
    kinds = [type(event) for event in heard[2:-1]]
    assert kinds == [events.TileStarted, events.TileFinished] * result.report.tiles
    covered = np.zeros((60, 60), int)
    for event in heard[3:-1:2]:
        covered[slices(event.zone)] += 1
    assert (covered == 1).all()


# --- memory and failures ------------------------------------------------------------------------------------


def limit_pieces(monkeypatch: pytest.MonkeyPatch, longest: int, error: Exception) -> None:
    """Let the executor fail on every zone with a side longer than `longest`."""
    scores = Executor.scores

    def limited(self: Executor, zone: Box, *rest: Any) -> Tensor:
        if max(len(side) for side in zone) > longest:
            raise error
        return scores(self, zone, *rest)

    monkeypatch.setattr(Executor, "scores", limited)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_an_automatic_tile_is_halved_until_it_fits(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Where the memory is not enough, pieces are halved, which is told, and labels stay the same."""
    model, image = network(), picture(60, 70)
    expected = ex.segment(image, model, method="trimmed")
    limit_pieces(monkeypatch, 20, error)
    heard: list[events.Event] = []
    result = ex.segment(image, model, method="trimmed", on_event=heard.append)
    halved = [event.zone for event in heard if isinstance(event, events.TileHalved)]
    assert halved == [(30, 34), (14, 16)]
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert result.report.near_ties == expected.report.near_ties


def test_a_typed_tile_is_not_changed_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a typed tile does not fit, the run fails and names a smaller tile that would."""
    model, image = network(2, 2), picture(300, 300)
    limit_pieces(monkeypatch, 90, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TileError, match="not enough memory for a tile of 300 px; a tile of") as caught:
        ex.segment(image, model, tile=300, method="trimmed")
    fits = int(re.search(r"a tile of (\d+) px would fit", str(caught.value))[1])
    analysis = ex.analyse(model, image.shape)
    failed, smaller = (plan_tiles(analysis, side, method="trimmed") for side in (300, fits))
    assert smaller.tile == (fits, fits)
    assert smaller.peak_bytes <= failed.peak_bytes / 2


def test_no_tile_is_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even one F fits, the run fails with that sentence instead of halving for ever."""
    limit_pieces(monkeypatch, 1, MemoryError())
    with pytest.raises(TileError, match="not enough memory for even the smallest tile"):
        ex.segment(picture(30, 30), network(), method="trimmed")


def test_a_failing_tile_is_named_and_the_rest_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which tile and where; finished tiles stay, and the same run can be continued."""
    model, image = network(), picture(60, 60)
    broken = {4: RuntimeError("boom")}

    def fail_once(tile: Tile, _check: object) -> None:
        if error := broken.pop(tile.index, None):
            raise error

    meet(monkeypatch, before=fail_once)
    job = Job(image_task(image, model, Settings(tile=32, method="trimmed")))
    with pytest.raises(TileError, match=r"^tile 5 \(pixels 20..40 x 20..40\) failed: boom$") as caught:
        run(job)
    assert (caught.value.index, job.done) == (4, {0, 1, 2, 3})
    assert indices(run(job), events.TileStarted) == [4, 5, 6, 7, 8]
    np.testing.assert_array_equal(job.labels, ex.segment_whole(image, model).labels)
