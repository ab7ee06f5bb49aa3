"""A run gives the labels of one pass over the whole image, whatever stops it, halves it or fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import napari_exactile as ex
from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.images.normalization import Normalization
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.run import events
from napari_exactile.run.api import make_job
from napari_exactile.run.events import TileError
from napari_exactile.run.executor import Executor
from napari_exactile.run.job import Job
from napari_exactile.run.metrics import difference
from napari_exactile.run.plan import plan_tiles
from napari_exactile.run.scores import Decision
from napari_exactile.run.settings import Settings
from napari_exactile.run.summary import summary_lines

# levels, convolutions, kernel; their radii are 6, 24 and 8.
SMALL = [(1, 1, 3), (2, 2, 3), (1, 1, 5)]


def network(levels: int = 1, convolutions: int = 1, kernel: int = 3, **more: Any) -> UNet:
    """A U-Net whose output varies from pixel to pixel; by default with a radius of 6 px, in float64."""
    parameters = {"base": 4, "softmax": False} | more
    net = UNet(levels=levels, convolutions=convolutions, kernel=kernel, **parameters)
    randomise(net, seed=35)  # one of those with which all networks here give both labels often
    return net.double().eval()


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(40, 10, shape)


def run(job: Job, is_cancelled: Callable[[], bool] = lambda: False) -> list[events.Event]:
    return list(job.run(is_cancelled))


def indices(happened: list[events.Event], kind: type) -> list[int]:
    """The numbers of the tiles of all events of one kind."""
    return [event.index for event in happened if isinstance(event, kind)]


def assert_lively(labels: np.ndarray) -> None:
    """An error at a seam would show: the second most frequent label covers at least a twentieth."""
    assert sorted(np.bincount(labels.ravel()))[-2] >= labels.size / 20


# --- equal to one pass -----------------------------------------------------------------------------------


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
    job = make_job(picture(77, 90), network(*net), None, Settings(tile=88, method=method))
    run(job)
    executor = job.executor()
    whole = executor.whole()
    assert len(job.plan) > 1
    for tile in job.plan:
        part = executor.scores(tile.zone, job.plan.radius, method, lambda: None)
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


# --- stopping and going on -------------------------------------------------------------------------------


def test_a_cancelled_run_goes_on_where_it_was() -> None:
    """Finished tiles are kept, the rest is marked unfinished, and no tile is computed twice."""
    model, image = network(), picture(60, 60)
    job = make_job(image, model, None, Settings(tile=32))
    first = run(job, lambda: len(job.done) == 1)
    zone = next(iter(job.plan)).zone
    assert first[-1] == events.Finished(cancelled=True)
    assert indices(first, events.TileFinished) == [0]
    assert not job.complete
    outside = np.ones((60, 60), bool)
    outside[slices(zone)] = False
    np.testing.assert_array_equal(job.labels == job.unfinished, outside)

    second = run(job)
    assert indices(second, events.TileStarted) == list(range(1, len(job.plan)))
    assert not any(isinstance(event, events.Measuring) for event in second)
    assert job.complete
    np.testing.assert_array_equal(job.labels, ex.segment(image, model, tile=32).labels)


@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
def test_a_run_stops_within_a_tile(method: Any) -> None:
    """Once asked to stop, it does so before the next operator: the tile at work stays unfinished."""
    job = make_job(picture(60, 60), network(), None, Settings(tile=32, method=method))
    asked = iter(range(1000))
    happened = run(job, lambda: next(asked) > 4)
    assert indices(happened, events.TileStarted) == [0]
    assert indices(happened, events.TileFinished) == []
    assert next(asked) < 10
    assert (job.labels == job.unfinished).all()


def test_a_run_that_is_cancelled_at_once_makes_nothing() -> None:
    """A run stopped while the image is measured has no labels, and `segment` says so."""
    job = make_job(picture(30, 30), network(), None, Settings())
    assert run(job, lambda: True) == [events.Finished(cancelled=True)]
    assert job.labels is None
    with pytest.raises(ValueError, match="cancelled before its first tile"):
        ex.segment(picture(30, 30), network(), cancel=lambda: True)


def test_events_tell_the_whole_story() -> None:
    """Measuring, ready, every tile's start and end in turn, finished; zones cover the image exactly once."""
    heard: list[events.Event] = []
    result = ex.segment(picture(60, 60), network(), tile=32, on_event=heard.append)
    assert heard[0] == events.Measuring(1.0)
    assert heard[1] == events.Ready(result.report.tiles, 0)
    assert heard[-1] == events.Finished(cancelled=False)
    kinds = [type(event) for event in heard[2:-1]]
    assert kinds == [events.TileStarted, events.TileFinished] * result.report.tiles
    covered = np.zeros((60, 60), int)
    for event in heard[3:-1:2]:
        covered[slices(event.zone)] += 1
    assert (covered == 1).all()


