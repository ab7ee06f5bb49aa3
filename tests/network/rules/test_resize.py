"""Slices and resizing by powers of two: tiled equals whole to the bit, and what has no rule is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from integer_nets import (
    Applied,
    assert_context_is_tight,
    assert_exact,
    assert_tiled_equals_whole,
    make_integer,
)
from napari_exactile.network.analysis import analyse_module
from napari_exactile.run.plan.plan import plan_tiles
from proofs import many
from resizing_nets import CONTEXTS, Chain, Resized

MODES = ["nearest", "nearest-exact", "bilinear", "bicubic"]


@settings(max_examples=many(30), deadline=None)
@given(st.data())
def test_trimmed_equals_whole_to_the_bit_on_resizing_unets(data: st.DataObject) -> None:
    """For any mode, factor of 2 to 8, depth, shape and zone size, trimmed equals whole to the last bit."""
    factor = data.draw(st.sampled_from([2, 4, 8]), "factor")
    mode, kernel = data.draw(st.sampled_from(MODES), "mode"), data.draw(st.sampled_from([1, 3]), "kernel")
    # Each cubic resizing adds 16 to 28 binary places, of which float64 has 53.
    deepest = {2: 3, 4: 2, 8: 1}[factor] - (mode == "bicubic" and factor < 8)
    levels = data.draw(st.integers(1, deepest), "levels")
    seed = data.draw(st.integers(0, 99), "seed")
    net = make_integer(Resized(mode, factor, levels, kernel=kernel).double().eval(), seed)
    shape = tuple(data.draw(st.integers(1, 70), name) for name in "yx")
    step = factor**levels
    zone = tuple(step * data.draw(st.integers(1 + n // step // 5, 64 // step + 1)) for n in shape)
    analysis = analyse_module(net, 1, shape)
    assert analysis.refusals == ()
    assert analysis.factor == (step, step)
    assert_tiled_equals_whole(net, analysis, zone, seed=seed)


@settings(max_examples=many(20), deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(4, 9), st.integers(4, 9), st.integers(0, 99))
def test_trimmed_equals_whole_with_slices_and_resizing_in_a_row(
    height: int, width: int, a: int, b: int, seed: int
) -> None:
    """Shifted origins, steps, ends counted from the far edge and sizes instead of factors come out exact."""
    net = make_integer(Chain().double().eval(), seed)
    analysis = analyse_module(net, 1, (height, width))
    assert analysis.refusals == ()
    assert analysis.factor == (2, 2)
    assert_tiled_equals_whole(net, analysis, (2 * a, 2 * b), seed=seed)


@settings(max_examples=many(15), deadline=None)
@given(
    st.sampled_from([3, 5, 6, 7]),
    st.sampled_from(["nearest", "nearest-exact"]),
    st.tuples(*[st.integers(1, 50)] * 2),
    st.tuples(*[st.integers(1, 4)] * 2),
    st.integers(0, 99),
)
def test_repetition_by_any_whole_factor_equals_whole(
    factor: int, mode: str, shape: tuple[int, int], zones: tuple[int, int], seed: int
) -> None:
    """Factors whose inverse float32 cannot hold repeat every pixel equally often all the same."""
    net = make_integer(Resized(mode, factor, 1).double().eval(), seed)
    assert assert_exact(net, shape, zones, seed).factor == (factor, factor)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("axes", [1, 3])
def test_signals_and_volumes_are_resized_exactly(mode: str, axes: int) -> None:
    """The same rules hold for one and three axes."""
    mode = "trilinear" if (mode, axes) == ("linear", 3) else mode
    conv = nn.Conv1d if axes == 1 else nn.Conv3d
    pool = nn.MaxPool3d(4) if axes == 3 else conv(1, 1, 4, stride=4)
    net = nn.Sequential(pool, nn.Upsample(scale_factor=4, mode=mode), conv(1, 2, 3, padding=1)).double()
    for tensor in net.state_dict().values():
        tensor.copy_(torch.randint(-2, 3, tensor.shape, generator=torch.Generator().manual_seed(axes)))
    analysis = analyse_module(net.eval(), 1, (11, 13, 9)[:axes])
    assert analysis.refusals == ()
    assert_tiled_equals_whole(net, analysis, (4,) * axes, seed=0)


@pytest.mark.parametrize(("mode", "factor", "levels", "context", "paper"), CONTEXTS)
def test_context_is_reached_and_not_exceeded(
    mode: str, factor: int, levels: int, context: int, paper: int
) -> None:
    """An impulse `context` pixels away changes the zone, and none farther away does, before and after it."""
    net = nothing_cancels(Resized(mode, factor, levels))
    analysis = analyse_module(net, 1, (128, 128))
    assert analysis.context == ((context, context),) * 2
    assert analysis.paper_radius == (paper, paper)
    step = factor**levels
    assert reached(net, step, context + 2 * step) == (context, context)


def reached(net: nn.Module, factor: int, most: int) -> tuple[int, int]:
    """Return how far before and after one F-aligned zone an impulse on zeros still changes the zone."""
    start = -(-most // factor) * factor
    zone, length = slice(start, start + factor), 2 * start + factor
    with torch.no_grad():
        impulses = torch.eye(length, dtype=torch.float64).reshape(length, 1, 1, length)
        image = impulses.expand(-1, -1, factor, -1)
        changed = (net(image) != net(torch.zeros_like(image[:1])))[..., zone].flatten(1).any(dim=1)
    places = changed.nonzero().flatten().tolist()
    return start - places[0], places[-1] + 1 - zone.stop


def nothing_cancels(net: nn.Module) -> nn.Module:
    """Give positive weights and no bias: an impulse on zeros is seen wherever it arrives."""
    for name, tensor in net.state_dict().items():
        tensor.fill_(0.0 if name.endswith("bias") else 1.0)
    return net.double().eval()


@pytest.mark.parametrize(("factor", "context"), [(2, 4), (4, 8)])
def test_context_of_cubic_resizing_is_reached_and_not_exceeded(factor: int, context: int) -> None:
    """With no activation that hides the negative outer weights, an impulse shows both outer inputs."""
    net = Applied(lambda x: F.interpolate(F.avg_pool2d(x, factor), scale_factor=factor, mode="bicubic"))
    assert analyse_module(net.eval(), 1, (32, 32)).context == ((context, context),) * 2
    assert_context_is_tight(net)


def shifted_by_a_share(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """A shift by a quarter of the image, from a crop and a padding that both follow its size."""
    length = x.shape[-1]
    return F.conv2d(x[..., length // 2 :], layer.weight, padding=(0, length // 4))


@pytest.mark.parametrize(
    ("function", "operator", "reason"),
    [
        (lambda x: F.interpolate(F.interpolate(x, (64, 64)), x.shape[2:]), "nearest2d", "no simple ratio"),
        (lambda x: x[..., 3:3], "slice", "leaves nothing"),
        (
            lambda x: F.interpolate(x, scale_factor=2)[..., : x.shape[2], : x.shape[3]],
            "output",
            "does not follow",
        ),
    ],
    ids=["fixed size", "empty", "finer"],
)
def test_what_has_no_rule_is_refused_with_its_reason(
    function: Callable[[Tensor], Tensor], operator: str, reason: str
) -> None:
    """Fixed sizes, and results that are not on the grid of the image, are refused in plain words."""
    analysis = analyse_module(Applied(function).eval(), 1, (48, 48))
    assert operator in analysis.refusals[0].operator
    assert reason in analysis.refusals[0].reason


def test_a_shift_by_a_share_of_the_image_is_exact_but_never_in_tiles_by_themselves() -> None:
    """Trimmed execution knows the whole image's size; a tile by itself would be shifted by a share of it."""
    net = Applied(shifted_by_a_share, nn.Conv2d(1, 1, 1).double())
    net.layers[0].weight.data.fill_(1)
    analysis = assert_exact(net, (40, 48), (2, 3), 0)
    (anchor,) = analysis.anchors
    assert "changes with the size of the image" in anchor.reason
    with pytest.raises(ValueError, match=r"whole-tile.*changes with the size"):
        plan_tiles(analysis, 32, method="whole-tile")


def test_eq_1_counts_parts_of_a_pixel_on_a_finer_grid() -> None:
    """Two 3 x 3 convolutions on a grid twice as fine as the image's add half a pixel each."""

    class Finer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(2)))

        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool2d(self.fine(F.interpolate(x, scale_factor=2)), 2)

    analysis = analyse_module(Finer().eval(), 1, (32, 32))
    assert (analysis.factor, analysis.paper_radius) == ((1, 1), (1, 1))
    assert analysis.context == ((1, 1), (1, 1))
