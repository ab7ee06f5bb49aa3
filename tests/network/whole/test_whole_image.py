"""Networks whose operators look at the whole image: tiled equals whole, in passes that the plan foresees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import napari_exactile as ex
from integer_nets import Applied, integer_image
from napari_exactile.geometry.interval import Interval
from napari_exactile.images.source import ArraySource
from napari_exactile.models.random_weights import randomise
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.rules.table import operator_of
from napari_exactile.network.traced.graph import Made, Node
from napari_exactile.network.whole.freeze import freeze
from napari_exactile.network.whole.moments import Moments
from napari_exactile.network.whole.reductions import Extreme, Sums
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Surveying
from napari_exactile.run.engine.local import engine
from napari_exactile.run.engine.reference import one_pass
from napari_exactile.run.engine.result import Report
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import MethodName, Settings
from napari_exactile.run.task.begin import image_task
from proofs import many
from zoo.unets import PlainUNet

SHAPE = (75, 90)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool, self.down, self.up = pool, nn.Linear(channels, 2), nn.Linear(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.up(torch.relu(self.down(self.pool(x)))))
        return x * weights[:, :, None, None]


class ImagePooling(nn.Module):
    """The branch of ASPP that sees the whole image, spread over it again, beside the image itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, 3, 1), nn.BatchNorm2d(3), nn.ReLU())
        self.project = nn.Conv2d(channels + 3, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.reduce(F.adaptive_avg_pool2d(x, 1))
        pooled = F.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat([x, pooled], 1))


class PyramidPooling(nn.Module):
    """Averages of the shares of the image, resized to it again, beside the image itself, as in PSPNet."""

    def __init__(self, channels: int, largest: bool = False, **resizing: object) -> None:
        super().__init__()
        self.pool = F.adaptive_max_pool2d if largest else F.adaptive_avg_pool2d
        self.reduce = nn.ModuleList([nn.Conv2d(channels, 2, 1) for _ in range(3)])
        self.project, self.resizing = nn.Conv2d(channels + 6, channels, 3, padding=1), resizing

    def forward(self, x: Tensor) -> Tensor:
        pooled = [
            torch.relu(conv(self.pool(x, n))) for conv, n in zip(self.reduce, (1, (2, 3), 6), strict=True)
        ]
        resized = [F.interpolate(one, size=x.shape[2:], mode="bilinear", **self.resizing) for one in pooled]
        return self.project(torch.cat([x, *resized], 1))


