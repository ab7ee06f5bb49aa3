"""The table that explains a network: what lies between each layer and the output, by us and by Eq. 1."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from torch import nn
from torch.nn import functional as F

from integer_nets import Applied
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, analyse_module
from napari_exactile.network.layers import HEADINGS, shortened


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyse_module(UNet(levels=2, base=2).eval(), 1, (64, 64))


def test_context_shrinks_to_nothing_at_the_output(analysis: Analysis) -> None:
    """Going on along the network, ever less lies before the output; the last layer has nothing after it."""
    layers = analysis.layers
    assert layers[0].context == ((21, 21), (21, 21))
    assert layers[-1].context == ((0, 0), (0, 0))
    assert layers[-1].paper_radius == (0, 0)


def test_eq_1_of_the_whole_is_that_of_the_first_layer_and_what_follows(analysis: Analysis) -> None:
    """Unrounded, Eq. 1 from the first convolution's output on is one pixel less than that of the network."""
    assert analysis.paper_radius == (20, 20)
    assert analysis.layers[0].paper_radius == (19, 19)
    assert all(layer.paper_radius[0] <= max(layer.context[0]) for layer in analysis.layers)


def test_eq_1_takes_the_longest_path() -> None:
    """Where paths meet, the sum is that of the longer one, for each layer from there to the output."""
    wide, narrow = nn.Conv2d(1, 1, 7, padding=3), nn.Conv2d(1, 1, 3, padding=1)
    net = Applied(lambda x, a, b: a(F.relu(x)) + b(x), wide, narrow).eval()
    rows = {
        layer.place or layer.operator: layer.paper_radius for layer in analyse_module(net, 1, (16, 16)).layers
    }
    assert rows == {"relu": (3, 3), "layers.0": (0, 0), "layers.1": (0, 0), "add": (0, 0)}


def test_eq_1_is_not_rounded() -> None:
    """On a grid finer than the image's, a convolution counts for a fraction of a pixel."""
    net = Applied(
        lambda x, up, fine: F.avg_pool2d(fine(up(x)), 2),
        nn.ConvTranspose2d(1, 1, 2, stride=2),
        nn.Conv2d(1, 1, 3, padding=1),
    )
    up, *_rest = analyse_module(net.eval(), 1, (16, 16)).layers
    assert up.paper_radius == (Fraction(1, 2),) * 2
    assert "0.5" in up.cells


def test_explain_has_a_line_for_every_layer(analysis: Analysis) -> None:
    """Headings, one line for each layer, an empty line, and what the network needs as a whole."""
    head, *lines = analysis.explain().splitlines()
    assert all(heading in head for heading in HEADINGS)
    assert lines[len(analysis.layers)] == ""
    assert [line.split()[0] for line in lines[-4:]] == ["size", "context", "radius", "paper's"]


@pytest.mark.parametrize("width", [50, 80, 120])
def test_explain_keeps_to_its_width(width: int) -> None:
    """Long places are shortened in the middle, and columns left out, until lines are short enough."""
    net: nn.Module = nn.Conv2d(1, 2, 3, padding=1)
    for _ in range(30):
        net = nn.Sequential(net)
    analysis = analyse_module(net.eval(), 1, (16, 16))
    assert max(map(len, analysis.explain(width).splitlines())) <= width
    assert "…" in analysis.explain(50)


@pytest.mark.parametrize("length", [3, 4, 9, 10, 40])
def test_shortened_paths_keep_both_ends(length: int) -> None:
    """A path gets no longer than asked, and both ends stay."""
    path = "encoder.stages.2.blocks.0.conv"
    short = shortened(path, length)
    assert len(short) == min(length, len(path))
    assert (short[0], short[-1]) == (path[0], path[-1])


def test_layers_cannot_be_changed(analysis: Analysis) -> None:
    """A layer is a value."""
    with pytest.raises(FrozenInstanceError):
        analysis.layers[0].place = "elsewhere"  # type: ignore[misc]
