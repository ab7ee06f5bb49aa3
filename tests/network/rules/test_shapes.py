"""Dimensions moved, regrouped, split and joined: the image's axes stay known, what cuts them is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

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
from napari_exactile.geometry.interval import Interval, full_box
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.probe import measure_context
from napari_exactile.network.rules.table import Region
from napari_exactile.network.traced.layout import Layout, regrouped
from proofs import many


def regroupings(draw: st.DrawFn, sizes: list[int]) -> list[int]:
    """Draw another list of sizes with the same product: neighbours joined, ones put in, sizes halved."""
    result: list[int] = []
    for size in sizes:
        if result and draw(st.booleans()):
            result[-1] *= size
        elif size % 2 == 0 and draw(st.booleans()):
            result += [2, size // 2]
        else:
            result += [1] * draw(st.integers(0, 1)) + [size]
    return result


@settings(max_examples=many(300), deadline=None)
@given(st.data())
def test_a_part_of_a_view_is_the_view_of_the_part(data: st.DataObject) -> None:
    """However a tensor is viewed: where a layout is known, cropping before the view is cropping after it."""
    lengths = tuple(data.draw(st.integers(1, 6), "length") for _ in range(2))
    shape = [1, data.draw(st.integers(1, 8), "channels"), *lengths]
    dims, order = ((), (), (0,), (1,)), data.draw(st.permutations(range(4)), "order")
    layout = Layout(dims, tuple(shape), lengths).permuted(order)
    whole = torch.arange(prod(shape)).reshape(shape).permute(order).contiguous()
    box = tuple(
        data.draw(st.tuples(st.integers(0, n - 1), st.integers(1, n)).filter(lambda s: s[0] < s[1]))
        for n in lengths
    )
    box = tuple(Interval(*side) for side in box)
    part = Region(whole, full_box(lengths), layout.dims).crop(box)
    for _ in range(2):
        views = data.draw(st.composite(regroupings)(list(layout.shape)), "view")
        after = regrouped(layout, views)
        if after is None:
            assert 1 in lengths or cuts_an_axis(layout, views)
            return
        layout, whole = after, whole.reshape(views)
        part = part.reshape(layout.sizes(box))
        assert torch.equal(part, Region(whole, full_box(lengths), layout.dims).crop(box))


def cuts_an_axis(layout: Layout, result: list[int]) -> bool:
    """Whether a view mixes an axis with others: seen by where a step along the axis leads in the result."""
    places = torch.arange(prod(layout.shape)).reshape(layout.shape)
    found = torch.stack(torch.unravel_index(places, tuple(result)), -1)
    for dim, axes in enumerate(layout.dims):
        if len(axes) == 1:
            moves = found.diff(dim=dim).reshape(-1, len(result))
            others = [found.diff(dim=d).reshape(-1, len(result)) for d, a in enumerate(layout.dims) if not a]
            along = (moves != 0).any(0)
            if along.sum() > 1 or any(((other != 0).any(0) & along).any() for other in others):
                return True
        elif axes:
            return True  # not told apart here
    return False


class ConvNext(nn.Module):
    """A block of ConvNeXt in integers: depthwise convolution, linear layers on channels last, shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 2, stride=2)
        self.depthwise = nn.Conv2d(4, 4, 7, padding=3, groups=4)
        self.wide, self.narrow = nn.Linear(4, 8), nn.Linear(8, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = torch.remainder(self.wide(y + y.amax(-1, keepdim=True)), 5)
        y = self.scale * torch.remainder(self.narrow(F.relu(y)), 5)
        return F.pixel_shuffle(x + y.permute(0, 3, 1, 2), 2)


class Tokens(nn.Module):
    """A feed-forward block of SegFormer in integers: pixels as tokens, a convolution in between."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 4, 7, stride=4, padding=3)
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 16, bias=False)
        self.mix = nn.Conv2d(6, 6, 3, padding=1, groups=6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        batch, channels, height, width = x.shape
        tokens = self.first(x.flatten(2).transpose(1, 2))
        tokens = torch.remainder(tokens, 7).transpose(1, 2).view(batch, -1, height, width)
        tokens = F.relu(self.mix(tokens)).flatten(2).transpose(1, 2)
        x = self.second(tokens).permute(0, 2, 1).reshape(batch, 4 * channels, height, width)
        return F.pixel_shuffle(x, 4)


class Shuffled(nn.Module):
    """Groups of channels shuffled by views and by torch's operator, split, chunked, unbound and stacked."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(F.pixel_unshuffle(x, 2))
        one, two = x.chunk(2, dim=1)
        a, b, c = x.split([1, 3, 2], dim=1)
        x = torch.cat([a * 2, two, one + b, c[:, [1, 0]]], dim=1)[:, 1:]
        x = x.view(len(x), 4, 2, *x.shape[2:]).transpose(1, 2).flatten(1, 2)
        x = torch.stack(F.channel_shuffle(x, 4).unbind(1)[::2], dim=1)
        return F.pixel_shuffle(x, 2).expand(-1, 3, -1, -1).repeat(1, 2, 1, 1).unsqueeze(1).squeeze(1)


@settings(max_examples=many(45), deadline=None)
@given(st.sampled_from([ConvNext, Tokens, Shuffled]), st.integers(5, 40), st.integers(5, 40), st.data())
def test_networks_that_move_dimensions_equal_whole(
    kind: type[nn.Module], height: int, width: int, data: st.DataObject
) -> None:
    """Channels last, pixels as tokens, shuffled channels and pixels: any shape and zone comes out exact."""
    seed = data.draw(st.integers(0, 99), "seed")
    zones = tuple(data.draw(st.integers(1, 5), "zone") for _ in range(2))
    assert_exact(make_integer(kind().double(), seed), (height, width), zones, seed)


@pytest.mark.parametrize("kind", [ConvNext, Tokens, Shuffled])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (9, 1), (2, 2)])
def test_thin_images_are_exact_or_refused(kind: type[nn.Module], shape: tuple[int, int]) -> None:
    """Along an axis of one pixel it can be unclear which dimension it is: then the network is refused."""
    net = make_integer(kind().double(), 1).eval()
    analysis = analyse_module(net, 1, shape)
    if analysis.refusals:
        assert 1 in (n // 4 or 1 for n in shape)
        return
    image = integer_image(analysis.frame.taken, 1)
    with torch.no_grad():
        assert torch.equal(tiled(net, image, analysis, analysis.factor or ()), net(image))


@pytest.mark.parametrize("shape", [(9, 1), (1, 9), (1, 1), (3, 1, 1), (5, 1, 4), (1,)])
def test_linear_layers_on_one_channel_of_thin_images_are_exact(shape: tuple[int, ...]) -> None:
    """One pixel looks like one channel, but a layer over channels sums over none of the pixels."""

    def over_channels(x: Tensor, layer: nn.Module) -> Tensor:
        return torch.remainder(layer(x.movedim(1, -1)), 13).movedim(-1, 1)

    net = make_integer(Applied(over_channels, nn.Linear(1, 2)).double(), 1).eval()
    analysis = analyse_module(net, 1, shape)
    assert analysis.refusals == ()
    assert analysis.context == ((0, 0),) * len(shape)
    assert_exact(net, shape, (1,) * len(shape), 1)


def test_products_over_pixels_are_refused() -> None:
    """A product along the rows of an image is none over channels: it is refused with its reason."""
    net = Applied(lambda x: (x @ torch.ones(x.shape[-1], 1)).expand(x.shape)).eval()
    (refusal,) = analyse_module(net, 1, (4, 9)).refusals[:1]
    assert refusal.reason == "it sums over the pixels of the image"


def test_layer_norm_over_channels_is_exact_in_float64() -> None:
    """A norm over the channels of each pixel agrees to 1e-10: its square root rounds."""
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), Applied(normalised, nn.LayerNorm(8))).double().eval()
    analysis = analyse_module(net, 1, (30, 41))
    assert analysis.context == ((1, 1), (1, 1))
    image = integer_image((30, 41), 0)
    with torch.no_grad():
        assert torch.allclose(tiled(net, image, analysis, (7, 9)), net(image), rtol=1e-10, atol=1e-10)


