"""Padding and cropping: tiled equals whole to the bit, for copies that reach deeper than a zone too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from integer_nets import Applied, assert_context_is_tight, assert_exact, make_integer
from napari_exactile.geometry.interval import Interval
from napari_exactile.geometry.window import Mirror, Repeated
from napari_exactile.network.analysis import analyse_module
from proofs import many

MODES = ["constant", "reflect", "replicate"]


def convolved(pads: tuple[int, ...], mode: str, kernel: tuple[int, int], value: float = 0.0) -> nn.Module:
    """Pad as asked, convolve without padding, and pad or crop with a constant back to the image's size."""

    def forward(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
        y = F.pad(first(x), pads, mode, **({"value": value} if mode == "constant" else {}))
        y = second(y)
        missing = [x.shape[3] - y.shape[3], x.shape[2] - y.shape[2]]
        ends = [n for m in missing for n in (m // 2, m - m // 2)]
        return F.pad(y, ends, value=5)

    return make_integer(Applied(forward, nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, kernel)), 3)


@settings(max_examples=many(80), deadline=None)
@given(st.data())
def test_any_padding_equals_whole(data: st.DataObject) -> None:
    """Any mode, any count on each side, constants other than zero, odd and even kernels, thin zones."""
    mode = data.draw(st.sampled_from(MODES), "mode")
    low = -2 if mode == "constant" else 0
    pads = tuple(data.draw(st.integers(low, 9), "pad") for _ in range(4))
    kernel = (data.draw(st.integers(1, 4), "kernel y"), data.draw(st.integers(1, 4), "kernel x"))
    # A reflection needs an image larger than itself; a crop must leave enough for the kernel.
    least = {"constant": 8, "reflect": max(4, *pads) + 1, "replicate": 4}[mode]
    shape = tuple(data.draw(st.integers(least, 30), name) for name in "yx")
    zones = tuple(data.draw(st.integers(1, 12), f"zone {name}") for name in "yx")
    assert_exact(convolved(pads, mode, kernel, value=7), shape, zones, data.draw(st.integers(0, 99), "seed"))


@settings(max_examples=many(30), deadline=None)
@given(st.integers(1, 25), st.integers(1, 25), st.integers(1, 6), st.integers(0, 99))
def test_padding_modes_of_layers_equal_whole_on_a_pooled_grid(
    height: int, width: int, zone: int, seed: int
) -> None:
    """`padding_mode` of a convolution, on the image and on a coarser grid, with "same" for even kernels."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, padding_mode="replicate"),
        nn.MaxPool2d(2),
        nn.ZeroPad2d((3, 0, 1, 2)),
        nn.Conv2d(2, 2, 4),
        nn.Conv2d(2, 2, 3, padding="same", dilation=2),
        nn.ReplicationPad2d((2, 1, 0, 3)),
        nn.Conv2d(2, 2, (4, 4)),
        nn.ConvTranspose2d(2, 2, 2, stride=2),
    )
    assert_exact(make_integer(net, seed), (height, width), (zone, zone + 1), seed)


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_signals_and_volumes_are_padded_exactly(mode: str, axes: int) -> None:
    """The same rules hold for one and three axes."""
    pads = (2, 1, 0, 3, 1, 1)[: 2 * axes]

    def forward(x: Tensor) -> Tensor:
        return F.pad(x, pads, mode)[(..., *(slice(n) for n in x.shape[2:]))]

    assert_exact(Applied(forward), (8, 7, 6)[:axes], (2, 3, 4)[:axes], 0)


def test_channels_are_padded_and_cropped_exactly() -> None:
    """Constants around the channels are the same at every pixel."""
    assert_exact(Applied(lambda x: F.pad(x, (1, -1, 0, 0, 2, 1), value=3)), (7, 8), (3, 2), 0)
    assert_exact(
        Applied(lambda x: F.pad(torch.cat([x, x + 1, x], 1), (0, 0, 0, 0, -1, 1))), (7, 8), (3, 2), 0
    )


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 9), st.data())
def test_the_box_of_a_copy_is_the_hull_of_what_it_copies(
    before: int, after: int, length: int, data: st.DataObject
) -> None:
    """For every interval of the padded axis, torch's own padding tells which elements are copied."""
    before, after = min(before, length - 1), min(after, length - 1)
    start = data.draw(st.integers(0, before + length + after - 1), "start")
    stop = data.draw(st.integers(start + 1, before + length + after), "stop")
    places = torch.arange(length, dtype=torch.float64)[None, None]
    for mode, reach in (("reflect", Mirror(before)), ("replicate", Repeated(before))):
        copied = F.pad(places, (before, after), mode)[0, 0, start:stop].tolist()
        hull = Interval(int(min(copied)), int(max(copied)) + 1)
        assert reach.inside(Interval(start, stop), length) == hull


@pytest.mark.parametrize(
    "net",
    [
        lambda x, c: c(F.pad(x, (3, 0, 3, 0)))[..., : x.shape[2], : x.shape[3]],
        lambda x, c: c(F.pad(x, (1, 2, 1, 2), "reflect")),
        lambda x, c: c(F.pad(x, (0, 3, 0, 3), "replicate")),
        lambda x, c: F.pad(c(F.pad(x, (5, 0, 5, 0))), (-1, -1, -1, -1)),
    ],
)
def test_context_with_padding_is_reached_and_not_exceeded(net: Callable[..., Tensor]) -> None:
    """Padding shifts the grid: an impulse at the context's end changes the zone, none farther away does."""
    convolution = nn.Conv2d(1, 1, 4, bias=False)
    nn.init.ones_(convolution.weight)
    assert_context_is_tight(Applied(net, convolution))


@pytest.mark.parametrize(
    ("net", "operator", "reason"),
    [
        (lambda x: torch.roll(x, 2, -1), "roll", "the far edge becomes a neighbour"),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"), "copy_", "in place"),
        (lambda x: F.pad(x, (1, -1, 0, 0), mode="reflect"), "reflection_pad2d", "negative padding"),
    ],
    ids=["roll", "circular", "negative"],
)
def test_what_is_not_padding_is_refused_with_its_reason(
    net: Callable[[Tensor], Tensor], operator: str, reason: str
) -> None:
    """What makes the far edge a neighbour, or crops by a reflection, is refused in plain words."""
    refusal = analyse_module(Applied(net).eval(), 1, (24, 24)).refusals[0]
    assert (refusal.operator, reason in refusal.reason) == (operator, True)