# --- memory and failures ---------------------------------------------------------------------------------


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
    expected = ex.segment(image, model)
    limit_pieces(monkeypatch, 20, error)
    heard: list[events.Event] = []
    result = ex.segment(image, model, on_event=heard.append)
    halved = [event.zone for event in heard if isinstance(event, events.TileHalved)]
    assert halved == [(30, 34), (14, 16)]
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert result.report.near_ties == expected.report.near_ties


def test_a_typed_tile_is_not_changed_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a typed tile does not fit, the run fails and names a smaller tile that would."""
    model, image = network(2, 2), picture(300, 300)
    limit_pieces(monkeypatch, 90, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TileError, match="not enough memory for a tile of 300 px; a tile of") as caught:
        ex.segment(image, model, tile=300)
    fits = int(re.search(r"a tile of (\d+) px would fit", str(caught.value))[1])
    analysis = ex.analyse(model, image.shape)
    failed, smaller = plan_tiles(analysis, 300), plan_tiles(analysis, fits)
    assert smaller.tile == (fits, fits)
    assert smaller.peak_bytes <= failed.peak_bytes / 2


def test_no_tile_is_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even one F fits, the run fails with that sentence instead of halving for ever."""
    limit_pieces(monkeypatch, 1, MemoryError())
    with pytest.raises(TileError, match="not enough memory for even the smallest tile"):
        ex.segment(picture(30, 30), network())


def test_a_failing_tile_is_named_and_the_rest_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which tile and where; finished tiles stay, and the same run can be continued."""
    model, image = network(), picture(60, 60)
    job, scores = make_job(image, model, None, Settings(tile=32)), Executor.scores

    def broken(self: Executor, zone: Box, *rest: Any) -> Tensor:
        if zone == list(job.plan)[4].zone:
            raise RuntimeError("boom")
        return scores(self, zone, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Executor, "scores", broken)
        with pytest.raises(TileError, match=r"^tile 5 \(pixels 20..40 x 20..40\) failed: boom$") as caught:
            run(job)
    assert (caught.value.index, job.done) == (4, {0, 1, 2, 3})
    assert indices(run(job), events.TileStarted) == [4, 5, 6, 7, 8]
    np.testing.assert_array_equal(job.labels, ex.segment_whole(image, model).labels)


# --- settings and plans ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tile": 0}, "a tile needs at least 1 px, not 0"),
        ({"radius": -1}, "a radius cannot be negative: -1"),
        ({"method": "cone"}, "method is one of trimmed, whole-tile, approximate, not 'cone'"),
        ({"normalization": "max"}, "normalization is one of model, z-score, min-max, percentile, none"),
        ({"device": "mps"}, "Apple's GPU (mps) is not offered: its arithmetic has not been shown to be"),
        ({"device": "tpu"}, "device is one of auto, cpu, cuda, not 'tpu'"),
        ({"memory_limit": 0}, "the memory limit must be positive, not 0"),
    ],
)  # fmt: skip
def test_settings_that_no_run_can_have(settings: dict[str, Any], message: str) -> None:
    """Each is refused at once, with the offending value."""
    with pytest.raises(ValueError, match=re.escape(message)):
        Settings(**settings)


def test_a_missing_gpu_is_said() -> None:
    """Asking for CUDA where there is none is refused before anything is read."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ValueError, match="there is no CUDA device that this PyTorch can use"):
        ex.segment(picture(8, 8), network(), device="cuda")


