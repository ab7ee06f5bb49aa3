"""Say in plain words why a network failed while it was traced, and what to do."""

from __future__ import annotations

import re
from itertools import pairwise

from torch import fx, nn

from napari_exactile.fake_image import failure_on
from napari_exactile.geometry.words import counted, times
from napari_exactile.network.traced.forms import weights
from napari_exactile.network.traced.one_size import tried
from napari_exactile.torchscript import is_script

AGAIN = (
    "Export it again with torch.export.Dim.DYNAMIC for the spatial axes, which takes images of any size or "
    "says what hinders, or pass the network itself"
)
ONE_SIZE = "A network made for one size cannot be tiled: it has no result for a larger image, to be like"
FOLLOWS = (
    "Crop and resize by the sizes of the image, not to fixed ones; where torch.jit.trace has written sizes "
    "down, export the network itself, with torch.export.Dim.AUTO"
)
NEAR = "Only networks whose pixels look at a neighbourhood can be tiled"
BAKED = (
    "Where torch.jit.trace has only written its sizes down, export the network itself instead, with "
    "torch.export.Dim.AUTO for the spatial axes; one that is made for one size cannot be tiled"
)


def explained(error: Exception, module: nn.Module, shape: tuple[int, ...]) -> tuple[str, str, bool]:
    """Return (reason, remedy, final) for what a network raised on an image of `shape`.

    It is final where the network would not run in tiles either.
    """
    if one_size := _only_size(module, shape):
        return (*one_size, True)
    message = _message(str(error)) or type(error).__name__
    if isinstance(error, MemoryError) or re.search(r"[Uu]nable to allocate|can't allocate memory", message):
        # Whatever it makes of a large image, that of a small one tells whether it leaves torch for it.
        message = failure_on(module, (*shape[:2], *(64 for _ in shape[2:]))) or message
    return _known(message, module) or _by_size(message, module, shape)


def _known(message: str, module: nn.Module) -> tuple[str, str, bool] | None:
    """Return the same for what is said in words that are known; None for others."""
    called = re.match(r"(\w+)\.forward\(\)", message)
    if called and called[1] != type(module).__name__:
        return None  # a mistake in a call that the network makes itself
    for final, table in ((True, _NEVER), (False, _ON_LARGE)):
        for pattern, reason, remedy in table:
            if found := re.search(pattern, message):
                return found.expand(reason), remedy, final
    return None


def _by_size(message: str, module: nn.Module, shape: tuple[int, ...]) -> tuple[str, str, bool]:
    """Return the same for a failure that may be one of the size of the image: others are tried."""
    trials = tried(module, shape, message)
    match trials.taken:
        case (size,):
            return (
                f"it takes images of one size, {times(size)} px",
                BAKED if is_script(module) else ONE_SIZE,
                True,
            )
        case (size, *_):
            reason = f"it takes images of {times(size)} px, say, but fails on those of {times(shape[2:])} px"
            return f"{reason}: {message}", "", False
    mended = f"Mend the network, so that it takes torch.zeros{(*shape[:2], *(256 for _ in shape[2:]))}, say"
    if words := _message(trials.words):
        return _known(words, module) or (f"it fails on images of every size: {words}", mended, True)
    reason = f"tried on images of {times(shape[2:])} px and many other sizes, with channels: {shape[1]}"
    # What fails on each in another way fails on its size; and it takes no multiples that it speaks of.
    if trials.by_size:
        return f"{reason}, it fails, as one does that is made for one size: {message}", ONE_SIZE, True
    return f"{reason}, it fails: {message}", mended, False


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


# What no network can run with, whatever it is given.
_NEVER = (
    (
        r"size\(\)\[0\] == (\d+)",
        r"it was exported for \1 images at once",
        "Export it again with one, torch.zeros(1, ...) say",
    ),
    (
        r"size\(\)\[1\] == (\d+)",
        r"it was exported for images with channels: \1",
        "Say how many the image has with the model's channels, as in load_model(network, channels=...)",
    ),
    (
        r"not (linked|compiled) with .*(CUDA|cuda)|No CUDA GPUs|NVIDIA driver",
        "it moves its tensors to a GPU by itself, and there is none",
        "Let it compute where its image is",
    ),
    (
        r"to have (\d+) channels, but got (\d+)",
        r"one of its convolutions takes \1 channels and gets \2",
        "Say how many the image has with the model's channels, as in load_model(network, channels=...)",
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
        "Pass the network that it is a part of, as lists of modules are",
    ),
    (
        r"input to conv(\d)d, but got",
        r"one of its steps is for \1D images, and this image has another number of axes",
        "Segment an image with as many axes as the network was made for",
    ),
    (
        r"[Cc]omplex(?!it)",
        "it computes with complex numbers, and images have none",
        "Let it compute with real ones: two channels, say, for the real and the imaginary part",
    ),
)
# What hinders on a whole image or when it is followed, and need not on a tile.
_ON_LARGE = (
    (
        r"size\(\)\[\d\] <= (\d+)",
        r"it was exported for images of \1 px at most",
        AGAIN,
    ),
    (
        r"size\(\)\[\d\] >= (\d+)",
        r"it was exported for images of \1 px at least",
        "Segment a larger image",
    ),
    (
        r"\.numpy\(\) is not supported|unallocated storage|[Cc]annot access data pointer",
        "it leaves torch, for numpy say, where nothing can be followed",
        "Compute the same with operators of torch",
    ),
    (
        r"no fake impl|'Meta' backend|register_fake",
        "it has an operator of its own, of which nothing is known of how far it reaches",
        "Compute the same with operators of torch",
    ),
    (
        r"two (different )?devices",
        "it moves its tensors to another device by itself",
        "Let it compute where its image is",
    ),
    (
        r"size calculation overflowed",  # more elements than can be counted: pixels squared
        "global attention: every pixel looks at every other",
        NEAR,
    ),
    (
        r"[Kk]ernel size can't be greater|[Oo]utput size is too small",
        "the image is smaller than one of its windows",
        "Segment a larger image",
    ),
    (
        r"[Uu]nable to allocate|can't allocate memory|out of memory",
        "it makes an array as large as the image",
        "Make it a parameter or a buffer that does not grow with the image, or compute it from the image",
    ),
)


def _message(words: str) -> str:
    """Return the sentence of an error; TorchScript gives it last, after where it happened."""
    lines = [line.strip() for line in words.split("\n") if line.strip()]
    if "TorchScript" in words:
        raised = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception): ", line)]
        # Where it gives none, the step that failed stands above the mark.
        steps = [line for line, below in pairwise(lines) if "<--- HERE" in below]
        lines = (
            [re.sub(r"^((\w+\.)*\w*(Error|Exception): )+", "", line) for line in raised[-1:]]
            or steps
            or lines
        )
    return lines[0].rstrip(".").replace("FakeTensor", "Tensor") if lines else ""


def _convolution_axes(module: nn.Module) -> int | None:
    """Return how many axes the convolutions slide along; None where that differs or there are none."""
    names = ("weight", "weight_v", "original0")
    kernels = (tensor for name, tensor in weights(module) if name.split(".")[-1] in names)
    # Convolutions along one axis are left out: they also serve as attention over channels.
    axes = {kernel.ndim - 2 for kernel in kernels if kernel.ndim in {4, 5}}
    return axes.pop() if len(axes) == 1 else None
