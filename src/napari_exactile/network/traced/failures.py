"""Say in plain words why a network failed while it was traced, and what to do."""

from __future__ import annotations

import re

from torch import fx, nn

from napari_exactile.geometry.words import counted, times
from napari_exactile.network.traced.forms import weights

EXPORTED = "If it was exported at a fixed size, export it again with dynamic sizes (torch.export.Dim.DYNAMIC)"
AGAIN = "Export it again with torch.export.Dim.DYNAMIC for the spatial axes, which takes images of any size"
ANY_SIZE = "A network must take images of any size: one made for a fixed size cannot be tiled"


def explained(error: Exception, module: nn.Module, shape: tuple[int, ...]) -> tuple[str, str]:
    """Return (reason, remedy) for what a network raised on an image of `shape`."""
    if one_size := _only_size(module, shape):
        return one_size
    message = _message(error)
    for pattern, reason, remedy in _KNOWN:
        found = re.search(pattern, message)
        if found:
            return found.expand(reason), remedy
    image = times(shape[2:])
    remedy = EXPORTED if isinstance(module, fx.GraphModule) else ANY_SIZE
    return f"tried on an image of {image} px with channels: {shape[1]}, it fails: {message}", remedy


def _only_size(module: nn.Module, shape: tuple[int, ...]) -> tuple[str, str] | None:
    """Return (reason, remedy) where an exported program takes another size than this one alone; else None."""
    inputs = module.graph.find_nodes(op="placeholder") if isinstance(module, fx.GraphModule) else []
    taken = tuple(getattr(inputs[0].meta.get("val"), "shape", ())) if inputs else ()
    fixed = [(own, length) for own, length in zip(taken[2:], shape[2:], strict=False) if isinstance(own, int)]
    if len(taken) != len(shape) or all(own == length for own, length in fixed):
        return None
    size = times(str(own) if isinstance(own, int) else "any" for own in taken[2:])
    return f"it was exported for images of one size, {size} px", AGAIN


def wrong_axes(module: nn.Module, axes: int) -> tuple[str, str] | None:
    """Return (reason, remedy) where all of its convolutions slide along another number of axes; else None."""
    own = _convolution_axes(module)
    if own is None or own == axes:
        return None
    remedy = "Give it a stack, with one more axis" if own > axes else "Segment the planes one by one"
    return (
        f"the network is made for {own}D images, and this image has {counted(axes, 'axis', 'axes')}",
        remedy,
    )


_KNOWN = (
    (
        r"size calculation overflowed",  # more elements than can be counted: pixels squared
        "global attention: every pixel looks at every other",
        "Only networks whose pixels look at a neighbourhood can be tiled",
    ),
    (
        r"to have (\d+) channels, but got (\d+)",
        r"the network takes images with channels: \1, and this one has channels: \2",
        "Say which with the model's channels, as in load_model(network, channels=...)",
    ),
    (
        r"missing \d+ required [\w -]+ arguments?: (.*)|missing value for argument ('\w+')",
        r"its forward takes more than the image: \1\2",
        "Wrap it in a module that takes the image alone and gives it the rest",
    ),
    (
        r"Expected positional argument for parameter (\w+)",
        r"its forward takes more than the image: '\1'",
        "Wrap it in a module that takes the image alone and gives it the rest",
    ),
    (
        r'missing the required "forward" function',
        "the module has no forward, so that it cannot be called",
        "Lists of modules and the like are parts of a network, not one",
    ),
    (
        r"input to conv(\d)d, but got",
        r"one of its steps is for \1D images, and this image has another number of axes",
        "Segment an image with as many axes as the network was made for",
    ),
    (
        r"[Kk]ernel size can't be greater|[Oo]utput size is too small",
        "the image is smaller than one of its windows",
        "Segment a larger image",
    ),
    (
        r"complex",
        "it computes with complex numbers, and images have none",
        "Let it compute with real ones: two channels, say, for the real and the imaginary part",
    ),
    (
        r"[Uu]nable to allocate|can't allocate memory|out of memory",
        "it makes an array as large as the image",
        "Make it a parameter or a buffer that does not grow with the image, or compute it from the image",
    ),
)


def _message(error: Exception) -> str:
    """Return the sentence of an error; TorchScript gives it last, after where it happened."""
    text = str(error).strip()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if "TorchScript" in text:
        raised = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception): ", line)]
        lines = [re.sub(r"^((\w+\.)*\w*(Error|Exception): )+", "", line) for line in raised[-1:]] or lines
    return lines[0].rstrip(".") if lines else type(error).__name__


def _convolution_axes(module: nn.Module) -> int | None:
    """Return how many axes the convolutions slide along; None where that differs or there are none."""
    names = ("weight", "weight_v", "original0")
    kernels = (tensor for name, tensor in weights(module) if name.split(".")[-1] in names)
    # Convolutions along one axis are left out: they also serve as attention over channels.
    axes = {kernel.ndim - 2 for kernel in kernels if kernel.ndim in {4, 5}}
    return axes.pop() if len(axes) == 1 else None
