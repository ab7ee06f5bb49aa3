"""Write the tables of docs/exact.md: by architecture, from the networks of the zoo; by norm; what is refused.

`make models` writes them together with docs/models.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex

# The networks live with the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from integer_nets import Applied
from zoo import ZOO, Entry
from zoo.blocks import SqueezeExcitation
from zoo.others import ResponseNorm

PAGE = Path(__file__).parents[1] / "docs/exact.md"
SHAPE = (64, 64)
WIDTH = 4
MOST_NAMED = 6
NO = "no, see [below](#where-it-is-not)"

# What the names of the networks begin with, by what people call them.
ARCHITECTURES = {
    "U-Net in 2D and 3D": ("U-Net M=", "nucleus U-Net", "3D U-Net", "MONAI UNet", "MONAI BasicUNet,"),
    "U-Net with valid convolutions": ("U-Net, valid",),
    "U-Net with a ResNet as encoder": ("ResNet U-Net", "SE-ResNet U-Net"),
    "U-Net with an EfficientNet as encoder": ("MONAI FlexibleUNet",),
    "nnU-Net (DynUNet)": ("nnU-Net", "MONAI DynUNet"),
    "Attention U-Net (attention gates)": ("Attention U-Net", "MONAI AttentionUnet"),
    "U-Net++": ("U-Net++", "MONAI BasicUNetPlusPlus"),
    "FC-DenseNet (Tiramisu)": ("FC-DenseNet",),
    "SegResNet": ("MONAI SegResNet",),
    "V-Net": ("MONAI VNet",),
    "HighResNet": ("MONAI HighResNet",),
    "MedNeXt": ("MONAI MedNeXt",),
    "SegNet": ("SegNet",),
    "FCN-8s, -16s, -32s": ("FCN-",),
    "DeepLabV3+": ("DeepLabV3+",),
    "PSPNet": ("PSPNet",),
    "HRNet": ("HRNet",),
    "ConvNeXt V1 and V2": ("ConvNeXt",),
    "Dilated convolutions": ("context aggregation",),
    "Scores on a coarser grid (an encoder alone)": ("scores at stride",),
    "Super-resolution, pixel shuffle": ("ESPCN", "pixel unshuffle"),
    "Non-local block, self-attention over all pixels": ("non-local",),
    "Shifted windows (Swin)": ("shifted windows",),
}


@dataclass(frozen=True)
class Norm:
    """A norm as a layer of `WIDTH` channels, and the classes by which networks of the zoo have it."""

    name: str
    looks_at: str
    make: Callable[[], nn.Module]
    kinds: tuple[type[nn.Module], ...]


NORMS = (
    Norm(
        "batch norm", "nothing: it has kept the statistics of the training", lambda: nn.BatchNorm2d(WIDTH),
        (nn.modules.batchnorm._BatchNorm,),
    ),
    Norm(
        "instance norm", "every pixel of the image", lambda: nn.InstanceNorm2d(WIDTH),
        (nn.modules.instancenorm._InstanceNorm,),
    ),
    Norm("group norm", "every pixel of the image", lambda: nn.GroupNorm(2, WIDTH), (nn.GroupNorm,)),
    Norm(
        "layer norm over the channels of each pixel", "this pixel",
        lambda: Applied(lambda x, norm: norm(x.movedim(1, -1)).movedim(-1, 1), nn.LayerNorm(WIDTH)),
        (nn.LayerNorm,),
    ),
    Norm(
        "layer norm over the whole image", "every pixel of the image",
        lambda: Applied(lambda x: F.layer_norm(x, x.shape[1:])), (),
    ),
    Norm("local response norm", "this pixel", lambda: nn.LocalResponseNorm(3), ()),
    Norm(
        "global response norm (ConvNeXt V2)", "every pixel of the image",
        lambda: Applied(lambda x, norm: norm(x.movedim(1, -1)).movedim(-1, 1), ResponseNorm(WIDTH)),
        (ResponseNorm,),
    ),
    Norm(
        "squeeze-and-excitation", "every pixel of the image", lambda: SqueezeExcitation(WIDTH),
        (SqueezeExcitation,),
    ),
    Norm(
        "no norm, weight norm", "nothing",
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(WIDTH, WIDTH, 1)), (),
    ),
)  # fmt: skip


def attention(x: Tensor) -> Tensor:
    """Let every pixel look at every other."""
    tokens = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2).reshape(x.shape)


def rolled(axis: int) -> nn.Module:
    return Applied(lambda x: x.roll(1, axis)).eval()


def padded(mode: str) -> nn.Module:
    return nn.Conv2d(1, 2, 3, padding=1, padding_mode=mode).eval()


def random() -> nn.Module:
    return Applied(lambda x: F.dropout(x, training=True)).eval()


def choosing() -> nn.Module:
    return Applied(lambda x: x if x.mean() > 0 else -x).eval()


def classifier() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)).eval()


APPROXIMATE = "[approximate tiles](#where-it-is-not)"
# A network that is refused, what is in it, and the way out.
REFUSED: tuple[tuple[str, Callable[[], nn.Module], str], ...] = (
    ("training mode", lambda: nn.BatchNorm2d(1), "call `.eval()` on it before it is saved or loaded"),
    ("self-attention over all pixels", lambda: Applied(attention).eval(), APPROXIMATE),
    ("windows that are shifted around the edge (`roll`)", lambda: rolled(2), APPROXIMATE),
    (
        "a layer norm of one size (`nn.LayerNorm((4, 64, 64))`)", lambda: nn.LayerNorm((1, 64, 64)).eval(),
        "`nn.GroupNorm(1, 4)` does the same for images of any size",
    ),
    ("circular padding", lambda: padded("circular"), "train with reflection or zeros; or " + APPROXIMATE),
    ("Fourier transforms", lambda: Applied(lambda x: torch.fft.rfft2(x).abs()).eval(), APPROXIMATE),
    ("random numbers, such as dropout that never ends", random, "use `nn.Dropout`, which `.eval()` ends"),
    ("steps that pixels choose (`if x.mean() > 0`)", choosing, "choose outside of the network"),
    (
        "a softmax along x or y", lambda: nn.Sequential(nn.Softmax(-1)).eval(),
        "take it over the channels (`dim=1`)",
    ),
    ("one answer for the whole image", classifier, "it labels images, not pixels"),
)  # fmt: skip


def tables() -> dict[str, str]:
    """Return each table of the page by its name."""
    return {
        "architectures": table(("architecture", "exact?", "context, px", "passes"), architectures()),
        "norms": table(("norm", "looks at", "exact?", "passes", "networks with it"), map(norm_row, NORMS)),
        "refused": table(("what is in the network", "exact?", "what to do"), map(refused_row, REFUSED)),
    }


def architectures() -> Iterable[tuple[str, ...]]:
    """Yield a row for each architecture, of all its networks in the zoo."""
    for name in ARCHITECTURES:
        yield (name, *judged([entry.analysis() for entry in ZOO.values() if architecture(entry) == name]))


def architecture(entry: Entry) -> str:
    """Return the architecture of a network; raise KeyError for one that has none, or two."""
    found = [name for name, begin in ARCHITECTURES.items() if entry.name.startswith(begin)]
    if len(found) != 1:
        raise KeyError(f"{entry.name} is of {len(found)} architectures")
    return found[0]


def judged(analyses: list[ex.Analysis]) -> tuple[str, str, str]:
    """Return verdict, context and passes of several networks."""
    if any(isinstance(one, ex.Refused) for one in analyses):
        return NO, "", ""
    radii = [max(one.radius) for one in analyses if isinstance(one, ex.Derived)]
    passes = [1 + one.surveys for one in analyses if isinstance(one, ex.Derived)]
    return ("yes", span(radii), span(passes))


def span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def norm_row(norm: Norm) -> tuple[str, ...]:
    """Return the row of one norm: the verdict on a network of it and two convolutions."""
    net = nn.Sequential(nn.Conv2d(1, WIDTH, 3, padding=1), norm.make(), nn.Conv2d(WIDTH, 2, 3, padding=1))
    exact, _, passes = judged([ex.analyse(net.eval(), SHAPE)])
    having = {architecture(entry) for entry in ZOO.values() if has(entry, norm.kinds)}
    named = ", ".join(name.partition(" (")[0] for name in ARCHITECTURES if name in having)
    many = f"{len(having)} of the {len(ARCHITECTURES)} architectures above"
    return norm.name, norm.looks_at, exact, passes, named if len(having) <= MOST_NAMED else many


def has(entry: Entry, kinds: tuple[type[nn.Module], ...]) -> bool:
    return any(isinstance(module, kinds) for module in entry.network().modules())


def refused_row(case: tuple[str, Callable[[], nn.Module], str]) -> tuple[str, ...]:
    """Return the row of what is refused; raise ValueError where it is not."""
    what, make, remedy = case
    try:
        analysis = ex.analyse(make(), SHAPE)
    except ex.NotExactError:
        return what, "no", remedy
    if not isinstance(analysis, ex.Refused):
        raise ValueError(f"{what} is not refused any more")
    return what, "no", remedy


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ("---",) * len(header), *rows))


def marks(name: str) -> tuple[str, str]:
    """Return what stands before and after a table on the page."""
    return f"<!-- the table of {name}, by scripts/verdicts.py -->", f"<!-- the end of {name} -->"


def write() -> None:
    """Put the tables into the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, made in tables().items():
        begin, end = marks(name)
        before, _, after = text.partition(begin)
        text = f"{before}{begin}\n\n{made}\n\n{end}{after.partition(end)[2]}"
    PAGE.write_text(text, encoding="utf-8")
