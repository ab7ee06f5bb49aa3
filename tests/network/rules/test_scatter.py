"""Assignments to parts of a tensor: nothing is dropped, whatever part of the image a zone meets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from integer_nets import Applied, assert_context_is_tight, assert_exact, make_integer
from napari_exactile.network.analysis import analyse_module
from proofs import many


def net_of(assign: Callable[[Tensor], Tensor], seed: int = 0) -> nn.Module:
    """Two convolutions, and between them an assignment to a copy of what the first one gives."""
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1)]
    return make_integer(
        Applied(lambda x, first, last: last(assign(first(x).clone())), *layers).double(), seed
    )


def frame(y: Tensor) -> Tensor:
    y[..., :1] = 0
    y[:, :, -2:] = 7
    return y


def inner(y: Tensor) -> Tensor:
    y[..., 1:-1, 2:-1] = y[..., 1:-1, 1:-2] * 2
    return y


def channels(y: Tensor) -> Tensor:
    y[:, 0] = y[:, 1]
    y[:, [1, 3]] = 5
    y[:, 2:3, ::2] += 1
    y[:, 1:3, 1::3, :] = y[:, :2, 1::3, :] + 0
    return y


def chosen(y: Tensor) -> Tensor:
    y[y > 6] = 1
    y[:, 3:].copy_(y[:, :1])
    y[:, 1].zero_()
    y[:, 2, :, 1:].fill_(3)
    return y


def canvas(y: Tensor) -> Tensor:
    z = torch.zeros(y.shape).to(y)
    z[:, :, 2:] = y[:, :, :-2]
    z[:, :, :2] = torch.ones(1, 4, 2, 1).to(y) * torch.arange(y.shape[-1]).to(y)
    return z


def canvas_of_two(y: Tensor) -> Tensor:
    z = y.new_zeros(y.shape[0], 4, *y.shape[2:])
    z[:, 0] = y[:, 1]
    z[:, 1:2, 1:, :] = y[:, 1:2, :-1]
    return z


ASSIGNMENTS = [frame, inner, channels, chosen, canvas, canvas_of_two]


@settings(max_examples=many(40), deadline=None)
@given(
    st.sampled_from(ASSIGNMENTS),
    st.tuples(*[st.integers(4, 30)] * 2),
    st.tuples(*[st.integers(4, 12)] * 2),
    st.integers(0, 9),
)
def test_assignments_to_parts_are_exact(
    assign: Callable[[Tensor], Tensor], shape: tuple[int, int], zones: tuple[int, int], seed: int
) -> None:
    """Rows, frames, steps, channels, masks and tensors that are filled: trimmed equals whole to the bit."""
    assert_exact(net_of(assign, seed), shape, zones, seed)


def woven(y: Tensor) -> Tensor:
    """A finer image from four channels, by hand, as inverse wavelets are written."""
    z = torch.zeros(1, 1, 2 * y.shape[2], 2 * y.shape[3]).to(y)
    for channel in range(4):
        z[:, :, channel // 2 :: 2, channel % 2 :: 2] = y[:, channel : channel + 1]
    return z


class Woven(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.last = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(woven(self.first(x)))


@settings(max_examples=many(20), deadline=None)
@given(st.tuples(*[st.integers(1, 30)] * 2), st.tuples(*[st.integers(2, 6)] * 2), st.integers(0, 9))
def test_an_image_woven_from_channels_is_exact(
    shape: tuple[int, int], zones: tuple[int, int], seed: int
) -> None:
    """Assignments to every second row and column lie on a grid of their own, and know no edge."""
    analysis = assert_exact(make_integer(Woven().double(), seed), shape, zones, seed)
    assert (analysis.factor, analysis.anchors) == ((2, 2), ())


def test_context_of_a_woven_image_is_tight() -> None:
    """An impulse at the context's end changes the zone, and none farther away does."""
    net = Woven()
    for name, tensor in net.state_dict().items():
        tensor.fill_(0.0 if name.endswith("bias") else 1.0)
    assert_context_is_tight(net)


def test_a_frame_is_anchored_at_the_edges_of_the_image() -> None:
    """Whole tiles by themselves would get a frame each."""
    reasons = {anchor.reason for anchor in analyse_module(net_of(frame).eval(), 1, (30, 30)).anchors}
    assert reasons == {"it assigns to places that are counted from the edge of the image"}


def row(y: Tensor) -> Tensor:
    y[:, :, 0] = 0
    return y


def single(y: Tensor) -> Tensor:
    y[:, :, [0, 2]] = 0
    return y


@pytest.mark.parametrize(
    ("assign", "operator", "reason"),
    [(row, "select", "picks single rows"), (single, "index_put", "single rows")],
)
def test_assignments_to_single_rows_are_refused(
    assign: Callable[[Tensor], Tensor], operator: str, reason: str
) -> None:
    """A row that loses its axis has no layout: a slice of one row keeps it."""
    refusal = analyse_module(net_of(assign).eval(), 1, (30, 30)).refusals[0]
    assert operator in refusal.operator
    assert reason in refusal.reason
