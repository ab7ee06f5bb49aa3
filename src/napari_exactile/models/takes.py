"""What images a network takes: its channels and spatial axes, found by trying what it takes.

The first weight does not tell: that of a network may come behind a rearrangement of pixels into channels, be
grouped or transposed, stand first in the list but not in the computation, or have been moved into a graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from torch import Tensor, fx, nn

from napari_exactile import torchscript
from napari_exactile.fake_image import failure_on
from napari_exactile.wrappers import deciding

# Sides that likely factors divide: constants as large as the image are made.
SIDES = {1: 80640, 2: 1920, 3: 192}
MOST = 16  # so many channels are tried where nothing says how many
_MISMATCH = re.compile(r"to have (\d+) channels, but got (\d+)")

Takes = tuple[int, str | None]
_known: WeakKeyDictionary[nn.Module, tuple[object, Takes]] = WeakKeyDictionary()


def images_taken(module: nn.Module) -> Takes:
    """Return the channels and the axes ("x", "yx", "zyx") of images that a network takes; None: unknown.

    Where trying does not tell, as for networks in training mode, the first weight of a convolution decides.
    """
    held = tuple((name, tuple(tensor.shape)) for name, tensor in _weights(module))
    if module not in _known or _known[module][0] != held:
        _known[module] = held, _found(module)
    return _known[module][1]


def _found(module: nn.Module) -> Takes:
    guess, axes = _exported(module) or _first_kernel(module)
    parts = () if isinstance(module, fx.GraphModule) else deciding(module)
    if any(getattr(part, "training", False) for part in parts):
        return guess, _named(axes)
    likely = [axes] if axes else [2, 3]
    taken = {n: channels for n in likely if (channels := _channels(module, guess, n))}
    others = (n for n in (2, 3, 1) if n not in likely)
    taken = taken or {n: c for n in others if (c := _channels(module, guess, n, sure=True))}
    if not taken:
        return guess, _named(axes)
    # Those that take planes and stacks alike work pixel by pixel.
    return next(iter(taken.values())), None if len(taken) > 1 else _named(next(iter(taken)))


def _named(axes: int) -> str | None:
    return "zyx"[3 - axes :] if axes else None


def _channels(module: nn.Module, guess: int, axes: int, *, sure: bool = False) -> int | None:
    """Return how many channels a network takes along so many axes; None where it takes none of them."""
    space = (SIDES[axes],) * axes
    failure = failure_on(module, (1, guess, *space))
    if failure is None:
        return None if sure else guess
    if not failure:
        return guess
    for meant in _meant(failure, guess):
        again = failure_on(module, (1, meant, *space))
        # What fails later on fails for another reason: its size, say.
        if again is not None and not _MISMATCH.search(again) and not (sure and again):
            return meant
    others = (n for n in range(1, MOST + 1) if n != guess)
    return next((n for n in others if failure_on(module, (1, n, *space)) == ""), None)


def _meant(failure: str, tried: int) -> Iterator[int]:
    """Yield how many channels an image must have for a convolution to get what it wants.

    >>> list(_meant("expected input[1, 48, 8, 8] to have 12 channels, but got 48 channels instead", 12))
    [3]
    >>> list(_meant("to have 5 channels, but got 7", 5))
    [3]
    """
    if found := _MISMATCH.search(failure):
        wanted, got = int(found[1]), int(found[2])
        if tried * wanted % got == 0:
            yield tried * wanted // got  # channels were made of pixels, say
        if tried + wanted - got > 0:
            yield tried + wanted - got  # others were joined to them: coordinates, say


def _exported(module: nn.Module) -> tuple[int, int] | None:
    """Return channels and axes of the images that a program was exported for; None where it does not say."""
    inputs = module.graph.find_nodes(op="placeholder") if isinstance(module, fx.GraphModule) else []
    shape = tuple(getattr(inputs[0].meta.get("val"), "shape", ())) if inputs else ()
    if len(shape) not in {3, 4, 5} or not isinstance(shape[1], int):
        return None
    return shape[1], len(shape) - 2


def _first_kernel(module: nn.Module) -> tuple[int, int]:
    """Return the channels and the number of axes that the first convolution takes; (1, 0) without one."""
    kinds = nn.modules.conv._ConvNd
    layers = ((m.in_channels, m.weight.ndim) for m in module.modules() if isinstance(m, kinds))
    # TorchScript and exported programs have weights, but no modules of a known class.
    kernels = ((tensor.shape[1], tensor.ndim) for _name, tensor in _weights(module) if tensor.ndim in {4, 5})
    channels, dimensions = next(layers, next(kernels, (1, 2)))
    return channels, dimensions - 2


def _weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of a network by their names; freezing moves those of TorchScript into its graph."""
    yield from ((name, one) for name, one in module.state_dict().items() if isinstance(one, Tensor))
    if torchscript.is_script(module):
        yield from torchscript.constants(module)
