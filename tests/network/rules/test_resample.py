"""Resizing by other factors than powers of two, or with aligned corners, equals torch's whole call."""

from __future__ import annotations

from fractions import Fraction
from time import perf_counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from integer_nets import (
    Applied,
    Wrapped,
    assert_context_is_tight,
    assert_exact,
    integer_image,
    make_integer,
    tiled,
)
from napari_exactile.geometry.interval import Interval, slices
from napari_exactile.network.analysis import analyse_module, require_derived
from napari_exactile.network.cone.cone import Cone
from napari_exactile.network.traced.graph import NotExactError
from napari_exactile.run.plan.plan import plan_tiles
from proofs import many

MODES = {
    1: ["nearest", "nearest-exact", "linear"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic"],
    3: ["nearest", "nearest-exact", "trilinear"],
}
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class ThereAndBack(nn.Module):
    """Resized by a ratio and back, with convolutions before, between and after."""

    def __init__(self, axes: int, ratio: Fraction, mode: str, aligned: bool = False, **options: bool) -> None:
        super().__init__()
        kind = CONVOLUTIONS[axes]
        self.ratio, self.mode, self.options = ratio, mode, options
        self.aligned = None if "nearest" in mode else aligned
        self.layers = nn.ModuleList(Wrapped(kind(i, o, 3, padding=1)) for i, o in [(1, 2), (2, 2), (2, 2)])

    def resized(self, x: Tensor, size: list[int]) -> Tensor:
        return F.interpolate(x, size, mode=self.mode, align_corners=self.aligned, **self.options)

    def forward(self, x: Tensor) -> Tensor:
        first, middle, last = self.layers
        other = self.resized(
            first(x), [n * self.ratio.numerator // self.ratio.denominator for n in x.shape[2:]]
        )
        return last(F.interpolate(middle(other), x.shape[2:]))


@settings(max_examples=many(60), deadline=None)
@given(st.data())
def test_ratios_with_exact_weights_equal_whole_to_the_bit(data: st.DataObject) -> None:
    """Where the step between outputs is exact in binary, trimmed equals whole to the last bit."""
    axes = data.draw(st.sampled_from([1, 2, 3]), "axes")
    mode = data.draw(st.sampled_from(MODES[axes]), "mode")
    steps = ["1/2", "2/1", "4/1", "3/2", "3/4", "5/8", "7/4", "5/1"] + ["3/5", "5/3", "7/6"] * (
        "nearest" in mode
    )
    ratio = 1 / Fraction(data.draw(st.sampled_from(steps), "inputs per output"))
    # At other sizes than multiples of F, the step is the ratio of two lengths, and rarely exact.
    f = 1 if "nearest" in mode else ratio.denominator
    longest = {1: 90, 2: 40, 3: 11}[axes]
    shape = tuple(f * data.draw(st.integers(1, -(-longest // f)), "length") for _ in range(axes))
    zones = tuple(data.draw(st.integers(1, 4), "zone") for _ in range(axes))
    seed = data.draw(st.integers(0, 99), "seed")
    net = make_integer(ThereAndBack(axes, ratio, mode).double(), seed)
    analysis = assert_exact(net, shape, zones, seed)
    assert analysis.factor == (ratio.denominator,) * axes


@pytest.mark.parametrize(
    ("mode", "steps", "shape"), [("nearest", "7/6", (12, 39)), ("nearest-exact", "5/8", (36, 9))]
)
def test_places_are_rounded_as_in_so_many_axes(mode: str, steps: str, shape: tuple[int, int]) -> None:
    """torch takes other neighbours in resizings of planes than in those of lines of the same lengths."""
    assert_exact(make_integer(ThereAndBack(2, 1 / Fraction(steps), mode).double(), 0), shape, (1, 1), 0)


@settings(max_examples=many(40), deadline=None)
@given(st.data())
def test_any_ratio_equals_whole_but_for_rounding(data: st.DataObject) -> None:
    """By thirds or tenths, with aligned corners or antialiasing: the whole call to 1e-12 in float64."""
    axes = data.draw(st.sampled_from([1, 2, 3]), "axes")
    mode = data.draw(st.sampled_from([mode for mode in MODES[axes] if "nearest" not in mode]), "mode")
    ratio = Fraction(
        data.draw(st.sampled_from(["3", "3/2", "5/4", "1/3", "1/2", "2/3", "2", "7/10"]), "ratio")
    )
    aligned, antialias = (
        data.draw(st.booleans(), "aligned"),
        axes == 2 and data.draw(st.booleans(), "antialias"),
    )
    # Of a shorter axis, resized to a given size, it cannot be told which ratio is meant with aligned corners.
    least = 2 * ratio.denominator * ratio.numerator if aligned else 1
    shape = tuple(
        data.draw(st.integers(least, least + {1: 90, 2: 40, 3: 9}[axes]), "length") for _ in range(axes)
    )
    zones = tuple(data.draw(st.integers(1, 4), "zone") for _ in range(axes))
    net = ThereAndBack(axes, ratio, mode, aligned, antialias=antialias).double().eval()
    net.layers[2] = net.layers[1] = nn.Identity()  # a remainder would make a last bit a whole number
    analysis = analyse_module(net, 1, shape)
    if antialias and analysis.refusals:
        assert "single column" in analysis.refusals[0].reason
        assert ratio < 1
        assert shape[-1] * ratio < 2
        return
    assert analysis.refusals == ()
    image = integer_image(analysis.frame.taken, 0)
    with torch.no_grad():
        whole = net(image)
    zone = tuple(n * f for n, f in zip(zones, analysis.factor or (), strict=True))
    assert torch.allclose(tiled(net, image, analysis, zone), whole, rtol=1e-12, atol=1e-12)


@settings(max_examples=many(20), deadline=None)
@given(
    st.tuples(*[st.integers(2, 40)] * 2), st.tuples(*[st.integers(1, 9)] * 2), st.sampled_from(MODES[2][2:])
)
def test_corners_aligned_on_a_grid_twice_as_fine_equal_whole_to_the_bit(
    shape: tuple[int, int], zones: tuple[int, int], mode: str
) -> None:
    """From L to 2 L - 1 with aligned corners every second output lies on an input: all weights are exact."""

    def twice(x: Tensor, last: nn.Module) -> Tensor:
        size = [2 * n - 1 for n in x.shape[2:]]
        return last(F.interpolate(x, size, mode=mode, align_corners=True))

    net = make_integer(Applied(twice, nn.Conv2d(1, 2, 3, stride=2, padding=1)).double(), 0)
    assert_exact(net, shape, zones, 0)


@pytest.mark.parametrize("scale", [3.0, 1.5, 1.25, 0.5, 1.75, 2.0])
@pytest.mark.parametrize("recompute", [None, True])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_factors_are_what_they_are_however_they_are_asked_for(
    scale: float, recompute: bool | None, mode: str
) -> None:
    """A factor and a size are two ways to ask, which torch computes differently: each is followed."""

    def resized(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=scale, mode=mode, recompute_scale_factor=recompute)

    # A parameter tells in which type the network computes.
    net = Applied(lambda x, _: F.interpolate(resized(x), x.shape[2:]), nn.Linear(1, 1)).double().eval()
    analysis = analyse_module(net, 1, (37, 61))
    assert analysis.refusals == ()
    image = integer_image(analysis.frame.taken, 0)
    zone = tuple(-(-20 // f) * f for f in analysis.factor or ())
    assert torch.allclose(tiled(net, image, analysis, zone), net(image), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_float32_places_far_from_the_origin_are_those_of_the_whole_call(mode: str, aligned: bool) -> None:
    """Near column 25,000, where a part resized by itself differs by 5e-3, weights agree to two last bits."""
    net = Applied(lambda x: F.interpolate(x, scale_factor=3, mode=mode, align_corners=aligned)[..., ::3, ::3])
    shape = (2, 25_344)
    analysis = analyse_module(net.eval(), 1, shape)
    image = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    cone, zone = Cone(analysis.bound), (Interval(0, 2), Interval(25_000, 25_300))
    part = cone.run(image[(..., *slices(cone.reads(zone)))], zone)
    assert (part - net(image)[(..., *slices(zone))]).abs().max() <= 2 * torch.finfo(torch.float32).eps


def test_whole_tiles_are_refused_where_the_place_in_the_image_matters() -> None:
    """Aligned corners and rounded places tie a pixel's weights to its place; halving does not."""
    for net, reason in [
        (ThereAndBack(2, Fraction(2), "bilinear", aligned=True), "size of the image"),
        (ThereAndBack(2, Fraction(3), "bilinear"), "rounds the places"),
    ]:
        analysis = analyse_module(net.eval(), 1, (90, 90))
        assert reason in analysis.anchors[0].reason
        with pytest.raises(ValueError, match="whole-tile"):
            plan_tiles(analysis, 30, method="whole-tile")
    for mode in MODES[2]:
        assert analyse_module(ThereAndBack(2, Fraction(1, 2), mode).eval(), 1, (90, 90)).anchors == ()


def test_contexts_of_other_ratios_are_tight() -> None:
    """Halving, and enlarging by 4/3, reach as far as an impulse shows, before and after a zone."""
    for ratio in (Fraction(1, 2), Fraction(4, 3), Fraction(3, 2)):
        net = ThereAndBack(2, ratio, "bilinear")
        net.layers = nn.ModuleList([nn.Identity()] * 3)
        assert_context_is_tight(net)


def test_huge_images_are_analysed_quickly_and_small() -> None:
    """Tables are as long as an axis, not as the image."""
    net = ThereAndBack(2, Fraction(3, 2), "bilinear", aligned=True).float().eval()
    start = perf_counter()
    analysis = analyse_module(net, 1, (100_000, 50_000))
    assert analysis.frame.taken == (100_000, 50_000)
    assert perf_counter() - start < 5


def test_an_axis_beyond_what_float32_counts_is_refused() -> None:
    """Beyond 2**23 px, places are not even whole numbers any more."""
    net = ThereAndBack(1, Fraction(3, 2), "linear").eval()
    with pytest.raises(NotExactError, match="inexact places"):
        require_derived(analyse_module(net, 1, (10_000_000,)))
