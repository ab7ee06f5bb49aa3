"""Plans of any size are made at once, and say the same as if every zone had been looked at on its own."""

from __future__ import annotations

import tracemalloc
from math import inf, prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from integer_nets import Applied
from napari_exactile.geometry.interval import Interval
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, analyse_module
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cone.cone import Cone
from napari_exactile.network.cost.arithmetic import work_trimmed
from napari_exactile.run.plan.automatic import cheapest
from proofs import many


def strided(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    """Down by two, padded by reflection, up by three-wide transposed windows; one row is cut off."""
    return second(first(F.pad(x, (2, 2, 2, 2), mode="reflect")))[..., 1:-2, 1:-2]


def resized(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    """Down by four and up by two and two, once by interpolation and once by repetition."""
    small = F.avg_pool2d(first(x), 4)
    return second(F.interpolate(F.interpolate(small, scale_factor=2, mode="bilinear"), scale_factor=2))


def net(name: str) -> nn.Module:
    """A small network by its name."""
    conv = nn.Conv2d
    nets = {
        "unet": lambda: UNet(levels=2, convolutions=1, base=2),
        "wide kernels": lambda: UNet(levels=1, convolutions=2, kernel=5, base=2),
        "dilated": lambda: nn.Sequential(
            conv(1, 2, 3, padding=2, dilation=2), conv(2, 2, (1, 5), padding=(0, 2))
        ),
        "strided": lambda: Applied(strided, conv(1, 2, 4, 2), nn.ConvTranspose2d(2, 2, 3, 2)),
        "resized": lambda: Applied(resized, conv(1, 2, 3, padding=1), conv(2, 2, 3, padding=1)),
    }
    return nets[name]().eval()


NETS = ("unet", "wide kernels", "dilated", "strided", "resized")
analyses: dict[tuple[str, tuple[int, ...]], Analysis] = {}


def analysed(name: str, shape: tuple[int, ...]) -> Analysis:
    key = name, shape
    if key not in analyses:
        analyses[key] = analyse_module(net(name), 1, shape)
        assert analyses[key].refusals == ()
    return analyses[key]


shapes = st.sampled_from([(9, 12), (64, 40), (150, 233)])


@settings(max_examples=many(100))
@given(st.sampled_from(NETS), shapes, st.data())
def test_shifted_demand_is_the_walked_one(name: str, shape: tuple[int, ...], data: st.DataObject) -> None:
    """For any interval, wherever it lies, the demand found by a shift is the one of a walk over the graph."""
    bound = analysed(name, shape).bound
    axis = data.draw(st.integers(0, 1))
    length = bound.graph.spatial_shape(bound.graph.output)[axis]
    for _ in range(5):  # the later ones find what the earlier ones left behind
        start = data.draw(st.integers(0, length - 1))
        wanted = Interval(start, data.draw(st.integers(start + 1, length)))
        assert bound.demands.of(axis, wanted) == bound.demand(axis, wanted)


@settings(max_examples=many(60))
@given(st.sampled_from(NETS), shapes, st.tuples(st.integers(1, 9), st.integers(1, 9)), st.data())
def test_work_is_the_sum_over_all_zones(
    name: str, shape: tuple[int, ...], zones: tuple[int, int], data: st.DataObject
) -> None:
    """The work of a plan, of an image or a region of it, is the plain sum over its zones."""
    analysis = analysed(name, shape)
    bound, corners = analysis.bound, [data.draw(st.integers(0, length - 1)) for length in shape]
    region = tuple(
        Interval(start, data.draw(st.integers(start + 1, length)))
        for start, length in zip(corners, shape, strict=True)
    )
    zone = tuple(n * f for n, f in zip(zones, bound.factor, strict=True))
    tiling = Tiling(shape, bound.factor, zone, (0, 0), region)
    plain = 0.0
    for tile in tiling:
        demands = [bound.demand(axis, side) for axis, side in enumerate(tile.zone)]
        for node, operator in bound.steps:
            plain += operator.work * prod(len(demand[node.index]) for demand in demands)
    assert work_trimmed(bound, [tiling.spans(axis) for axis in (0, 1)]) == plain


@pytest.mark.parametrize("tile", [512, "auto"])
def test_plans_of_huge_images_take_little(tile: Any) -> None:
    """Of an image of 100,000 x 50,000 pixels, a plan needs few walks over the graph and under 20 MB."""
    analysis = ex.analyse(UNet(base=4).eval(), (100_000, 50_000))
    with pytest.MonkeyPatch.context() as patch:
        walks = count_walks(patch)
        tracemalloc.start()
        plan = ex.plan_tiles(analysis, tile=tile)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(plan) > 1000
    assert len(walks) < 200
    assert peak < 20e6


def test_interior_zones_need_no_walk() -> None:
    """Once one zone's boxes are known, those of the others away from the edges are shifts of them."""
    analysis = ex.analyse(UNet(base=4).eval(), (100_000, 50_000))
    cone, starts = Cone(analysis.bound), range(640, 30_000, 320)
    zones = [(Interval(start, start + 320), Interval(start, start + 320)) for start in starts]
    with pytest.MonkeyPatch.context() as patch:
        walks = count_walks(patch)
        reads = [cone.reads(zone) for zone in zones]
    assert len(walks) == 2
    assert reads == [tuple(side.grow(94, 94) for side in zone) for zone in zones]


@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("shape", "memory"), [((700, 300), 2 * 10**6), ((97, 1300), 10**7), ((64, 64), 10**9)]
)
def test_an_automatic_tile_is_within_its_memory(
    shape: tuple[int, ...], memory: int, device: Any, method: Any
) -> None:
    """It is predicted to hold no more than the memory, in zones on multiples of F that cover the image."""
    plan = ex.plan_tiles(analysed("unet", shape), method=method, memory=memory, device=device)
    assert plan.peak_bytes <= memory
    assert all(z % f == 0 for z, f in zip(plan.zor, plan.factor, strict=True))


def test_a_small_image_is_one_zone() -> None:
    """Where there is room for the whole image, nothing is computed twice."""
    plan = ex.plan_tiles(analysed("unet", (64, 40)), memory=10**9)
    assert (plan.zor, len(plan), plan.redundancy) == ((64, 40), 1, 1.0)


def test_a_long_image_is_cut_across() -> None:
    """Zones of a narrow image have its full width: cuts along it would compute more again."""
    plan = ex.plan_tiles(ex.analyse(UNet(base=16).eval(), (3000, 400)), memory=60 * 10**6)
    assert plan.zor[1] == 400
    assert 1 < len(plan) == plan.tiling.grid[0]


def test_zones_need_not_be_square() -> None:
    """With a cost that is least for one shape, which is no square, that shape is found."""

    def cost(zone: tuple[int, ...]) -> float:
        return abs(zone[0] - 750) + abs(zone[1] - 250)

    zone = cheapest((3000, 1000), (2, 2), cost)
    assert zone == (750, 250)


def test_nothing_fits() -> None:
    """Where every zone costs infinitely much there is none, and a plan falls back on a single F."""
    assert cheapest((300, 200), (4, 4), lambda _zone: inf) is None
    assert ex.plan_tiles(analysed("unet", (150, 233)), memory=1).zor == (4, 4)


def count_walks(patch: pytest.MonkeyPatch) -> list[None]:
    """Let every walk over a graph add one entry to the list that is returned."""
    walks: list[None] = []
    walk = BoundGraph.walk

    def counted(*args: Any, **more: Any) -> Any:
        walks.append(None)
        return walk(*args, **more)

    patch.setattr(BoundGraph, "walk", counted)
    return walks