def normalised(x: Tensor, norm: nn.Module) -> Tensor:
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("kind", [ConvNext, Tokens])
def test_context_of_networks_that_move_dimensions_is_tight(kind: type[nn.Module]) -> None:
    """An impulse at the context's end changes the zone, and none farther away does."""
    net = kind()
    for name, tensor in net.state_dict().items():
        tensor.fill_(0.0 if name.endswith("bias") else 1.0)
    assert_context_is_tight(Applied(lambda x, inner: inner(x), net))


@pytest.mark.parametrize("kind", [ConvNext, Tokens, Shuffled])
def test_context_is_what_a_nan_probe_measures(kind: type[nn.Module]) -> None:
    """The unchanged network spreads a row of NaN exactly as far as the rules say, along both axes."""
    net = kind().eval()
    assert measure_context(net, 1, (96, 96)) == analyse_module(net, 1, (96, 96)).context


def attention(x: Tensor) -> Tensor:
    pixels = x.flatten(2)
    return (pixels @ pixels.transpose(1, 2) @ pixels).view(x.shape)


@pytest.mark.parametrize(
    ("function", "operator", "reason"),
    [
        (lambda x: x.view(1, -1, 2, x.shape[3])[:, :, 0, None], "view", "mixes an axis"),
        (lambda x: x.unfold(2, 2, 2), "unfold", "no rule"),
        (lambda x: x.transpose(2, 3), "output", "in another order"),
        (lambda x: F.avg_pool2d(x.permute(0, 2, 3, 1), 1), "avg_pool2d", "lies along others"),
        (lambda x: x + x.transpose(2, 3), "add", "mixes an axis"),
        (lambda x: x * x[:, :, 3, None], "select", "picks single rows"),
        (lambda x: x[:, :, [0, 1]], "index", "picks single rows"),
        (lambda x: x.repeat(1, 1, 2, 1)[:, :, :24], "repeat", "stretches"),
        (lambda x: x.flatten(2)[..., 1:].flatten(1), "slice", "across rows"),
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], "max_pool2d", "otherwise than to unpool"),
        (lambda x: torch.cat([x, torch.ones_like(x)], 2), "cat", "spatial axis"),
        (attention, "bmm", "attention between channels"),
        (lambda x: torch.ones(3, 24) @ x, "", ""),
        (lambda x: F.layer_norm(x, x.shape[3:]), "native_layer_norm", "statistics of the whole image"),
        (lambda x: x.flip(-1), "flip", "along a spatial axis"),
        (lambda x: x.max(-1, keepdim=True)[0], "max", "along a spatial axis"),
    ],
)
def test_what_cuts_an_axis_is_refused_with_its_reason(
    function: Callable[[Tensor], Tensor], operator: str, reason: str
) -> None:
    """A view that mixes pixels with channels, and whatever works along an axis, is refused in plain words."""
    refusal = analyse_module(Applied(function).eval(), 1, (24, 24)).refusals[0]
    assert operator in refusal.operator
    assert reason in refusal.reason


