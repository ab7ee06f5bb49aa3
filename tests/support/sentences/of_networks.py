"""Networks that cannot be exact in tiles, or cannot run at all, by what hinders."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari_exactile as ex
from sentences.table import Row, Rows

ROWS = Rows("networks")
HOW = "this model cannot be exact in tiles: "
APPROXIMATE = (
    '. Or run it in approximate mode with a radius of your own (method "approximate", radius 64 say)'
)
NEAR = "Only networks whose pixels look at a neighbourhood can be tiled"
SAME = "Compute the same with operators of torch"
ZEROS = "Mend the network, so that it takes torch.zeros(1, 1, 256, 256), say"
ONE_SIZE = "A network made for one size cannot be tiled: it has no result for a larger image, to be like"


def applied(function: Callable[..., Any], *layers: Any, channels: int = 1) -> Any:
    """A network that makes something of an image with some layers."""
    from torch import nn

    class Applied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(layers)

        def forward(self, x: Any) -> Any:
            return function(x, *self.layers)

    return ex.load_model(Applied().eval(), channels=channels)


def convolution(channels: int = 1, classes: int = 2) -> Any:
    from torch import nn

    return nn.Conv2d(channels, classes, 3, padding=1)


def of_its_scores(function: Callable[[Any], Any], classes: int = 3) -> Any:
    return applied(lambda x, layer: function(layer(x)), convolution(1, classes))


def flattened() -> Any:
    from torch import nn

    return nn.Sequential(convolution(), nn.Flatten(), nn.Linear(2 * 64 * 64, 3)).eval()


def baked() -> Any:
    """A network that computes with sizes as Python's numbers, recorded for images of 32 x 48 px."""
    import torch
    from torch import nn

    class Halved(nn.Module):
        def forward(self, x: Any) -> Any:
            y = torch.max_pool2d(x, 4)
            y = y.reshape(1, 1, int(x.shape[2]) // 4, int(x.shape[3]) // 4)
            return y.repeat_interleave(4, 2).repeat_interleave(4, 3)

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about the sizes, and about TorchScript
        torch.jit.save(torch.jit.trace(Halved().eval(), torch.zeros(1, 1, 32, 48)), file)
        file.seek(0)
        return ex.load_model(torch.jit.load(file), channels=1)


def fixed_export() -> Any:
    import torch

    return ex.load_model(torch.export.export(convolution().eval(), (torch.zeros(1, 1, 32, 48),)))


def exported(images: int = 1, **sizes: Any) -> Any:
    """A network exported for so many images at once, of sizes up to a bound."""
    import torch

    axes = {2: torch.export.Dim("height", **sizes), 3: torch.export.Dim("width", **sizes)}
    example = (torch.zeros(images, 1, 32, 48),)
    return ex.load_model(torch.export.export(convolution().eval(), example, dynamic_shapes=(axes,)))


def attentive(tokens: Callable[[Any], Any]) -> Any:
    from torch import nn

    many = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)
    return applied(lambda x, many: x + many(*[tokens(x)] * 3, need_weights=False)[0].sum(), many, channels=4)


def dropping() -> Any:
    from torch import nn

    network = nn.Sequential(convolution(), nn.Dropout(0.5)).eval()
    network[1].train()
    return network


def training() -> Any:
    from torch import nn

    return nn.DataParallel(nn.Sequential(convolution(), nn.BatchNorm2d(2)))


def with_more() -> Any:
    from torch import nn

    class Prompted(nn.Module):
        def forward(self, x: Any, prompt: Any) -> Any:
            return x + prompt

    return Prompted().eval()


def without_forward() -> Any:
    from torch import nn

    return nn.ModuleList([convolution()]).eval()


