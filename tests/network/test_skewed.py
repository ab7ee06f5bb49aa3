"""Walks along one axis compute every element once: they equal one pass to the bit, however they are cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, note, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from integer_nets import integer_image, integer_unet, make_integer
from napari_exactile.geometry.interval import Box, Interval, full_box, slices
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.cost.walking import peak_walked
from napari_exactile.network.derived import Derived
from napari_exactile.network.skewed.course import FAST, Course, Thrift
from napari_exactile.network.skewed.walk import Walk
from peak_memory import peak_of
from proofs import many
from random_nets import draw_network

pytestmark = pytest.mark.usefixtures("one_thread")

LONGEST = {1: 60, 2: 26, 3: 11}
UNMADE = -999.5  # which no network of whole numbers gives


def derived(net: nn.Module, shape: tuple[int, ...]) -> Derived:
    found = analyse_module(net.eval(), 1, shape)
    assert isinstance(found, Derived)
    return found


def walked(walk: Walk, image: Tensor, bands: list[Interval], result: Tensor) -> Counter[int]:
    """Fill the result from bands; return how many rows were made of each layer's tensor."""
    made: Counter[int] = Counter()
    output = walk.course.bound.graph.output
    with torch.no_grad():
        for band in bands:
            for index, rows, _keep in walk.course.steps(band):
                made[index] += len(rows)
            parts = walk.run(band, lambda _index, box: image[(..., *slices(box))], lambda: None)
            for index, box, part in parts:
                assert index == output
                result[(..., *slices(box))] = part
    return made


def small(strip: int) -> Thrift:
    return replace(FAST, strip=strip)


def empty(analysis: Derived, dtype: torch.dtype = torch.float64) -> Tensor:
    graph = analysis.graph
    return torch.full((1, analysis.classes, *graph.spatial_shape(graph.output)), UNMADE, dtype=dtype)


def assert_same(one: Tensor, other: Tensor) -> None:
    """To the bit; a network may take the remainder of minus infinity, where it pools nothing but padding."""
    torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def cuts(draw: st.DataObject, length: int) -> list[Interval]:
    """Bands that partition a length, cut anywhere."""
    places = draw.draw(st.lists(st.integers(1, max(1, length - 1)), max_size=2, unique=True), "cuts")
    ends = sorted({0, length, *(place for place in places if place < length)})
    return [Interval(*pair) for pair in pairwise(ends)]


@settings(max_examples=many(60))
@given(st.data())
def test_any_network_walked_equals_whole(data: st.DataObject) -> None:
    """Along any axis, in bands cut anywhere, in pieces of any size, a walk gives one pass to the bit."""
    axes = data.draw(st.sampled_from([1, 2, 2, 3]), "axes")
    seed = data.draw(st.integers(0, 99), "seed")
    net, names = draw_network(data.draw, axes, seed)
    note(" > ".join(names))
    shape = tuple(data.draw(st.integers(1, LONGEST[axes]), "length") for _ in range(axes))
    analysis = derived(net, shape)
    taken, axis = analysis.frame.taken, data.draw(st.integers(0, axes - 1), "axis")
    slack = data.draw(st.sampled_from([0.0, 0.3, 1.0]), "slack")
    thrift = Thrift(data.draw(st.integers(1, 4000), "bytes"), data.draw(st.integers(1, 9), "rows"), slack)
    course = Course(analysis.bound, axis, full_box(taken), thrift=thrift)
    image, result = integer_image(taken, seed), empty(analysis)
    walked(Walk(course, torch.device("cpu")), image, cuts(data, taken[axis]), result)
    with torch.no_grad():
        assert_same(result, net(image).double())


@settings(max_examples=many(30))
@given(st.data())
def test_a_region_is_walked_with_context_across(data: st.DataObject) -> None:
    """A column of the image, or any region, equals its part of one pass to the bit."""
    axes, seed = data.draw(st.sampled_from([2, 2, 3]), "axes"), data.draw(st.integers(0, 99), "seed")
    net, names = draw_network(data.draw, axes, seed)
    note(" > ".join(names))
    shape = tuple(data.draw(st.integers(2, LONGEST[axes]), "length") for _ in range(axes))
    analysis = derived(net, shape)
    taken, axis = analysis.frame.taken, data.draw(st.integers(0, axes - 1), "axis")
    region = drawn_region(data, taken)
    part = tuple(analysis.bound.part(analysis.graph.output, a, side) for a, side in enumerate(region))
    image, result = integer_image(taken, seed), empty(analysis)
    walked(Walk(Course(analysis.bound, axis, region), torch.device("cpu")), image, [region[axis]], result)
    with torch.no_grad():
        whole = net(image).double()
    inside: Box | None = None if None in part else tuple(side for side in part if side)
    outside = torch.ones_like(result, dtype=torch.bool)
    if inside is not None:
        outside[(..., *slices(inside))] = False
    assert_same(result[~outside], whole[~outside])
    assert (result[outside] == UNMADE).all(), "nothing else is made"


def drawn_region(data: st.DataObject, shape: tuple[int, ...]) -> Box:
    starts = [data.draw(st.integers(0, n - 1), "start") for n in shape]
    pairs = zip(starts, shape, strict=True)
    return tuple(Interval(a, data.draw(st.integers(a + 1, n), "stop")) for a, n in pairs)