def test_a_plan_is_a_value() -> None:
    """A plan cannot be changed, iterates again and again, and knows its length; zones partition the image."""
    plan = ex.plan_tiles(ex.analyse(network(), (100, 70)), tile=32)
    with pytest.raises(FrozenInstanceError):
        plan.redundancy = 1.0  # type: ignore[misc]
    assert list(plan) == list(plan)
    assert len(plan) == len(list(plan)) == 5 * 4
    assert (plan.tile, plan.zor, plan.radius, plan.factor) == ((32, 32), (20, 20), (6, 6), (2, 2))
    covered = np.zeros((100, 70), int)
    for tile in plan:
        covered[slices(tile.zone)] += 1
    assert (covered == 1).all()


def test_a_tile_without_a_zone_is_refused() -> None:
    """A tile that its context eats up is refused, and the smallest that works is named and does."""
    analysis = ex.analyse(network(2, 2), (100, 70))
    message = (
        "tile of 51 px is too small: the context takes 24 px on every side, so the smallest tile is 52 px"
    )
    with pytest.raises(ValueError, match=message):
        ex.plan_tiles(analysis, tile=51)
    assert ex.plan_tiles(analysis, tile=52).zor == (4, 4)


def test_a_radius_is_rounded_up_to_f() -> None:
    """A larger radius is taken as it is, on multiples of F; the plan stays exact."""
    plan = ex.plan_tiles(ex.analyse(network(2, 2), (100, 70)), tile=90, radius=25)
    assert (plan.radius, plan.exact) == ((28, 28), True)


def test_an_automatic_tile_keeps_to_the_memory() -> None:
    """Less memory gives smaller zones, whose predicted memory is within the limit."""
    analysis = ex.analyse(network(2, 2), (700, 700))
    plans = [plan_tiles(analysis, memory=memory) for memory in (10**9, 4 * 10**6, 10**6)]
    assert all(a.zor > b.zor for a, b in pairwise(plans))
    assert plans[1].peak_bytes <= 4 * 10**6
    assert plans[2].peak_bytes <= 10**6
    assert all(plan.automatic for plan in plans)


class Dilated(nn.Module):
    """Convolutions only, with different kernels and dilations."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, (3, 5), padding=(2, 2), dilation=(2, 1))
        self.second = nn.Conv2d(3, 2, 3, padding=1, groups=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.second(self.first(image))


def multiply_accumulates(compute: Callable[[], Any]) -> int:
    """Count what convolutions really do, operator by operator, as they are called."""
    with FlopCounterMode(display=False) as counter:
        compute()
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("net", "method", "tolerance"),
    [(Dilated().eval(), "trimmed", 1e-12), (Dilated().eval(), "whole-tile", 1e-12),
     # Of a transposed convolution, odd zones need one more input than their share.
     (network(1, 1), "trimmed", 0.02), (network(1, 1), "whole-tile", 1e-12)],
)  # fmt: skip
def test_redundancy_is_what_is_computed(net: nn.Module, method: Any, tolerance: float) -> None:
    """The plan's extra computing equals a count of the multiply-accumulates while tiles and whole run."""
    job = make_job(picture(64, 52), net, None, Settings(tile=28, method=method))
    tiled, whole = multiply_accumulates(lambda: run(job)), multiply_accumulates(job.run_whole)
    assert job.plan.redundancy == pytest.approx(tiled / whole, rel=tolerance)
    assert job.plan.redundancy > 1.05


# --- scores ----------------------------------------------------------------------------------------------


def test_near_ties_of_two_classes() -> None:
    """Of probabilities, exactly the pixels whose two differ by less than 1e-5 are near-ties."""
    first = torch.tensor([[0.5, 0.5 + 4e-6, 0.5 - 4e-6, 0.5 + 6e-6, 0.5 - 6e-6, 1.0]], dtype=torch.float64)
    result = Decision("classes", 2, True).decide(torch.stack([first, 1 - first])[None])
    assert result.near_ties == 3
    assert result.labels.tolist() == [[0, 0, 1, 0, 1, 0]]


def test_near_ties_of_several_classes() -> None:
    """Only the two best count, wherever they stand; softmax comes before the comparison."""
    logits = torch.tensor([[0.0, 5.0, 5.0 + 1e-6], [3.0, 0.0, 0.0], [0.0, 0.0, 9.0], [2.0, 2.0, 2.0]]).T
    result = Decision("classes", 3, False).decide(logits.reshape(1, 3, 2, 2))
    assert result.near_ties == 2
    assert result.labels.flatten().tolist() == [2, 0, 2, 0]
    torch.testing.assert_close(result.probabilities.sum(0), torch.ones(2, 2))


