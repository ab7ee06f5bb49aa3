"""Tensors that a network makes by itself: cut with the image, in little memory, or refused by place."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from integer_nets import Applied, assert_exact, make_integer
from napari_exactile.network.analysis import analyse_module
from proofs import many


def meshgrid(x: Tensor) -> Tensor:
    """Coordinates as two channels, as CoordConv has them, but in whole numbers."""
    rows, columns = (torch.arange(n).to(x) for n in x.shape[2:])
    grids = torch.meshgrid(rows, columns, indexing="ij")
    return torch.cat([x, *(grid.expand(1, 1, *x.shape[2:]) for grid in grids)], 1)


def repeated(x: Tensor) -> Tensor:
    """Coordinates from repeated ramps, scaled and centred."""
    height, width = x.shape[2:]
    columns = torch.arange(width).repeat(1, height, 1).to(x) * 2 - 1
    rows = torch.arange(height)[:, None].repeat(1, 1, width).to(x) / 2
    return torch.cat([x, columns[None], rows[None] * 2 + 1], 1)


def linear(x: Tensor) -> Tensor:
    """A ramp with end points, as whole numbers, next to a channel of ones."""
    width = x.shape[3]
    ramp = torch.linspace(0, width - 1, width).round().to(x)
    ones = torch.ones(x.shape[0], 1, *x.shape[2:]).to(x)
    return torch.cat([x, ones * ramp, torch.full_like(x, 3)], 1)


def blank(x: Tensor) -> Tensor:
    """Zeros and other single values, from shapes, sizes and other tensors."""
    zeros, threes = torch.zeros(x.shape).to(x), x.new_full((1, 1, *x.shape[2:]), 3)
    return torch.cat([x + zeros + 2 * threes, threes + x.new_ones(x.shape), torch.zeros_like(x)], 1)


@settings(max_examples=many(25), deadline=None)
@given(
    st.sampled_from([meshgrid, repeated, linear, blank]),
    st.tuples(*[st.integers(1, 30)] * 2),
    st.tuples(*[st.integers(4, 12)] * 2),
)
def test_coordinates_and_single_values_are_exact(
    function: Callable[[Tensor], Tensor], shape: tuple[int, int], zones: tuple[int, int]
) -> None:
    """Ramps along either axis and tensors of a single value, as channels: trimmed equals whole to the bit."""
    net = Applied(lambda x, last: last(function(x)), nn.Conv2d(3, 2, 3, padding=1))
    assert_exact(make_integer(net.double(), 0), shape, zones, 0)


@pytest.mark.parametrize("function", [meshgrid, repeated, linear, blank])
def test_constants_of_a_huge_image_take_no_memory_of_its_size(function: Callable[[Tensor], Tensor]) -> None:
    """One channel of 100,000 x 50,000 px would be 20 GB: its distinct values are held."""
    net = Applied(lambda x, last: last(function(x)), nn.Conv2d(3, 2, 3, padding=1)).eval()
    analyse_module(net, 1, (64, 64))
    before = psutil.Process().memory_info().rss
    analysis = analyse_module(net, 1, (100_000, 50_000))
    assert analysis.refusals == ()
    assert psutil.Process().memory_info().rss - before < 50e6


def test_constants_of_a_huge_image_are_moved_as_their_distinct_values() -> None:
    """To change where, or as what, a constant is held takes no memory of the image's size either."""
    net = Applied(lambda x, last: last(blank(x)), nn.Conv2d(3, 2, 3, padding=1)).eval()
    graph = analyse_module(net, 1, (100_000, 50_000)).graph
    before = psutil.Process().memory_info().rss
    moved = graph.with_constants(Tensor.double)
    assert [node.shape for node in moved.nodes] == [node.shape for node in graph.nodes]
    assert psutil.Process().memory_info().rss - before < 50e6


def test_only_what_varies_ties_a_pixel_to_its_place() -> None:
    """Coordinates differ in every tile by itself; single values do not."""
    last = nn.Conv2d(3, 2, 1)
    anchored = {
        function.__name__: bool(
            analyse_module(Applied(lambda x, end, f=function: end(f(x)), last).eval(), 1, (40, 40)).anchors
        )
        for function in (meshgrid, repeated, linear, blank)
    }
    assert anchored == {"meshgrid": True, "repeated": True, "linear": True, "blank": False}


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: x + torch.arange(x.shape[2])[:, None] * torch.arange(x.shape[3]), "mul"),
        (lambda x: x + torch.eye(x.shape[2]), "eye"),
    ],
)
def test_a_constant_as_large_as_the_image_is_refused_with_its_remedy(
    function: Callable[[Tensor], Tensor], operator: str
) -> None:
    """What has another value at every pixel, and comes from no pixel, cannot be held for a large image."""
    refusal = analyse_module(Applied(function).eval(), 1, (24, 24)).refusals[0]
    assert operator in refusal.operator
    assert "constant as large as the image" in refusal.reason
    assert "one axis at a time" in refusal.remedy
