"""FC-DenseNet is the published one, its context is known, and trimmed execution of it is exact to the bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from integer_nets import integer_image, make_integer, tiled
from napari_exactile.models.densenet import FCDenseNet, TransitionUp
from napari_exactile.models.random_weights import randomise
from napari_exactile.network.analysis import analyse_module
from proofs import many

# layers, context before and after, radius, Eq. 1
NAMED = [(56, (413, 381), 416, 377), (67, (508, 476), 512, 471), (103, (1147, 1115), 1152, 1109)]


@pytest.mark.parametrize(("layers", "context", "radius", "paper"), NAMED)
def test_context_of_named_networks(layers: int, context: tuple[int, int], radius: int, paper: int) -> None:
    """F, context and radius of each published network; the papers' radius is too small for all of them."""
    net = FCDenseNet.named(layers, growth=2, base=2).eval()
    analysis = analyse_module(net, 1, (777, 1000))
    assert analysis.factor == (32, 32)
    assert analysis.context == (context, context)
    assert analysis.radius == (radius, radius)
    assert analysis.paper_radius == (paper, paper)


@pytest.mark.parametrize(("layers", "millions"), [(56, 1.377), (67, 3.463), (103, 9.322)])
def test_parameters_of_named_networks(layers: int, millions: float) -> None:
    """Learned parameters, and convolutions as many as the name says, for 3 channels and 11 classes."""
    with torch.device("meta"):
        net = FCDenseNet.named(layers, in_channels=3, classes=11)
    kinds = nn.Conv2d | nn.ConvTranspose2d
    assert sum(isinstance(module, kinds) for module in net.modules()) == layers
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(millions * 1e6, rel=1e-3)


def test_widths_are_the_published_ones() -> None:
    """FC-DenseNet-103 grows to the widths of the article's table: 48, 112, 192, 304, 464, 656 and back."""
    with torch.device("meta"):
        net = FCDenseNet.named(103)
    downs = [down[0].num_features for down in net.down]
    assert [net.first.out_channels, *downs] == [48, 112, 192, 304, 464, 656]
    assert [up.convolution.out_channels for up in net.up] == [240, 192, 160, 112, 80]
    assert net.logits.in_channels == 256


def test_upsampling_has_tensorflow_s_alignment() -> None:
    """Input i adds to the outputs 2 i, 2 i + 1 and 2 i + 2 with the kernel's first to last element."""
    up = TransitionUp(1)
    with torch.no_grad():
        up.convolution.weight.copy_(torch.arange(1.0, 10.0).reshape(1, 1, 3, 3))
        up.convolution.bias.zero_()
        image = torch.zeros(1, 1, 3, 3)
        image[..., 1, 1] = 1
        expected = torch.zeros(1, 1, 6, 6)
        expected[..., 2:5, 2:5] = up.convolution.weight
        assert torch.equal(up(image), expected)


@settings(max_examples=many(12), deadline=None)
@given(st.data())
def test_trimmed_equals_whole_to_the_bit(data: st.DataObject) -> None:
    """For any blocks, kernel, shape and zone size, trimmed equals whole with zero tolerance."""
    blocks = data.draw(st.lists(st.integers(1, 2), min_size=1, max_size=3), "blocks")
    net = FCDenseNet(
        growth=2,
        base=2,
        blocks=blocks,
        bottleneck=data.draw(st.integers(1, 3), "bottleneck"),
        kernel=data.draw(st.sampled_from([1, 3]), "kernel"),
        softmax=False,
    )
    seed, factor = data.draw(st.integers(0, 99), "seed"), 2 ** len(blocks)
    net = make_integer(net.double().eval(), seed)
    shape = tuple(data.draw(st.integers(1, 50), name) for name in "yx")
    zone = tuple(factor * data.draw(st.integers(1 + n // factor // 3, 48 // factor + 1)) for n in shape)
    analysis = analyse_module(net, 1, shape)
    assert analysis.factor == (factor, factor)
    image = integer_image(analysis.frame.taken, seed)
    with torch.no_grad():
        whole = net(image)
    assert torch.equal(tiled(net, image, analysis, zone), whole)


@pytest.mark.parametrize("seed", range(3))
def test_random_weights_are_lively(seed: int) -> None:
    """Random networks answer differently from pixel to pixel, with both classes and almost without ties."""
    net = FCDenseNet.named(56).eval()
    randomise(net, seed)
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        scores = net(image)[0]
    assert scores[0].std() > 0.1
    assert 0.2 < (scores[0] > 0.5).float().mean() < 0.8
    assert (scores > 0.9999).float().mean() < 0.1
    assert ((scores[0] - scores[1]).abs() < 1e-5).float().mean() < 0.001


@pytest.mark.parametrize("classes", [1, 4])
def test_output_has_the_size_of_the_input(classes: int) -> None:
    """Every pixel gets probabilities that sum to one, and logits give the same probabilities."""
    sizes = {"growth": 2, "base": 3, "blocks": (1, 2), "bottleneck": 3, "in_channels": 2, "classes": classes}
    net, logits = FCDenseNet(**sizes).eval(), FCDenseNet(**sizes, softmax=False).eval()
    randomise(net, 0)
    logits.load_state_dict(net.state_dict())
    image = torch.randn(2, 2, 8, 12)
    with torch.no_grad():
        scores = net(image)
        torch.testing.assert_close(torch.softmax(logits(image), dim=1), scores)
    assert scores.shape == (2, classes, 8, 12)
    torch.testing.assert_close(scores.sum(1), torch.ones(2, 8, 12))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"growth": 0}, "growth must be at least 1, not 0"),
        ({"blocks": (2, 0)}, "blocks must be at least 1, not 0"),
        ({"blocks": ()}, "blocks must be at least 1, not 0"),
        ({"kernel": 4}, "kernel must be odd"),
    ],
)
def test_what_describes_no_network_is_refused(parameters: dict[str, object], message: str) -> None:
    """A wrong parameter is refused with its name and value, an unknown network with the known ones."""
    with pytest.raises(ValueError, match=message):
        FCDenseNet(**parameters)
    with pytest.raises(ValueError, match="FC-DenseNet-121: choose one of 56, 67, 103"):
        FCDenseNet.named(121)