def test_near_ties_of_one_channel() -> None:
    """One channel is tied where yes and no differ by less than 1e-5; a probability of one half says yes."""
    chance = torch.tensor([[0.5, 0.5 + 4e-6, 0.5 - 4e-6, 0.5 - 6e-6, 0.9]], dtype=torch.float64)
    for scores, probabilities in ((chance, True), (torch.logit(chance), False)):
        result = Decision("threshold", 1, probabilities).decide(scores[None, None])
        assert result.near_ties == 3
        assert result.labels.tolist() == [[1, 1, 0, 0, 1]]


def test_difference_counts_and_measures() -> None:
    """ME counts labels, RMSE and the largest difference measure probabilities (Eq. 4 and 5)."""
    a, b = np.array([[0.2, 0.8]]), np.array([[0.2, 0.4]])
    found = difference(np.array([0, 1]), a, np.array([0, 0]), b)
    assert found.misclassified == 1
    assert found.max_abs_difference == pytest.approx(0.4)
    assert found.rmse == pytest.approx(0.4 / 2**0.5)


# --- refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", ["model", "none"])
def test_an_image_with_nan_makes_nothing(normalization: Any) -> None:
    """A NaN is found before anything is made, whatever the normalisation."""
    image = picture(40, 40)
    image[33, 7] = np.nan
    job = make_job(image, network(), None, Settings(normalization=normalization))
    with pytest.raises(ValueError, match="'image' has NaN pixels, first at y 33, x 7"):
        run(job)
    assert job.labels is None


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 8, 8)), "not clear"),
        (np.zeros((8, 8), np.complex64), "pixels of type complex64"),
    ],
)
def test_images_that_do_not_fit(image: np.ndarray, message: str) -> None:
    """Images with other channels or without numbers are refused."""
    with pytest.raises(ValueError, match=message):
        ex.segment(image, network())


def test_the_wrong_number_of_channels() -> None:
    """An image with fewer channels than the model takes is refused, with both numbers."""
    with pytest.raises(ValueError, match="has 2 channels, but the model takes 3 channels"):
        ex.segment(np.zeros((2, 8, 8)), network(in_channels=3), axes="cyx")


def test_a_model_in_training_mode_is_refused() -> None:
    """In training mode, a pass depends on chance: the model is refused and the remedy named."""
    with pytest.raises(ex.NotExactError, match=r"training mode.*Call \.eval\(\) on it first"):
        ex.segment(picture(8, 8), network().train())


class Noisy(nn.Module):
    """Adds one random number to its output."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.convolution(image) + torch.rand(1)


def test_networks_that_draw_random_numbers_are_refused() -> None:
    """Dropout left on inside a model, or noise of its own: no two passes agree, so neither can tiles."""
    net = network()
    net.dropout.train()
    (refusal,) = ex.analyse(net, (64, 64)).refusals
    assert (refusal.place, refusal.reason) == ("dropout", "it draws random numbers")
    (refusal,) = ex.analyse(Noisy().eval(), (64, 64)).refusals
    assert refusal.reason == "it draws random numbers"


# --- the network stays as it is --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
def test_the_network_is_left_untouched(method: Any) -> None:
    """After a run, values, memory, layout, mode, gradients and hooks of the network are what they were."""
    net = network(2, 1, base=8)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    facts = tensor_facts(net)
    ex.segment(picture(50, 50), net, method=method)
    ex.segment_whole(picture(50, 50), net)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert tensor_facts(net) == facts
    assert not any(module.training for module in net.modules())
    for module in net.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks


def tensor_facts(net: nn.Module) -> list[tuple[Any, ...]]:
    """Everything about a network's tensors but their values."""
    tensors = [*net.named_parameters(), *net.named_buffers()]
    return [
        (name, t.data_ptr(), t.stride(), t.device, t.dtype, t.requires_grad, t.grad) for name, t in tensors
    ]


def test_arithmetic_settings_are_restored() -> None:
    """A run leaves torch's own settings for speed and precision as the user had them."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision
    cudnn.benchmark = True
    try:
        ex.segment(picture(16, 16), network())
        assert cudnn.benchmark
    finally:
        cudnn.benchmark = before[0]
    assert (cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision) == before