class ResponseNorm(nn.Module):
    """Global response normalisation, with channels last, as in ConvNeXt V2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.rand(channels)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        size = torch.linalg.vector_norm(y, dim=(1, 2), keepdim=True)
        y = y + self.gamma * y * (size / size.mean(-1, keepdim=True)) + self.beta
        return y.permute(0, 3, 1, 2)


LOOKS = {
    "instance norm": nn.InstanceNorm2d(4, affine=True),
    "group norm": nn.GroupNorm(2, 4),
    "layer norm over the image": Applied(lambda x: F.layer_norm(x, x.shape[1:])),
    "layer norm over space": Applied(lambda x: F.layer_norm(x, x.shape[2:])),
    "batch norm without statistics": nn.BatchNorm2d(4, track_running_stats=False),
    "squeeze and excitation": SqueezeExcitation(4, lambda x: x.mean((2, 3))),
    "global max": SqueezeExcitation(4, lambda x: F.adaptive_max_pool2d(x, 1).flatten(1)),
    "global min": SqueezeExcitation(4, lambda x: x.amin((2, 3))),
    "image pooling": ImagePooling(4),
    "response norm": ResponseNorm(4),
    "pyramid pooling": PyramidPooling(4, align_corners=False),
    "pyramid pooling with aligned corners": PyramidPooling(4, align_corners=True),
    "pyramid of largest values": PyramidPooling(4, largest=True),
    "standardised": Applied(lambda x: (x - x.mean()) / (x.std((2, 3), keepdim=True) + 1)),
    "var and mean": Applied(lambda x: (x - torch.var_mean(x, (2, 3), keepdim=True)[1]) / 7),
    "normalised tokens": Applied(lambda x: F.normalize(x.flatten(2), dim=2).reshape(x.shape) * 50),
    "largest token": Applied(lambda x: x - x.flatten(2).max(2, keepdim=True).values[..., None]),
}


def lively(net: nn.Module, seed: int = 0) -> nn.Module:
    """The network in float64 with random weights, in evaluation mode."""
    net = net.eval().double().requires_grad_(False)
    randomise(net, seed)
    return net


def around(look: nn.Module, width: int = 4) -> nn.Module:
    """Something to compute before and after it, on a coarser grid in between."""
    before = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    after = nn.Sequential(nn.ConvTranspose2d(width, 3, 2, 2), nn.Conv2d(3, 3, 3, padding=1))
    return nn.Sequential(before, look, nn.Conv2d(width, width, 3, padding=1), look, after)


def image(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def assert_equal(net: nn.Module, pixels: np.ndarray, **settings: object) -> Report:
    """Computed in float64, the float32 probabilities agree to their last bits; return the report."""
    model, source = ex.load_model(net), ArraySource(pixels)
    whole = ex.segment_whole(source, model, probabilities=True)
    tiled = ex.segment(source, model, probabilities=True, **settings)
    assert whole.probabilities is not None
    assert tiled.probabilities is not None
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, rtol=3e-7)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    assert len(np.unique(whole.labels)) > 1
    return tiled.report


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_tiled_equals_whole(look: nn.Module) -> None:
    """Every operator that looks at the whole image, twice in sequence: three passes, and the same labels."""
    report = assert_equal(lively(around(look)), image(), tile=40)
    assert report.exact
    assert report.passes == 3


@pytest.mark.parametrize("look", ["instance norm", "image pooling", "largest token"])
def test_volumes_and_signals(look: str) -> None:
    """The same in one dimension and in three."""
    signal = {
        "instance norm": nn.InstanceNorm1d(4),
        "image pooling": Applied(lambda x: x * F.adaptive_avg_pool1d(x, 1)),
        "largest token": Applied(lambda x: x - F.adaptive_max_pool1d(x, 1)),
    }[look]
    net = nn.Sequential(nn.Conv1d(1, 4, 3, padding=1, stride=2), signal, nn.ConvTranspose1d(4, 3, 2, 2))
    assert_equal(lively(net), image((131,)), tile=40)
    volume = {
        "instance norm": nn.InstanceNorm3d(4),
        "image pooling": Applied(lambda x: x * F.adaptive_avg_pool3d(x, 1)),
        "largest token": Applied(lambda x: x - F.adaptive_max_pool3d(x, 1)),
    }[look]
    net = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1, stride=2), volume, nn.ConvTranspose3d(4, 3, 2, 2))
    assert_equal(lively(net), image((13, 20, 17)), tile=10)


@settings(max_examples=many(20))
@given(st.integers(1, 40), st.integers(1, 40), st.integers(3, 9), st.integers(0, 99))
def test_extremes_and_means_over_powers_of_two_are_exact_to_the_bit(
    height: int, width: int, zones: int, seed: int
) -> None:
    """In integers, the largest value of any image, and the mean of 2 ** n pixels, leave no rounding."""
    net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), Applied(lambda x: x - x.amax((2, 3), keepdim=True)))
    net = integers(net, seed)
    assert_bits(net, integer_image((height, width), seed), 2 + zones)
    net[1] = Applied(lambda x: 1024 * (x - x.mean((2, 3), keepdim=True)))
    assert_bits(net, integer_image((32, 16), seed), 2 + zones)


def integers(net: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.double().eval().requires_grad_(False).parameters():
        parameter.copy_(torch.randint(-3, 4, parameter.shape, generator=generator))
    return net


def assert_bits(net: nn.Module, pixels: Tensor, tile: int) -> None:
    model = ex.load_model(net, normalization="none", probabilities=True)
    whole = ex.segment_whole(pixels[0, 0].numpy(), model)
    tiled = ex.segment(pixels[0, 0].numpy(), model, tile=tile, probabilities=True)
    assert tiled.probabilities is not None
    assert whole.probabilities is not None
    np.testing.assert_array_equal(tiled.probabilities, whole.probabilities)


def chain(count: int, width: int = 4) -> nn.Module:
    """Convolutions with an instance norm after each: every one needs the statistics of those before it."""
    blocks = [
        nn.Sequential(nn.Conv2d(width if i else 1, width, 3, padding=1), nn.InstanceNorm2d(width), nn.ReLU())
        for i in range(count)
    ]
    return nn.Sequential(*blocks, nn.Conv2d(width, 3, 1, bias=False))


@pytest.mark.parametrize("memory", [0, 1 << 30], ids=["on disk", "in memory"])
@pytest.mark.parametrize("scratch", [0, 60_000, None])
def test_what_is_kept_changes_nothing_but_the_cost(
    scratch: int | None, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replayed, kept in part or kept whole, in memory or on disk: the same labels; more room, less work."""
    monkeypatch.setattr(engine, "scratch_memory", lambda: memory)
    report = assert_equal(lively(chain(4)), image((40, 50)), tile=24, scratch_limit=scratch)
    assert report.passes == 5
    redundancies = {0: 5.5, 60_000: 4.0, None: 1.01}
    assert report.redundancy < redundancies[scratch]
    assert scratch is None or report.redundancy > 1.5


