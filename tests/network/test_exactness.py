"""Trimmed execution equals the whole-image pass to the bit, and needs no more context than it says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from exact_nets import UNETS, Asymmetric
from integer_nets import (
    Applied,
    assert_exact,
    assert_tiled_equals_whole,
    integer_unet,
    make_integer,
)
from napari_exactile.geometry.interval import Interval
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.cone.cone import Cone
from proofs import many


@pytest.mark.parametrize(("levels", "convolutions", "kernel", "context", "radius", "paper"), UNETS)
def test_context_of_unets(
    levels: int, convolutions: int, kernel: int, context: int, radius: int, paper: int
) -> None:
    """F, context, radius and the papers' radius of each U-Net of the published comparison."""
    net = UNet(levels=levels, convolutions=convolutions, kernel=kernel, base=2).eval()
    analysis = analyse_module(net, 1, (777, 1000))
    assert analysis.factor == (2**levels,) * 2
    assert analysis.context == ((context, context),) * 2
    assert analysis.radius == (radius,) * 2
    assert analysis.paper_radius == (paper,) * 2


@settings(max_examples=many(40), deadline=None)
@given(st.data())
def test_trimmed_equals_whole_to_the_bit_on_integer_unets(data: st.DataObject) -> None:
    """For any shape, zone size, depth, block length and kernel, trimmed equals whole with zero tolerance."""
    levels = data.draw(st.integers(1, 4), "levels")
    net = integer_unet(
        data.draw(st.integers(0, 99), "seed"),
        levels=levels,
        convolutions=data.draw(st.integers(1, 2), "convolutions"),
        kernel=data.draw(st.sampled_from([1, 3, 5]), "kernel"),
        base=2,
        classes=3,
    )
    shape = tuple(data.draw(st.integers(1, 90), name) for name in "yx")
    factor = 2**levels
    zone = tuple(factor * data.draw(st.integers(1 + n // factor // 5, 64 // factor + 1)) for n in shape)
    analysis = analyse_module(net, 1, shape)
    assert_tiled_equals_whole(net, analysis, zone, seed=5)


@settings(max_examples=many(30), deadline=None)
@given(
    st.integers(1, 50), st.integers(1, 50), st.integers(2, 6), st.integers(2, 4), st.integers(0, 99)
)  # fmt: skip
def test_trimmed_equals_whole_on_asymmetric_windows(
    height: int, width: int, a: int, b: int, seed: int
) -> None:
    """Phase, stride, even kernels, dilation and transposed kernels longer than their step come out exact."""
    net = make_integer(Asymmetric().double().eval(), seed)
    analysis = analyse_module(net, 1, (height, width))
    assert analysis.refusals == ()
    assert analysis.factor == (4, 6)
    assert_tiled_equals_whole(net, analysis, (4 * a, 6 * b), seed=seed)


def test_convolutions_of_recorded_torchscript_are_the_same_operator() -> None:
    """`_convolution`, with its four flags for kernels, has the reach and the values of a convolution."""

    class Recorded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            rest = ([1, 1], [1], [1, 1], False, [0, 0], 1, False, False, True, True)
            return torch.ops.aten._convolution(x, self.conv.weight, None, *rest)[..., :-1, 1:]

    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Recorded()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(nn.functional.pad(x, (1, 1, 1, 1)))

    net = Padded()
    for tensor in net.state_dict().values():
        tensor.copy_(torch.randint(-2, 3, tensor.shape, generator=torch.Generator().manual_seed(0)))
    analysis = assert_exact(net, (9, 14), (4, 5), 0)
    assert analysis.context == ((2, 1), (1, 2))
    assert analysis.layers[1].operator == "convolution"


@pytest.mark.parametrize(("kernel", "padding", "extra"), [(1, 0, 0), (1, 1, 2), (2, 0, 1)])
def test_transposed_steps_longer_than_the_kernel_leave_gaps(kernel: int, padding: int, extra: int) -> None:
    """Outputs that no input adds to are the bias alone, also where a zone asks for nothing before them."""
    up = nn.ConvTranspose1d(1, 1, kernel, 3, padding, extra)

    def thinned(x: Tensor, up: nn.Module) -> Tensor:
        y = torch.remainder(nn.functional.interpolate(up(x), scale_factor=2.0, mode="linear"), 13)[..., ::6]
        return nn.functional.pad(y, (0, x.shape[-1] - y.shape[-1]))

    net = Applied(thinned, up)
    for tensor in net.state_dict().values():
        tensor.copy_(torch.randint(1, 4, tensor.shape, generator=torch.Generator().manual_seed(0)))
    for length, zone in ((2, 1), (3, 2), (7, 3)):
        assert_exact(net, (length,), (zone,), seed=0)


@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_axes_come_out_exact(axes: int) -> None:
    """The same rules hold for signals and volumes."""
    conv, up = (nn.Conv1d, nn.ConvTranspose1d) if axes == 1 else (nn.Conv3d, nn.ConvTranspose3d)
    down = conv(2, 2, 2, stride=2) if axes == 1 else nn.MaxPool3d(2)
    net = nn.Sequential(
        conv(1, 2, 3, padding=1), down, conv(2, 2, 3, padding=1), up(2, 2, 2, stride=2)
    ).double()
    for tensor in net.state_dict().values():
        tensor.copy_(torch.randint(-2, 3, tensor.shape))
    analysis = analyse_module(net.eval(), 1, (11, 13, 9)[:axes])
    assert analysis.refusals == ()
    assert_tiled_equals_whole(net, analysis, (4,) * axes, seed=0)


@pytest.mark.parametrize(("levels", "convolutions", "kernel", "context"), [u[:4] for u in UNETS if u[3] < 60])
def test_usual_tiling_with_one_factor_less_fails(
    levels: int, convolutions: int, kernel: int, context: int
) -> None:
    """An impulse just outside the tile of radius minus F changes the zone: no smaller radius works."""
    net = positive_unet(levels, convolutions, kernel)
    analysis = analyse_module(net, 1, (64, 64))
    assert analysis.radius is not None
    factor, radius = 2**levels, analysis.radius[0]
    shape = (factor, 2 * radius + factor)
    zone = slice(radius, radius + factor)
    reaching = []
    for offset in range(-radius, -radius + factor):
        image = torch.zeros(1, 1, *shape, dtype=torch.float64)
        image[..., radius + offset] = 1
        with torch.no_grad():
            full = net(image)[..., zone]
            cut = net(image[..., factor:-factor])[..., zone.start - factor : zone.stop - factor]
        reaching.append(not torch.equal(full, cut))
    assert any(reaching)
    # The farthest pixel that matters is exactly `context` away, and none farther away does.
    assert reaching.index(True) == radius - context


def positive_unet(levels: int, convolutions: int, kernel: int) -> nn.Module:
    """A U-Net in which nothing can cancel: positive weights, identity norms, bounded growth."""
    net = UNet(levels=levels, convolutions=convolutions, kernel=kernel, base=1, softmax=False).double().eval()
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.fill_(0.0 if name.endswith(("bias", "running_mean")) else 1.0)
    # Clamping after each convolution keeps sums small and integer without hiding where an impulse arrives.
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Hardtanh(0.0, 8.0))
            if isinstance(child, nn.BatchNorm2d):
                child.eps = 0.0
    return net


def test_only_what_is_needed_is_read() -> None:
    """`Cone.reads` equals the context around an interior zone, on multiples of F and off them."""
    analysis = analyse_module(UNet(base=2).eval(), 1, (2048, 2048))
    cone = Cone(analysis.bound)
    assert cone.reads((Interval(512, 832), Interval(0, 320))) == (Interval(418, 926), Interval(0, 414))
    assert cone.reads((Interval(700, 701),) * 2)[0].start >= 700 - 16 - 94


def test_a_run_can_be_stopped_before_every_operator() -> None:
    """`check` is called once before each operator, and what it raises ends the computation there."""
    analysis = analyse_module(UNet(levels=1, base=2).eval(), 1, (32, 32))
    cone, zone, calls = Cone(analysis.bound), (Interval(0, 32),) * 2, []
    image = torch.zeros(1, 1, 32, 32)
    cone.run(image, zone, lambda: calls.append(1))
    assert len(calls) == len(analysis.graph.nodes) - 1

    def stop_at_third() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise InterruptedError

    calls.clear()
    with pytest.raises(InterruptedError):
        cone.run(image, zone, stop_at_third)
    assert len(calls) == 3
