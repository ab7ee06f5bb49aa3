"""Outputs on another grid than the image: exact in tiles, of the right size, and in the right place."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import napari_exactile as ex
from integer_nets import (
    Applied,
    assert_context_is_tight,
    assert_tiled_equals_whole,
    integer_image,
    make_integer,
)
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.analysis import Analysis, analyse_module
from proofs import many

pytestmark = pytest.mark.usefixtures("one_thread")


class ValidUNet(nn.Module):
    """A U-Net of one level without padding: the skip connection is cropped to its middle."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3))
        self.below = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.head = nn.Sequential(nn.Conv2d(8, 4, 3), nn.Conv2d(4, 2, 3))

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        up = self.up(self.below(skip))
        y, x_ = ((skip.shape[i] - up.shape[i]) // 2 for i in (2, 3))
        return self.head(torch.cat([skip[..., y : y + up.shape[2], x_ : x_ + up.shape[3]], up], 1))


def same(*channels: int) -> nn.Conv2d:
    return nn.Conv2d(*channels, 3, padding=1)


def pooled() -> nn.Module:
    return nn.Sequential(same(1, 4), nn.MaxPool2d(2), same(4, 4), nn.MaxPool2d(2), same(4, 2))


def shuffled() -> nn.Module:
    return nn.Sequential(same(1, 8), nn.PixelShuffle(2), same(2, 2))


def transposed(padding: int) -> nn.Module:
    return nn.Sequential(same(1, 4), nn.ConvTranspose2d(4, 2, 4, 2, padding))


def cropped() -> nn.Module:
    return Applied(lambda x, conv: conv(x)[..., 5:, 7:-2], nn.Conv2d(1, 2, 3))


# Each network with the shape of its output for an image of 39 x 46, its stride and its offset (y, x).
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Any, Any, Any]] = {
    "stride 4 by pooling": (pooled, (10, 12), (4, 4), (0, 0)),
    "stride 4 by steps": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 2, 3, 2, 1)), (10, 12), (4, 4), (0, 0),
    ),
    "stride 1 x 4": (lambda: nn.Conv2d(1, 2, 3, (1, 4), 1), (39, 12), (1, 4), (0, 0)),
    "twice as fine by shuffling": (shuffled, (78, 92), (0.5, 0.5), (0, 0)),
    "twice as fine by transposed convolution": (lambda: transposed(1), (78, 92), (0.5, 0.5), (0, 0)),
    "larger than the image": (lambda: transposed(0), (80, 94), (0.5, 0.5), (-0.5, -0.5)),
    "twice as fine, cropped": (
        lambda: Applied(lambda x, fine: fine(x)[..., 1:, :-3], nn.ConvTranspose2d(1, 2, 2, 2)),
        (77, 89), (0.5, 0.5), (0.5, 0),
    ),
    "without padding": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 5)), (33, 40), (1, 1), (3, 3),
    ),
    "U-Net without padding": (ValidUNet, (23, 30), (1, 1), (8, 8)),
    "without padding, in steps": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3, 2)), (18, 21), (2, 2), (1.5, 1.5),
    ),
    "cropped more on one side": (cropped, (32, 35), (1, 1), (6, 8)),
}  # fmt: skip


def network(name: str, seed: int = 1) -> nn.Module:
    return make_integer(NETWORKS[name][0](), seed).double().eval()


def analysed(net: nn.Module, shape: tuple[int, ...]) -> Analysis:
    analysis = analyse_module(net, 1, shape)
    assert analysis.refusals == ()
    return analysis


def picture(*shape: int) -> np.ndarray:
    return integer_image(shape, seed=3)[0, 0].numpy()


# --- exact -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=many(8))
@given(shape=st.tuples(st.integers(20, 45), st.integers(20, 45)), zones=st.tuples(*[st.integers(2, 40)] * 2))
def test_tiled_equals_whole_to_the_bit(name: str, shape: tuple[int, int], zones: tuple[int, int]) -> None:
    """Zones of any multiple of F give every element of the output, as one pass over the image does."""
    net = network(name)
    analysis = analysed(net, shape)
    assert analysis.factor is not None
    zone = tuple(n * f for n, f in zip(zones, analysis.factor, strict=True))
    assert_tiled_equals_whole(net, analysis, zone, seed=sum(shape))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
