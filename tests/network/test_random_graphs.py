"""Networks of any operators that have rules: tiled equals whole to the bit, for any shape and zones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import event, given, note, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from integer_nets import Applied, assert_tiled_equals_whole, integer_image
from napari_exactile.geometry.interval import slices
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.network.analysis import Analysis, analyse_module
from proofs import many
from random_nets import draw_network

# The longest image along one axis, by the number of axes.
LONGEST = {1: 60, 2: 26, 3: 11}


@settings(max_examples=many(60))
@given(st.data())
def test_any_network_tiled_equals_whole(data: st.DataObject) -> None:
    """Trimmed execution gives every zone of one pass to the bit, and so do whole tiles with the radius."""
    axes = data.draw(st.sampled_from([1, 2, 2, 3]), "axes")
    seed = data.draw(st.integers(0, 99), "seed")
    net, names = draw_network(data.draw, axes, seed)
    note(" > ".join(names))
    shape = tuple(data.draw(st.integers(1, LONGEST[axes]), "length") for _ in range(axes))
    analysis = analyse_module(net, 1, shape)
    assert not analysis.refusals
    assert analysis.factor is not None
    zone = tuple(f * data.draw(st.integers(1 + n // f // 4, 1 + n // f), "zone") for n, f in
                 zip(shape, analysis.factor, strict=True))  # fmt: skip
    for name in names:
        event(name)
    assert_tiled_equals_whole(net, analysis, zone, seed)
    if not analysis.anchors:
        assert_whole_tiles_equal_whole(net, analysis, zone, seed)


def assert_whole_tiles_equal_whole(
    net: nn.Module, analysis: Analysis, zone: tuple[int, ...], seed: int
) -> None:
    """Every tile, sent through the unchanged network by itself, gives its zone as one pass does."""
    assert analysis.factor is not None
    assert analysis.radius is not None
    image = integer_image(analysis.frame.taken, seed)
    with torch.no_grad():
        whole = net(image)
        for tile in Tiling(analysis.frame.taken, analysis.factor, zone, analysis.radius):
            alone: Tensor = net(image[(..., *slices(tile.box))])
            assert torch.equal(alone[(..., *slices(tile.zone, tile.box))], whole[(..., *slices(tile.zone))])


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_a_network_that_shifts_the_image_and_back_needs_a_radius(mode: str) -> None:
    """Inside the image no pixel depends on another, and yet tiles by themselves need what is shifted out."""

    def shifted(x: Tensor) -> Tensor:
        ahead = F.pad(x, (0, 5))[..., 5:]
        return F.pad(ahead, (5, 0), mode=mode)[..., : x.shape[-1]]

    net = Applied(shifted).double().eval()
    analysis = analyse_module(net, 1, (40,))
    assert analysis.context == ((0, 0),)
    assert analysis.radius is not None
    assert analysis.radius[0] >= 5
    assert_whole_tiles_equal_whole(net, analysis, (4,), 0)