@pytest.mark.parametrize("axis", [0, 1])
def test_every_element_is_computed_once(axis: int) -> None:
    """In one band, each layer makes each of its rows exactly once, whatever the pieces."""
    analysis = derived(integer_unet(0, base=2, levels=3), (128, 96))
    course = Course(analysis.bound, axis, full_box((128, 96)), thrift=small(3000))
    image, result = integer_image((128, 96), 0), empty(analysis)
    made = walked(Walk(course, torch.device("cpu")), image, [Interval(0, (128, 96)[axis])], result)
    assert made == {index: course.length(index) for index in course.layers}


def test_bands_compute_no_more_than_their_context_again() -> None:
    """What a band makes of each tensor is what its rows depend on, to the row."""
    analysis = derived(integer_unet(0, base=2, levels=3), (256, 64))
    course, band = Course(analysis.bound, 0, full_box((256, 64)), thrift=small(3000)), Interval(96, 160)
    made: Counter[int] = Counter()
    for index, rows, _keep in course.steps(band):
        made[index] += len(rows)
    demand = course.demands.of(0, band)
    assert made == {index: len(demand[index] or ()) for index in course.layers}


def test_memory_does_not_grow_along_the_walk() -> None:
    """Slabs of an image that is four times as long are as large, but for a row here and there."""
    sizes = []
    for length in (512, 2048):
        analysis = derived(integer_unet(0, base=2, levels=3), (length, 64))
        course = Course(analysis.bound, 0, full_box((length, 64)), thrift=small(6000))
        rooms = course.rooms(Interval(0, length))
        sizes.append(sum(room.highest * course.row_bytes[index] for index, room in rooms.items()))
    assert sizes[1] <= 1.03 * sizes[0]


def test_slabs_are_as_large_as_was_predicted() -> None:
    """No slab grows while a band is walked: what `rooms` says is what is needed."""
    analysis = derived(make_integer(FCDenseNet.named(56).double().eval(), 0), (128, 64))
    course = Course(analysis.bound, 0, full_box((128, 64)), thrift=small(20000))
    walk, image, result = Walk(course, torch.device("cpu")), integer_image((128, 64), 0), empty(analysis)
    before: dict[int, int] = {}
    parts = walk.run(Interval(0, 128), lambda _index, box: image[(..., *slices(box))], lambda: None)
    with torch.no_grad():
        for _index, box, part in parts:
            before = before or {index: len(slab.memory) for index, slab in walk._slabs.items()}
            result[(..., *slices(box))] = part
    assert {index: len(slab.memory) for index, slab in walk._slabs.items()} == before
    assert not (result == UNMADE).any()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(96, 80), (61, 83)])
def test_in_single_precision_only_last_bits_differ(axis: int, shape: tuple[int, ...]) -> None:
    """The faster calls for convolutions, pooling and normalisation give what one pass gives."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.LeakyReLU(0.1),
        nn.Conv2d(8, 12, (5, 3), (2, 1), (1, 2)), nn.SiLU(),
        nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=3), nn.BatchNorm2d(12), nn.ReLU(),
        nn.ConvTranspose2d(12, 6, (4, 2), (4, 2)), nn.Sigmoid(), nn.Conv2d(6, 3, 1), nn.Softmax(1),
    ).eval()  # fmt: skip
    for norm in (one for one in net if isinstance(one, nn.BatchNorm2d)):
        norm.running_mean = torch.randn(norm.num_features)
        norm.running_var = torch.rand(norm.num_features) + 0.5
    analysis = derived(net, shape)
    image = torch.randn(1, 1, *analysis.frame.taken)
    course = Course(analysis.bound, axis, full_box(analysis.frame.taken), thrift=small(4000))
    result = empty(analysis, torch.float32)
    walked(Walk(course, torch.device("cpu")), image, [Interval(0, analysis.frame.taken[axis])], result)
    with torch.no_grad():
        torch.testing.assert_close(result, net(image), rtol=0, atol=2e-6)


def test_a_walk_is_stopped_between_steps() -> None:
    """What `check` raises ends a walk, and it can be walked again from the band's beginning."""
    analysis = derived(integer_unet(0, base=2, levels=2), (64, 48))
    walk = Walk(Course(analysis.bound, 0, full_box((64, 48)), thrift=small(3000)), torch.device("cpu"))
    image, result, calls = integer_image((64, 48), 0), empty(analysis), 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), torch.no_grad():
        for _ in walk.run(Interval(0, 64), lambda _index, box: image[(..., *slices(box))], check):
            pass
    walked(walk, image, [Interval(0, 64)], result)
    assert not (result == UNMADE).any()


@pytest.mark.parametrize(("base", "shape"), [(16, (640, 512)), (8, (192, 1536)), (32, (256, 256))])
def test_memory_is_as_predicted(base: int, shape: tuple[int, int]) -> None:
    """What a walk takes beside weights, image and result is what the plan says, within 15 %."""
    net = UNet(base=base, levels=3, softmax=False).eval()
    analysis, axis = derived(net, shape), int(shape[1] > shape[0])
    image, region = torch.rand(1, 1, *shape), full_box(shape)

    def walk() -> None:
        with torch.no_grad():
            of = Walk(Course(analysis.bound, axis, region), torch.device("cpu"))
            for _part in of.run(region[axis], lambda _index, box: image[(..., *slices(box))], lambda: None):
                pass

    assert 0.87 <= peak_walked(analysis.bound, axis, region) / peak_of(walk) <= 1.15