def mistaken() -> Any:
    from torch import nn

    class Mistaken(nn.Module):
        def forward(self, x: Any) -> Any:
            return x / (1 // 0)

    return Mistaken().eval()


def with_its_own_operator() -> Any:
    import torch

    schema = "(Tensor x) -> Tensor"
    twice = torch.library.custom_op("exactile::twice", lambda x: x * 2, mutates_args=(), schema=schema)
    return of_its_scores(twice)


def through_numpy() -> Any:
    import torch

    return of_its_scores(lambda y: torch.from_numpy(y.numpy() * 2))


def pixels(x: Any) -> Any:
    return x.flatten(2).transpose(1, 2)


def rows(x: Any) -> Any:
    return x.permute(0, 2, 3, 1).flatten(0, 1)


FOLLOWS = (
    "Crop and resize by the sizes of the image, not to fixed ones; where torch.jit.trace has written sizes "
    "down, "
    "export the network itself, with torch.export.Dim.AUTO"
)
LABELS = "not a score for each class. Let it return"

NETWORKS: dict[str, tuple[Callable[[], Any], str]] = {
    "flattened": (flattened, f"addmm at '2': it takes images of one size, 64 x 64 px. {ONE_SIZE}"),
    "baked": (
        baked,
        "view: it takes images of one size, 32 x 48 px. Where torch.jit.trace has only written its sizes "
        "down, export the network itself instead, with torch.export.Dim.AUTO for the spatial axes; one that "
        "is made for one size cannot be tiled",
    ),
    "fixed_export": (
        fixed_export,
        "...it was exported for images of one size, 32 x 48 px. Export it again with "
        "torch.export.Dim.DYNAMIC for "
        "the spatial axes, which takes images of any size or says what hinders, or pass the network itself",
    ),
    "bounded_export": (
        lambda: exported(max=512),
        "model: it was exported for images of 512 px at most. Export it again with torch.export.Dim.DYNAMIC "
        "for the spatial axes, which takes images of any size or says what hinders, or pass the network "
        f"itself{APPROXIMATE}",
    ),
    "export_of_two": (
        lambda: exported(images=2, max=1 << 20),
        "model: it was exported for 2 images at once. Export it again with one, torch.zeros(1, ...) say",
    ),
    "cropped": (
        lambda: of_its_scores(lambda y: y[:, :, :32, :32]),
        f"output: images of 64 and 80640 px give outputs of 32 and 32: its size does not follow that of the "
        f"image. {FOLLOWS}",
    ),
    "mistaken": (mistaken, f"model: it fails on images of every size: integer division or modulo by zero. "
    f"{ZEROS}"),
    "attention": (lambda: attentive(pixels), f"...global attention: every pixel looks at every other. "
    f"{NEAR}{APPROXIMATE}"),
    "attention_in_rows": (
        lambda: attentive(rows), f"...attention along a whole row or column of the image. "
            f"{NEAR}{APPROXIMATE}",
    ),
    "chance": (
        dropping,
        f"...at '1': it draws random numbers. If this is a dropout, call .eval() on the model{APPROXIMATE}",
    ),
    "training": (
        training,
        "model: it is in training mode, where dropout and batch norm depend on chance and on the batch. Call "
        ".eval() on it first",
    ),
    "labels": (
        lambda: of_its_scores(lambda y: y.argmax(1, keepdim=True)),
        f"output: it gives whole numbers (int64, by argmax), {LABELS} what comes before argmax: labels are "
        f"made of it here",
    ),
    "mask": (
        lambda: of_its_scores(lambda y: y > 0),
        f"output: it gives whole numbers (bool, by gt), {LABELS} what it compares: labels are made of it "
        f"here",
    ),
    "more_than_an_image": (
        with_more,
        "model: its forward takes more than the image: 'prompt'. Wrap it in a module that takes the image "
        "alone "
        "and gives it the rest",
    ),
    "no_forward": (
        without_forward,
        "model: the module has no forward, so that it cannot be called. Pass the network that it is a part "
        "of, "
        "as lists of modules are",
    ),
    "other_channels": (
        lambda: ex.load_model(convolution(3).eval(), channels=1),
        "convolution: one of its convolutions takes 3 channels and gets 1. Say how many the image has with "
        "the model's "
        "channels, as in load_model(network, channels=...)",
    ),
    "numpy": (
        through_numpy,
        f"model: it leaves torch, for numpy say, where nothing can be followed. {SAME}{APPROXIMATE}",
    ),
    "own_operator": (
        with_its_own_operator,
        f"twice: it has an operator of its own, of which nothing is known of how far it reaches. "
        f"{SAME}{APPROXIMATE}",
    ),
}  # fmt: skip


def _row(name: str, network: Callable[[], Any], words: str) -> Row:
    def provoke(folder: Path) -> Any:
        return ex.plan_tiles(ex.analyse(network(), (64, 48)), 64)

    return Row("networks", name, HOW + words, provoke)


ROWS.extend(_row(name, network, words) for name, (network, words) in NETWORKS.items())
