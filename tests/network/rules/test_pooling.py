"""Poolings of every form: what windows count at real edges comes out exact, from no more than is needed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from integer_nets import Applied, Wrapped, assert_context_is_tight, assert_exact, make_integer
from napari_exactile.network.analysis import analyse_module
from proofs import many


def back_up(y: Tensor, x: Tensor, step: int) -> Tensor:
    """Bring a pooled tensor back to the grid and size of the image, without rules for enlarging."""
    weight = torch.ones(y.shape[1], 1, step, step, dtype=y.dtype)
    larger = F.conv_transpose2d(y, weight, stride=step, groups=y.shape[1])
    # One window may start before the image or hang over its end.
    return F.pad(larger, (0, step, 0, step))[..., : x.shape[2], : x.shape[3]]


@settings(max_examples=many(60), deadline=None)
@given(st.data())
def test_any_average_pooling_equals_whole(data: st.DataObject) -> None:
    """Padding, ceil_mode, count_include_pad and a divisor of one's own: the sums and counts are the same."""
    step = data.draw(st.integers(1, 3), "step")
    kernel = data.draw(st.integers(step, 5), "kernel")
    padding = data.draw(st.integers(0, kernel // 2), "padding")
    ceil, included = data.draw(st.booleans(), "ceil"), data.draw(st.booleans(), "included")
    divisor = data.draw(st.sampled_from([None, 1, 4]), "divisor")

    def pool(x: Tensor, convolution: nn.Module) -> Tensor:
        enough = F.pad(convolution(x), (0, kernel, 0, kernel), value=2)
        pooled = F.avg_pool2d(enough, kernel, step, padding, ceil, included, divisor)
        return back_up(pooled, x, step)

    shape = tuple(data.draw(st.integers(1, 30), name) for name in "yx")
    zones = tuple(data.draw(st.integers(1, 9), f"zone {name}") for name in "yx")
    net = make_integer(Applied(pool, nn.Conv2d(1, 2, 3, padding=1)), 0)
    assert_exact(net, shape, zones, data.draw(st.integers(0, 99), "seed"))


@settings(max_examples=many(60), deadline=None)
@given(st.data())
def test_any_max_pooling_equals_whole(data: st.DataObject) -> None:
    """Padding never wins, dilated windows step over it, and windows hang over the end with ceil_mode."""
    step, dilation = data.draw(st.integers(1, 3), "step"), data.draw(st.integers(1, 2), "dilation")
    kernel = data.draw(st.integers(step, 4), "kernel")
    padding, ceil = data.draw(st.integers(0, kernel // 2), "padding"), data.draw(st.booleans(), "ceil")

    def pool(x: Tensor, convolution: nn.Module) -> Tensor:
        enough = F.pad(convolution(x), (kernel * dilation, 0, 0, kernel * dilation), value=-20)
        pooled = F.max_pool2d(enough, kernel, step, padding, dilation, ceil)
        return back_up(pooled, x, step)

    shape = tuple(data.draw(st.integers(1, 30), name) for name in "yx")
    zones = tuple(data.draw(st.integers(1, 9), f"zone {name}") for name in "yx")
    net = make_integer(Applied(pool, nn.Conv2d(1, 2, 3, padding=1)), 0)
    assert_exact(net, shape, zones, data.draw(st.integers(0, 99), "seed"))


@pytest.mark.parametrize(("length", "ceil"), list(product([16, 17, 18, 31], [False, True])))
def test_windows_that_hang_over_an_edge_that_no_padding_hides(length: int, ceil: bool) -> None:
    """The last window of an odd image itself is cut at its edge, with and without ceil_mode."""

    def pool(x: Tensor) -> Tensor:
        mean = F.avg_pool2d(x, 4, 1, 2, ceil, False)
        largest = F.max_pool2d(x, 4, 1, 2, 1, ceil)
        return torch.cat([mean, largest], 1)[..., :-1, :-1]

    assert_exact(Applied(pool), (length, 19), (5, 4), length)


def test_volumes_are_pooled_exactly() -> None:
    """The same rules hold for three axes, each with its own window."""

    def pool(x: Tensor) -> Tensor:
        mean = F.avg_pool3d(x, (3, 2, 1), 1, (1, 1, 0), True, False)
        return mean[..., : x.shape[2], : x.shape[3], : x.shape[4]]

    assert_exact(Applied(pool), (9, 6, 7), (2, 4, 3), 1)


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.avg_pool2d(x, 5, 1, 2, count_include_pad=False),
        lambda x: F.avg_pool2d(x, 3, 1, 1, divisor_override=2),
        lambda x: F.max_pool2d(F.pad(x, (4, 0, 4, 0)), 3, 1, dilation=2),
        lambda x: back_up(F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), x, 2),
        lambda x: back_up(F.max_pool2d(x, 3, 2, ceil_mode=True), x, 2),
    ],
)
def test_context_of_pooling_is_reached_and_not_exceeded(pool: Callable[[Tensor], Tensor]) -> None:
    """An impulse at the context's end changes the zone, and none farther away does."""
    assert_context_is_tight(Applied(pool))


class Shared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, (x.shape[2] // 2, x.shape[3] // 2))


def test_pooling_to_a_share_of_the_size_is_refused() -> None:
    """Its windows follow the size of the image: it is refused with place, reason and remedy."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1), Shared())
    refusal = analyse_module(net.eval(), 1, (24, 24)).refusals[0]
    assert "adaptive" in refusal.operator
    assert refusal.place == "1"
    assert "shares of the image" in refusal.reason
    assert "fixed window" in refusal.remedy


class Unpooled(nn.Module):
    """Two levels of pooling and unpooling, as in SegNet; what is unpooled is a convolution's result."""

    def __init__(self, axes: int, kernel: int) -> None:
        super().__init__()
        self.axes, self.kernel = axes, kernel
        kind = nn.Conv2d if axes == 2 else nn.Conv3d
        self.layers = nn.ModuleList(Wrapped(kind(i, 2, 3, padding=1)) for i in (1, 2, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        pool = F.max_pool2d if self.axes == 2 else F.max_pool3d
        unpool = F.max_unpool2d if self.axes == 2 else F.max_unpool3d
        a, first = pool(self.layers[0](x), self.kernel, return_indices=True)
        b, second = pool(self.layers[1](a), 2, return_indices=True)
        b = unpool(self.layers[2](b), second, 2)
        return self.layers[3](unpool(b, first, self.kernel))


@settings(max_examples=many(25), deadline=None)
@given(st.data())
def test_unpooling_equals_whole_to_the_bit(data: st.DataObject) -> None:
    """Values return to the first of equal maxima, counted over the whole plane or volume."""
    axes, kernel = data.draw(st.sampled_from([2, 3]), "axes"), data.draw(st.sampled_from([2, 3]), "kernel")
    shape = tuple(data.draw(st.integers(1, {2: 40, 3: 14}[axes]), "length") for _ in range(axes))
    zones = tuple(data.draw(st.integers(1, 4), "zone") for _ in range(axes))
    analysis = assert_exact(make_integer(Unpooled(axes, kernel).double(), 0), shape, zones, 0)
    assert (analysis.factor, analysis.anchors) == ((2 * kernel,) * axes, ())


def test_unpooling_to_other_places_than_those_of_the_pooling_is_refused() -> None:
    """Windows that overlap can find one place twice."""

    def overlapping(x: Tensor) -> Tensor:
        values, places = F.max_pool2d(x, 3, 1, 1, return_indices=True)
        return F.max_unpool2d(values, places, 1, 1)

    (refusal,) = analyse_module(Applied(overlapping).eval(), 1, (20, 20)).refusals
    assert "side by side" in refusal.reason
