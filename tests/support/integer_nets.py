"""Networks whose every sum is exact in float64, so that tiled and whole can be compared to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from napari_exactile.geometry.interval import Interval, slices
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import Analysis, analyse_module
from napari_exactile.network.cone.cone import Cone

# Values stay in 0 .. MODULUS - 1 after every convolution; weights in -LARGEST .. LARGEST.
MODULUS, LARGEST = 13, 3
# Batch norms divide by the root of exactly 1; some versions of torch take no eps of 0.
EPS = 2.0**-10

CONVOLUTIONS = nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d


class Wrapped(nn.Module):
    """A convolution whose result is brought back into a small range of integers."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        return torch.remainder(self.convolution(x), MODULUS)


def integer_unet(seed: int, **parameters: int) -> UNet:
    """A U-Net in float64 with integer weights that gives logits; every intermediate value is an integer."""
    net = UNet(**parameters, softmax=False).double().eval()
    return make_integer(net, seed)


def make_integer(net: nn.Module, seed: int) -> nn.Module:
    """Give a network integer weights, trivial variances, and a remainder after each convolution."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randint(-LARGEST, LARGEST + 1, tensor.shape, generator=generator))
        if name.endswith("running_var"):
            tensor.fill_(1 - EPS)
    for module in list(net.modules()):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eps = EPS
        for name, child in list(module.named_children()):
            if isinstance(child, CONVOLUTIONS):
                assert_exact_sums(child)
                setattr(module, name, Wrapped(child))
    return net


def assert_exact_sums(convolution: nn.Module) -> None:
    """No sum of one convolution can leave the 53 bits in which float64 counts exactly."""
    # Batch norm in between can stretch a value to LARGEST * (MODULUS + LARGEST) + LARGEST.
    largest_input = LARGEST * (MODULUS + LARGEST) + LARGEST
    weight = convolution.weight
    assert isinstance(weight, Tensor)
    assert weight[0].numel() * weight.shape[0] * LARGEST * largest_input + LARGEST < 2**53


def integer_image(shape: tuple[int, ...], seed: int) -> Tensor:
    """Random integers 0 .. MODULUS - 1 in float64: (1, 1, *shape)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, MODULUS, (1, 1, *shape), generator=generator).double()


def tiled(net: nn.Module, image: Tensor, analysis: Analysis, zone: tuple[int, ...]) -> Tensor:
    """Compute the whole padded output of a float64 network zone by zone with trimmed execution."""
    graph, shape = analysis.graph, analysis.frame.taken
    cone = Cone(analysis.bound)
    assert analysis.factor is not None
    result = torch.full((1, analysis.classes, *graph.spatial_shape(graph.output)), torch.nan).double()
    for tile in Tiling(shape, analysis.factor, zone, (0,) * len(shape)):
        box = cone.parts(tile.zone).get(graph.output)
        if box is not None:
            part = image[(..., *slices(cone.reads(tile.zone)))]
            result[(..., *slices(box))] = cone.run(part, tile.zone)
    return result


class Applied(nn.Module):
    """A function of the image as a network; `layers` are those of its parts that have weights."""

    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def assert_exact(net: nn.Module, shape: tuple[int, ...], zones: tuple[int, ...], seed: int) -> Analysis:
    """Tiled equals whole to the bit, in zones of `zones` times F; return the analysis."""
    analysis = analyse_module(net.double().eval(), 1, shape)
    assert analysis.refusals == ()
    assert analysis.factor is not None
    assert_tiled_equals_whole(
        net, analysis, tuple(n * f for n, f in zip(zones, analysis.factor, strict=True)), seed
    )
    return analysis


def assert_tiled_equals_whole(net: nn.Module, analysis: Analysis, zone: tuple[int, ...], seed: int) -> None:
    """Zone by zone, trimmed execution gives what one pass over a random image gives, to the last bit."""
    image = integer_image(analysis.frame.taken, seed)
    with torch.no_grad():
        whole = net(image).double()
    assert torch.equal(tiled(net, image, analysis, zone), whole)


def assert_context_is_tight(net: nn.Module, channels: int = 1) -> None:
    """An impulse on zeros as far away as the context says changes the zone, and none farther away does.

    The last axis is probed, before and after the zone; the network must have positive weights and nothing
    that cancels or hides an impulse.
    """
    analysis = analyse_module(net.double().eval(), channels, (256,) * 2)
    assert analysis.context is not None
    assert analysis.factor is not None
    (before, after), factor = analysis.context[1], analysis.factor
    start = -(-(max(before, after) + 2 * factor[1] + 8) // factor[1]) * factor[1]
    # A network without padding must have something left of the height.
    height, length = -(-(16 + sum(analysis.grid.margins[0])) // factor[0]) * factor[0], 2 * start + factor[1]
    image = torch.zeros(length, channels, height, length, dtype=torch.float64)
    for place in range(length):
        image[place, :, :, place] = 1
    with torch.no_grad():
        background = net(torch.zeros_like(image[:1]))
        outputs = torch.cat([net(one[None]) for one in image])
    bound = analysis.bound
    zone = bound.part(bound.graph.output, 1, Interval(start, start + factor[1]))
    assert zone is not None
    changed = (outputs != background)[..., zone.start : zone.stop].flatten(1).any(dim=1)
    places = changed.nonzero().flatten().tolist()
    reached = start - places[0], places[-1] + 1 - start - factor[1]
    assert (max(0, reached[0]), max(0, reached[1])) == (before, after)
