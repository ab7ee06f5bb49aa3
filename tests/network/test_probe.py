"""NaN shows the context that the analysis derives, and where it shows nothing, that is said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from exact_nets import UNETS, Asymmetric
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet
from napari_exactile.network import probe
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.probe import NotMeasurableError, Probe, measure_context
from resizing_nets import CONTEXTS, Chain, Resized

SHAPE = (512, 512)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("levels", "convolutions", "kernel", "context"), [u[:4] for u in UNETS])
def test_unets(levels: int, convolutions: int, kernel: int, context: int) -> None:
    """Every U-Net of the published comparison reaches as far as the analysis says."""
    net = UNet(levels=levels, convolutions=convolutions, kernel=kernel, base=2).eval()
    assert measure_context(net, 1, SHAPE) == ((context, context),) * 2


@pytest.mark.parametrize(("mode", "factor", "levels", "context"), [c[:4] for c in CONTEXTS])
def test_resizing(mode: str, factor: int, levels: int, context: int) -> None:
    """Resizing in the network reaches as far as the analysis says."""
    assert measure_context(Resized(mode, factor, levels).eval(), 1, SHAPE) == ((context, context),) * 2


@pytest.mark.parametrize("net", [Asymmetric(), Chain()], ids=["asymmetric", "chain"])
def test_before_and_after_differ(net: nn.Module) -> None:
    """Even kernels, dilation, long transposed kernels and slices reach as far as derived, on either side."""
    assert measure_context(net.eval(), 1, SHAPE) == analyse_module(net.eval(), 1, SHAPE).context


@pytest.mark.parametrize(
    ("layers", "context"), [(56, (413, 381)), (67, (508, 476)), (103, (1147, 1115))]
)  # fmt: skip
def test_densenets(layers: int, context: tuple[int, int]) -> None:
    """FC-DenseNets reach farther before a zone than after it; their reach does not depend on their width."""
    net = FCDenseNet.named(layers, growth=1, base=1).eval()
    analysis = analyse_module(net, 1, (2400, 2400))
    # Both axes are alike in everything; one is enough for the networks that take long.
    for axis in range(2 if layers == 56 else 1):
        assert Probe(net, 1, (2400, 2400), (32, 32), analysis).measure(axis) == context


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_signals_and_volumes(dtype: torch.dtype) -> None:
    """The number of axes and the floating-point type are the network's own."""
    line = nn.Sequential(nn.Conv1d(3, 1, 5, padding=4), nn.Conv1d(1, 1, 5)).to(dtype).eval()
    assert measure_context(line, 3, (64,)) == ((4, 4),)
    volume = nn.Sequential(nn.Conv3d(1, 1, (1, 3, 5), padding=(0, 1, 2))).to(dtype).eval()
    assert measure_context(volume, 1, (20, 20, 20)) == ((0, 0), (1, 1), (2, 2))


def test_one_image_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many images go through the network together does not matter."""
    net = UNet(levels=2, base=2).eval()
    monkeypatch.setattr(probe, "BATCH_BYTES", 1)
    assert measure_context(net, 1, SHAPE) == ((22, 22), (22, 22))


def test_too_small_a_shape_names_one_that_is_enough() -> None:
    """Where NaN reaches the end of the image, the message gives a length with which it does not."""
    net = UNet(levels=2, base=2).eval()
    with pytest.raises(ValueError, match=r"40 px along axis 0 are too few.* Take 60 px"):
        measure_context(net, 1, (40, 512))
    assert measure_context(net, 1, (60, 60)) == ((22, 22), (22, 22))


class Applied(nn.Module):
    """A convolution, then a function without parameters."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.convolution = name, nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x)
        if self.name == "step":
            return (y > 0).to(y.dtype)
        if self.name == "argmax":
            return y.argmax(dim=1, keepdim=True)
        if self.name == "skip":
            return x + torch.nan_to_num(y)
        if self.name == "root":
            return torch.sqrt(-1 - y * y)
        y = F.interpolate(F.avg_pool2d(y, 3), scale_factor=3, mode="bilinear")
        return y.kthvalue(1, dim=1, keepdim=True)[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("step", "no NaN arrives at the output"),
        ("argmax", "no NaN arrives at the output"),
        ("skip", r"NaN spreads \(0, 0\) px .* but the analysis says \(1, 1\)"),
        ("root", "gives NaN for an image without NaN"),
    ],
)
def test_networks_that_make_or_swallow_nan_are_not_measurable(name: str, reason: str) -> None:
    """Where NaN does not show what is read, no number is given, and the message says why."""
    with pytest.raises(NotMeasurableError, match=reason):
        measure_context(Applied(name).eval(), 1, SHAPE)


def test_a_factor_of_your_own_measures_what_the_analysis_refuses() -> None:
    """Networks without a rule are refused, and measured with a given F; too small a shape is named."""
    net = Applied("thrice").eval()
    with pytest.raises(ex.NotExactError, match="no rule for this operator"):
        ex.measure_context(net, (32, 32))
    assert ex.measure_context(net, (32, 32), factor=(3, 3)) == ((4, 4), (4, 4))
    with pytest.raises(ValueError, match="Try 18 px"):
        ex.measure_context(net, (9, 9), factor=(3, 3))
    with pytest.raises(ValueError, match="one entry per axis"):
        ex.measure_context(net, (9, 9), factor=(3,))


def test_training_mode_is_refused_before_anything_runs() -> None:
    """A network with any part in training mode is not touched: its statistics stay what they were."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1)).eval()
    net[1].train()
    with pytest.raises(ValueError, match="eval"):
        measure_context(net, 1, SHAPE, factor=(1, 1))
    assert net[1].num_batches_tracked == 0


def test_bundled_model() -> None:
    """The public function takes what `analyse` takes, and agrees with it."""
    assert ex.measure_context("colonies-demo", shape=SHAPE) == ex.analyse("colonies-demo", SHAPE).context


class LooksAround(nn.Module):
    """A convolution on either side of an instance norm and of a gate that is made from the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, (1, 5), padding=(0, 2))
        self.norm = nn.InstanceNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.first(x))
        return self.last(y * torch.sigmoid(y.mean((2, 3), keepdim=True)))


def test_operators_that_look_at_the_whole_image_count_as_constants() -> None:
    """Measured is what lies before and after them; with a factor of your own, they reach over all."""
    net = LooksAround().eval()
    assert measure_context(net, 1, SHAPE) == ((1, 1), (3, 3)) == analyse_module(net, 1, SHAPE).context
    with pytest.raises(ValueError, match="NaN reaches their end"):
        measure_context(net, 1, (32, 32), factor=(1, 1))


def test_a_network_that_thin_images_are_too_small_for_is_measured_on_wide_ones() -> None:
    """Padding by reflection needs an image longer than it adds, along every axis."""
    net = nn.Sequential(nn.ReflectionPad2d(4), nn.Conv2d(1, 1, 9)).eval()
    assert measure_context(net, 1, SHAPE) == ((4, 4), (4, 4))
    with pytest.raises(RuntimeError, match="Padding size"):
        measure_context(net, 1, (3, 512), factor=(1, 1))