def test_each_pixel_counts_once_and_the_order_of_work_does_not_matter() -> None:
    """Counts are those of the padded image at the tensor's resolution, in tiles of any size."""
    net = lively(around(LOOKS["instance norm"]))
    model, pixels = ex.load_model(net), image((33, 61))
    for tile in (16, 40, 64):
        one = Job(image_task(pixels, model, Settings(tile=tile)))
        for _event in one.engine.prepare():
            pass
        assert {int(value[0].flatten()[0]) for value in one.engine._survey.values.values()} == {17 * 31}


@given(st.lists(st.lists(st.integers(-99, 99), min_size=1, max_size=9), min_size=1, max_size=6))
def test_merged_parts_are_the_whole(parts: list[list[int]]) -> None:
    """Count, mean, variance, sum and extremes of parts, merged in order, are those of all values together."""
    tensors = [torch.tensor(part, dtype=torch.float64)[None] for part in parts]
    whole = torch.cat(tensors, 1)
    for reduction in (Moments((1,)), Sums((1,)), Sums((1,), 2.0), Extreme((1,), True), Extreme((1,), False)):
        merged = reduction.total(reduction.part(tensor, ()) for tensor in tensors)
        for one, other in zip(merged, reduction.part(whole, ()), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-9)


def test_independent_operators_share_a_pass_and_only_what_lies_before_them_runs() -> None:
    """Four branches with a norm each take one pass, which never computes what comes after the norms."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList([nn.InstanceNorm2d(2) for _ in range(4)])
            self.convs = nn.ModuleList([nn.Conv2d(1, 2, 3, padding=1) for _ in range(4)])
            self.last = nn.Conv2d(8, 3, 9, padding=4)

        def forward(self, x: Tensor) -> Tensor:
            pairs = zip(self.convs, self.norms, strict=True)
            return self.last(torch.cat([norm(conv(x)) for conv, norm in pairs], 1))

    net = lively(Branches())
    report = assert_equal(net, image(), tile=40)
    assert report.passes == 2
    analysis = analyse_module(net, 1, SHAPE)
    (survey,), last = analysis.passes.within(0).surveys, analysis.passes.within(0).last
    assert len(survey.statistics) == 4
    spans = [[Interval(0, length)] for length in SHAPE]
    before, everything = analysis.passes.work_of(survey, spans), analysis.passes.work_of(last, spans)
    assert before == 4 * 18 * 75 * 90
    assert everything == before + 8 * 3 * 81 * 75 * 90


def test_nnunets_plain_network_costs_little_more_than_one_pass() -> None:
    """An image of 16 tiles: 18 statistics in sequence, in all less than 5 times the arithmetic of one pass.

    The multiply-accumulates are counted while it runs, and the plan foresees them.
    """
    net = lively(PlainUNet((4, 8, 16, 16, 16)))
    model, pixels = ex.load_model(net), image((512, 512))
    whole = image_task(pixels, model, Settings())
    with FlopCounterMode(display=False) as counted:
        expected = one_pass(whole)
    for scratch, most in ((None, 1.5), (8_000_000, 5)):
        tiled = Job(image_task(pixels, model, Settings(tile=320, scratch_limit=scratch)))
        assert len(tiled.task.plan.schedule.passes) == 19
        with FlopCounterMode(display=False) as all_passes:
            assert list(tiled.run())
        np.testing.assert_array_equal(tiled.result().labels, expected.labels)
        ratio = all_passes.get_total_flops() / counted.get_total_flops()
        assert 1 < ratio < most
        assert ratio == pytest.approx(tiled.task.plan.redundancy, rel=0.01)


@pytest.mark.parametrize("method", ["trimmed", "skewed"])
def test_passes_can_be_cancelled_and_continued(method: MethodName) -> None:
    """What is cancelled goes on with the tile, or the band that is walked, and gives the same labels."""
    model, pixels = ex.load_model(lively(chain(3))), image((40, 50))
    undisturbed = ex.segment(pixels, model, tile=24, method=method)
    one = Job(image_task(pixels, model, Settings(tile=24, method=method)))
    rounds, surveyed = 0, list[tuple[int, int]]()
    while not one.complete and len(surveyed) < 200:
        rounds += 1
        events = one.run(Control(is_cancelled=lambda: len(surveyed) % 3 == 2))
        surveyed.extend((e.number, e.done) for e in events if isinstance(e, Surveying))
        surveyed.append((0, 0))
    once, step = sorted(set(surveyed) - {(0, 0)}), 1 if method == "trimmed" else 100
    assert once == [(number, done) for number in (1, 2, 3) for done in range(0, once[-1][1] + 1, step)]
    assert rounds > (5 if method == "trimmed" else 2)
    np.testing.assert_array_equal(one.result().labels, undisturbed.labels)


class Modulated(nn.Module):
    """A norm whose weights are made from a mean of the image, before and after it."""

    def forward(self, x: Tensor) -> Tensor:
        mean = torch.sigmoid(x.mean((0, 2, 3)))
        x = F.batch_norm(x, None, None, mean, 1 - mean, training=True)
        return x * (1 + mean.flip(0))[:, None, None]


@pytest.mark.parametrize("look", [*LOOKS.values(), Modulated()], ids=[*LOOKS, "modulated"])
def test_what_is_known_is_exchanged_to_the_bit(look: nn.Module) -> None:
    """After each pass, the graph whose nodes were exchanged is the one that is made anew from the trace."""
    one = Job(image_task(image(), ex.load_model(lively(around(look))), Settings(tile=40)))
    assert list(one.run())
    analysis, values = analyse_module(one.task.model.module, 1, SHAPE), one.engine._survey.values
    for level in range(analysis.surveys + 1):
        by_then = {s.key: values[s.key] for s in analysis.statistics if s.level < level}
        anew = BoundGraph.bind(freeze(analysis.frozen.traced, by_then).graph)
        exchanged = analysis.bound.exchanged(analysis.frozen.known(by_then))
        for name in ("reaches", "strides", "offsets", "factor"):
            assert getattr(exchanged, name) == getattr(anew, name)
        for node, other in zip(exchanged.graph.nodes, anew.graph.nodes, strict=True):
            assert told(node) == told(other)
        assert list(map(type, exchanged.operators)) == list(map(type, anew.operators))


def told(node: Node) -> object:
    """All that there is to a node, tensors by their bytes."""
    constants: list[tuple[object, ...]] = []

    def look(one: Tensor) -> Tensor:
        constants.append((one.dtype, one.shape, one.contiguous().numpy().tobytes()))
        return one

    node.with_constants(look)
    rest = [leaf for leaf in tree_leaves((node.args, node.kwargs)) if not isinstance(leaf, Tensor | Made)]
    return node.index, node.op, node.shape, node.dtype, node.result, node.layout, rest, constants


def test_a_pass_begins_with_what_has_become_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is bound once for all passes: after that, each norm once when it is known."""
    one, bound = Job(image_task(image(), ex.load_model(lively(chain(6))), Settings(tile=40))), []
    monkeypatch.setattr("napari_exactile.network.cone.bound.operator_of", lambda node, graph: (
        bound.append(node.name) or operator_of(node, graph)
    ))  # fmt: skip
    assert list(one.run())
    by_survey, by_last = [len(one.task.analysis.bound.steps) + norms for norms in (5, 6)]
    assert len(bound) == by_survey + by_last


def test_whole_tiles_by_themselves_are_refused() -> None:
    """The usual tiling would normalise each tile by itself: operator and remedy are named."""
    model = ex.load_model(lively(chain(1)))
    with pytest.raises(ValueError, match=r"whole-tile.*at '0\.1': it looks at the whole image.*trimmed"):
        ex.segment(image(), model, method="whole-tile")


def test_a_batch_norm_left_in_training_mode_is_refused_and_not_touched() -> None:
    """It would count the trace as a step of training, so it is not even traced; the remedy is named."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)).eval()
    net[1].train()
    (refusal,) = analyse_module(net, 1, SHAPE).refusals
    assert (refusal.operator, refusal.place) == ("batch norm", "1")
    assert ".eval()" in refusal.remedy
    assert net[1].num_batches_tracked == 0