def test_a_run_gives_the_labels_of_one_pass(name: str, method: Any) -> None:
    """`segment` and `segment_whole` agree in every label, near-ties included, and in the output's shape."""
    net, image = network(name), picture(39, 46)
    whole = ex.segment_whole(image, net)
    tile = 2 * max(analysed(net, image.shape).radius or ()) + 12
    tiled = ex.segment(image, net, tile=tile, method=method, probabilities=True)
    assert tiled.report.tiles > 1
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    assert tiled.report.near_ties == whole.report.near_ties
    assert tiled.labels.shape == tiled.probabilities.shape[1:] == whole.labels.shape
    assert tiled.report.output_shape == whole.report.output_shape == whole.labels.shape
    assert tiled.report.shape == whole.report.shape == image.shape


@pytest.mark.parametrize("name", list(NETWORKS)[:6])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (2, 3)])
def test_thin_images(name: str, shape: tuple[int, int]) -> None:
    """Images of a single pixel or row are as exact as others."""
    net, image = network(name), picture(*shape)
    np.testing.assert_array_equal(ex.segment(image, net).labels, ex.segment_whole(image, net).labels)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("region", [(Interval(0, 20), Interval(26, 46)), (Interval(13, 18), Interval(9, 37))])
def test_a_region_is_its_part_of_the_output(name: str, region: Box) -> None:
    """A region of the image gets those labels of the whole that begin in it."""
    net, image = network(name), picture(39, 46)
    grid, whole = analysed(net, image.shape).grid, ex.segment_whole(image, net)
    part = ex.segment(image, net, tile=60, region=region).labels
    rows, columns = (
        [i for i in range(n) if side.start <= min(max(s * i + o, 0), m - 1) < side.stop]
        for side, n, m, s, o in zip(region, grid.shape, grid.image, grid.stride, grid.offset, strict=True)
    )
    np.testing.assert_array_equal(part, whole.labels[np.ix_(rows, columns)])


@pytest.mark.parametrize(
    "name", ["stride 4 by pooling", "twice as fine by shuffling", "without padding", "U-Net without padding"]
)
def test_the_context_is_tight(name: str) -> None:
    """An impulse at the end of the context around a zone changes its output, and none beyond does."""
    net = NETWORKS[name][0]()
    for tensor in net.state_dict().values():
        tensor.fill_(1)
    assert_context_is_tight(net)


# --- the grid --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_the_grid_of_the_output(name: str) -> None:
    """Shape, stride and offset of the output are known before anything is computed, and are in the report."""
    _make, shape, stride, offset = NETWORKS[name]
    grid = analysed(network(name), (39, 46)).grid
    assert (grid.shape, grid.stride, grid.offset) == (shape, stride, offset)
    assert not grid.is_of_image
    report = ex.segment_whole(picture(39, 46), network(name)).report
    assert (report.output_shape, report.stride, report.offset) == (shape, stride, offset)


@pytest.mark.parametrize("name", NETWORKS)
def test_elements_lie_on_what_they_show(name: str) -> None:
    """A network that adds up what it sees answers a bright square where the grid says that the square is."""
    net, image = NETWORKS[name][0]().double().eval(), torch.zeros(1, 1, 48, 56, dtype=torch.float64)
    for tensor in net.state_dict().values():
        tensor.fill_(1)
        if tensor.ndim == 1:
            tensor.zero_()
    image[..., 20:28, 24:36] = 1
    with torch.no_grad():
        answer = net(image)[0, 0].numpy()
    grid = analysed(net, (48, 56)).grid
    found = [(answer * place).sum() / answer.sum() for place in np.indices(answer.shape)]
    stride = [float(s) for s in grid.stride]
    # Steps may put an element up to half a stride beside the square's centre.
    np.testing.assert_allclose(grid.centre([float(n) for n in found]), (23.5, 29.5), atol=max(stride) / 2)
    if max(stride) <= 1:
        np.testing.assert_allclose(grid.centre([float(n) for n in found]), (23.5, 29.5), atol=1e-9)


def test_padding_to_multiples_adds_nothing_to_the_output() -> None:
    """Of an image of any length, a network without padding cuts off its margins and nothing else."""
    for length in range(33, 38):
        assert analysed(network("U-Net without padding"), (length, 40)).grid.shape == (length - 16, 24)


