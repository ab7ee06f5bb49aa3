"""Settings become a plan, which says what a run will do; what cannot be run is refused before it begins."""

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
from napari_exactile.geometry.interval import Interval, slices
from napari_exactile.run.engine.reference import one_pass
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.plan import plan_tiles
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from small_runs import network, picture, run


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tile": 0}, "a tile needs at least 1 px, not 0"),
        ({"radius": -1}, "a radius is at least 0 px, not -1"),
        ({"method": "cone"}, "method is one of auto, trimmed, skewed, whole-tile, approximate, not 'cone'"),
        ({"normalization": "max"}, "normalization is one of model, z-score, min-max, percentile, none"),
        ({"device": "mps"}, "Apple's GPU (mps) is not offered: its arithmetic has not been shown to be"),
        ({"device": "tpu"}, "device is one of auto, cpu, cuda, not 'tpu'"),
        ({"memory_limit": 0}, "the memory limit is at least 1 byte, not 0"),
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
    job = Job(image_task(picture(64, 52), net, Settings(tile=28, method=method)))
    tiled, whole = multiply_accumulates(lambda: run(job)), multiply_accumulates(lambda: one_pass(job.task))
    assert job.task.plan.redundancy == pytest.approx(tiled / whole, rel=tolerance)
    assert job.task.plan.redundancy > 1.05


@pytest.mark.parametrize("normalization", ["model", "none"])
def test_an_image_with_nan_makes_nothing(normalization: Any) -> None:
    """A NaN is found before anything is made, whatever the normalisation."""
    image = picture(40, 40)
    image[33, 7] = np.nan
    job = Job(image_task(image, network(), Settings(normalization=normalization)))
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


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tile", "x", "a tile is a whole number of pixels or \"auto\", not 'x'"),
        ("tile", 32.5, 'a tile is a whole number of pixels or "auto", not 32.5'),
        ("tile", True, "a tile is a whole number of pixels"),
        ("radius", None, "a radius is a whole number of pixels"),
        ("factor", [4], "the factor is a whole number of pixels"),
        ("memory_limit", "4GB", "the memory limit is a number of bytes, such as 4e9, not '4GB'"),
        ("scratch_limit", float("inf"), "the scratch limit is a number of bytes"),
        ("threshold", "half", "a threshold is a number between 0 and 1, not 'half'"),
        ("ignore", "black", "the value to ignore is a number or nan, not 'black'"),
        ("region", "all", "a region is a pair of start and stop in pixels for each axis"),
        ("region", (0, 10), "a region is a pair of start and stop in pixels for each axis"),
        ("region", ((0, 10), slice(None)), "a region is a pair of start and stop"),
        ("region", ((0, 10), (0, 5, 2)), "a region is a pair of start and stop"),
        ("region", ((0, 10), "05"), "a region is a pair of start and stop"),
        ("region", (), "a region is a pair of start and stop"),
        ("region", ((9, 3), (0, 5)), "cannot stop"),
    ],
)
def test_settings_of_another_kind_are_one_sentence(field: str, value: Any, words: str) -> None:
    """What is no value of its kind is refused by name, with what is wanted, before anything is done."""
    with pytest.raises(ValueError, match=re.escape(words)):
        Settings(**{field: value})


def test_settings_take_what_means_the_same() -> None:
    """Numbers of numpy, whole floats, and boxes of pairs or slices are what they mean."""
    box = (Interval(0, 10), Interval(5, 20))
    for region in (box, ((0, 10), (5, 20)), [[0, np.int64(10)], [5, 20]], (slice(0, 10), slice(5, 20))):
        assert Settings(region=region) == Settings(region=box)
    assert Settings(tile=np.int64(64), memory_limit=4e9) == Settings(tile=64, memory_limit=4_000_000_000)
    assert Settings(threshold=np.float32(0.5)).threshold == 0.5


def test_settings_with_nan_are_equal() -> None:
    """NaN as the value to ignore is the same choice again, with every Python."""
    one, same = Settings(ignore=float("nan")), Settings(ignore=np.float64("nan"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Settings() != "settings"


def test_a_tensor_is_an_image() -> None:
    """A tensor in main memory is read where it lies; one of a type that numpy has not is refused by name."""
    image = np.arange(40 * 50, dtype=np.float32).reshape(40, 50)
    tensor = torch.from_numpy(image).requires_grad_()
    np.testing.assert_array_equal(ex.segment(tensor, network()).labels, ex.segment(image, network()).labels)
    with pytest.raises(
        ValueError, match=r"'image' is a tensor of bfloat16, which no array can hold: pass its float"
    ):
        ex.segment(tensor.bfloat16(), network())
