"""The U-Net is the published one, and random weights bring it to life."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet


def leaf_names(module: nn.Module) -> list[str]:
    return [type(m).__name__ for m in module.modules() if not list(m.children())]


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def calls(network: UNet, size: int) -> list[nn.Module]:
    """Run the network once and return its layers in the order in which they were called."""
    called: list[nn.Module] = []
    leaves = [m for m in network.modules() if not list(m.children())]
    hooks = [m.register_forward_hook(lambda m, _i, _o: called.append(m)) for m in leaves]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, size, size))
    for hook in hooks:
        hook.remove()
    return called


def test_published_widths_and_kernels() -> None:
    """The defaults are the published network: widths 64 to 1024, two 3 x 3 SAME convolutions per level."""
    with torch.device("meta"):
        network = UNet()
    widths = [64, 128, 256, 512, 1024, 512, 256, 128, 64]
    blocks = [*network.encoder, *network.decoder]
    assert [c.out_channels for b in blocks for c in convolutions(b)] == [w for w in widths for _ in range(2)]
    assert {(c.kernel_size, c.padding) for b in blocks for c in convolutions(b)} == {((3, 3), (1, 1))}
    assert [up[0].out_channels for up in network.up] == [512, 256, 128, 64]
    assert {(up[0].kernel_size, up[0].stride) for up in network.up} == {((2, 2), (2, 2))}


def test_published_parameter_count() -> None:
    """The number of parameters follows from the widths: biases everywhere, two per normalised channel."""
    with torch.device("meta"):
        counted = sum(p.numel() for p in UNet().parameters())
    down = list(pairwise([1, 64, 128, 256, 512, 1024]))
    up = list(pairwise([1024, 512, 256, 128, 64]))
    norm = 2
    encoder = sum(9 * i * o + 9 * o * o + 2 * o * (1 + norm) for i, o in down)
    steps = sum(4 * i * o + o * (1 + norm) for i, o in up)
    decoder = sum(9 * (2 * o) * o + 9 * o * o + 2 * o * (1 + norm) for _, o in up)
    assert counted == encoder + steps + decoder + 64 * 2 + 2 * (1 + norm) == 31_044_358


def test_layer_order() -> None:
    """Convolution, ReLU, normalisation; no activation after upsampling; dropout at the two deepest levels."""
    conv = ["Conv2d", "ReLU", "BatchNorm2d"]
    step = ["ConvTranspose2d", "BatchNorm2d", *conv, *conv]
    deepest = [*conv, *conv, "Dropout"]
    network = UNet(base=2)
    names = [type(m).__name__ for m in calls(network, 16)]
    assert names == [*conv, *conv] * 3 + deepest * 2 + step * 4 + conv
    assert convolutions(network.logits)[0].kernel_size == (1, 1)


def test_no_operator_in_place() -> None:
    """No layer overwrites its input, so every intermediate value can be compared."""
    assert not any(getattr(m, "inplace", False) for m in UNet(base=1).modules())


@pytest.mark.parametrize(
    ("levels", "number", "kernel", "channels", "classes"),
    [(1, 1, 3, 1, 2), (2, 3, 5, 3, 4), (3, 2, 1, 2, 3), (4, 1, 7, 1, 5)],
)
def test_output_has_the_size_of_the_input(
    levels: int, number: int, kernel: int, channels: int, classes: int
) -> None:
    """Whatever the parameters, every pixel gets probabilities that are positive and sum to one."""
    network = UNet(
        levels=levels, convolutions=number, kernel=kernel, base=2, in_channels=channels, classes=classes
    ).eval()
    randomise(network, 0)
    image = torch.randn(2, channels, 2 * 2**levels, 3 * 2**levels)
    with torch.no_grad():
        scores = network(image)
    assert scores.shape == (2, classes, *image.shape[2:])
    assert scores.min() >= 0
    torch.testing.assert_close(scores.sum(1), torch.ones(2, *image.shape[2:]))


def test_logits_are_what_softmax_gets() -> None:
    """Without softmax the same weights give the logits whose softmax is the usual answer."""
    usual, logits = UNet(levels=2, base=4).eval(), UNet(levels=2, base=4, softmax=False).eval()
    randomise(usual, 3)
    logits.load_state_dict(usual.state_dict())
    image = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(usual(image), torch.softmax(logits(image), dim=1))


def test_dropout_acts_in_training_only() -> None:
    """Inference is deterministic; training is not."""
    network = UNet(levels=1, base=4)
    image = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        assert not torch.equal(network.train()(image), network(image))
        assert torch.equal(network.eval()(image), network(image))


@pytest.mark.parametrize(
    ("name", "value"),
    [("levels", 0), ("convolutions", 0), ("base", -8), ("in_channels", 0), ("classes", 0)],
)
def test_parameters_must_be_positive(name: str, value: int) -> None:
    """A count below one is refused with its name and value."""
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not {value}"):
        UNet(**{name: value})


@pytest.mark.parametrize("kernel", [0, 2, -3])
def test_kernel_must_be_odd(kernel: int) -> None:
    """Kernels without a centre are refused: their SAME padding would not be symmetric."""
    with pytest.raises(ValueError, match=f"kernel must be odd and at least 1.*not {kernel}"):
        UNet(kernel=kernel)


def test_randomise_follows_its_seed() -> None:
    """Equal seeds give equal weights, other seeds give others, and the global generator is left alone."""
    networks = [UNet(levels=1, base=2) for _ in range(3)]
    state = torch.get_rng_state()
    for network, seed in zip(networks, (5, 5, 6), strict=True):
        randomise(network, seed)
    assert torch.equal(state, torch.get_rng_state())
    one, same, other = (torch.cat([p.flatten() for p in n.parameters()]) for n in networks)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("seed", range(3))
def test_random_weights_are_lively(seed: int) -> None:
    """Random networks answer differently from pixel to pixel, without saturating and almost without ties."""
    network = UNet(base=4).eval()
    randomise(network, seed)
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        scores = network(image)[0]
    assert scores[0].std() > 0.01
    assert (scores > 0.9999).float().mean() < 0.1
    assert ((scores[0] - scores[1]).abs() < 1e-5).float().mean() < 0.001