def test_a_plane_in_a_volume_is_not_taken_for_channels() -> None:
    """An operator for two axes on an image of three is refused: the third one is no dimension of channels."""
    for function in (lambda x: F.max_pool2d(x[:, 0], 3, 1, 1)[:, None], lambda x: F.pixel_shuffle(x, 1)):
        refusal = analyse_module(Applied(function).eval(), 1, (6, 6, 6)).refusals[0]
        assert "this image has 3" in refusal.reason


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.max(1, keepdim=True)[0],
        lambda x: x.min(1)[1][:, None],
        lambda x: x.topk(2, 1)[0] + x.sort(1)[1][:, :2],
        lambda x: x.gather(1, (x % 4).abs().long()[:, :3]),
        lambda x: torch.var_mean(x.round(), 1, correction=0, keepdim=True)[1] + x.norm(1, 1)[:, None],
        lambda x: F.one_hot(x.argmax(1), 4).permute(0, 3, 1, 2),
        lambda x: x.sum(1, keepdim=True) * x.amin((0, 1), keepdim=True) + x.mean(1)[:, None],
        lambda x: torch.where(x > x.flip(1), x, 0) + (x >= 3).logical_or(x == 1),
        lambda x: F.glu(x.masked_fill(x > 3, 0), 1) + torch.maximum(x, 2 - x)[:, :2],
        lambda x: torch.stack([x, x + 1], 2).unbind(1)[2],
        lambda x: torch.stack([x, x + 1], 2).flatten(1, 2),
        lambda x: (torch.tensor([[1.0, 2, 0, -1], [0, 3, 1, 1]]).to(x) @ x.flatten(2)).view(
            1, 2, *x.shape[2:]
        ),
        lambda x: torch.einsum("bchw,cd->bdhw", x, torch.ones(4, 3).to(x)),
        lambda x: x.squeeze(0).relu()[None].index_select(1, torch.tensor([2, 0])),
        lambda x: F.prelu(F.threshold(x, 2, -1), torch.tensor([1.0, 2, 3, 4]).to(x)) * torch.ones_like(x),
        lambda x: F.avg_pool3d(x[:, None], (2, 1, 1), 1)[:, 0],
    ],
)
def test_what_works_along_channels_is_exact(function: Callable[[Tensor], Tensor]) -> None:
    """Reductions, orders, choices, comparisons and several results along the channels of each pixel."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = Wrapped(nn.Conv2d(1, 4, 3, padding=1))

        def forward(self, x: Tensor) -> Tensor:
            return function(self.conv(x)).to(x)

    net = Net().double()
    for tensor in net.state_dict().values():
        tensor.copy_(torch.randint(-2, 3, tensor.shape, generator=torch.Generator().manual_seed(0)))
    analysis = analyse_module(net.eval(), 1, (13, 11))
    assert analysis.refusals == ()
    image = integer_image((13, 11), 0)
    with torch.no_grad():
        assert torch.equal(tiled(net, image, analysis, (5, 4)), net(image))


@pytest.mark.parametrize("pool", [nn.MaxPool1d(3, 1, 1, ceil_mode=True), nn.AvgPool1d(4, 1, 2, True, False)])
def test_signals_are_pooled_exactly(pool: nn.Module) -> None:
    """Pooling a signal is pooling an image of one row, which is no axis of the image."""
    assert_exact(Applied(lambda x, inner: inner(x)[..., : x.shape[2]], pool), (29,), (5,), 0)