def test_what_the_image_is_too_small_for_is_refused() -> None:
    """An image within the margin of a network without padding is refused in plain words."""
    small = analyse_module(network("without padding"), 1, (4, 30)).refusals[0]
    assert "smaller than one of its windows" in small.reason
    fixed = analyse_module(Applied(lambda x: x[..., :16, :16]).eval(), 1, (40, 40)).refusals[0]
    assert "does not follow" in fixed.reason


def test_regions_and_radii_without_output_are_refused() -> None:
    """A region within the margin, and an undersized radius that would leave gaps, are refused in words."""
    net, image = network("U-Net without padding"), picture(39, 46)
    with pytest.raises(ValueError, match=r"only in 8\.\.31 x 8\.\.38 px"):
        ex.segment(image, net, region=(Interval(0, 8), Interval(0, 46)))
    with pytest.raises(ValueError, match="would leave gaps"):
        ex.segment(image, net, radius=2, tile=40, method="whole-tile")


def test_an_undersized_radius_on_a_coarse_grid() -> None:
    """Where nothing is lost at the edges, the usual tiling takes an undersized radius and says INEXACT."""
    result = ex.segment(
        picture(40, 48), network("stride 4 by pooling"), radius=4, tile=24, method="whole-tile"
    )
    assert not result.report.exact
    assert result.labels.shape == (10, 12)
    assert result.labels.max() < 2


def test_the_error_of_the_usual_tiling_is_not_measured() -> None:
    """Comparing tilings asks for the image's own grid, and says so."""
    net = network("stride 4 by pooling")
    with pytest.raises(ValueError, match="compares labels on the image's own grid"):
        ex.tiling_error(picture(40, 48), net, radius=0, tile=24)
    with pytest.raises(ValueError, match="where the output has the grid of the image"):
        ex.measure_context(net, (64, 64))


def test_stacks_of_another_grid() -> None:
    """Three axes have three strides and offsets, and a stack of odd size is exact."""
    net = nn.Sequential(nn.Conv3d(1, 4, (1, 3, 3)), nn.Conv3d(4, 2, 3, (1, 2, 4), (1, 1, 0))).eval()
    image = np.random.default_rng(0).normal(size=(5, 23, 38))
    tiled, whole = (ex.segment(image, net, axes="zyx", tile=28), ex.segment_whole(image, net, axes="zyx"))
    assert tiled.report.tiles > 1
    assert whole.report.stride == (1, 2, 4)
    assert whole.report.offset == (0, 1, 0.5)
    np.testing.assert_array_equal(tiled.labels, whole.labels)


def test_whole_image_statistics_of_a_network_without_padding() -> None:
    """Operators that look at the whole image are exact on grids of any kind, in several passes."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.InstanceNorm2d(4),
        nn.Conv2d(4, 4, 3, 2),
        nn.InstanceNorm2d(4),
        nn.Conv2d(4, 2, 3),
    )
    torch.manual_seed(0)
    net, image = net.double().eval(), picture(61, 70)
    tiled, whole = (ex.segment(image, net, tile=30, probabilities=True), ex.segment_whole(image, net))
    assert tiled.report.passes > 1
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-6)
    np.testing.assert_array_equal(tiled.labels, whole.labels)


@given(
    places=st.sets(st.integers(1, 47)),
    name=st.sampled_from(list(NETWORKS)),
)
@settings(max_examples=many(25))
def test_boxes_that_partition_the_image_partition_the_output(places: set[int], name: str) -> None:
    """However an image is cut, along any axis, every element of the output belongs to one piece."""
    analysis = analysed(network(name), (48, 48))
    cuts = [0, *sorted(places), 48]
    pieces = [Interval(a, b) for a, b in pairwise(cuts)]
    for axis in (0, 1):
        boxes = [[Interval(0, 48)] * 2 for _ in pieces]
        for box, piece in zip(boxes, pieces, strict=True):
            box[axis] = piece
        parts = [part for box in boxes if (part := analysis.part(tuple(box)))]
        elements = [i for part in parts for i in range(part[axis].start, part[axis].stop)]
        assert elements == list(range(analysis.grid.shape[axis]))
