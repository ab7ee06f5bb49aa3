"""Why a network cannot be traced is said truly: its size, its attention, chance, or a mistake in it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from integer_nets import Applied, assert_exact
from napari_exactile.network.traced.graph import Refusal
from napari_exactile.run.words.details import details_of

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)


def refusal_of(network: Any, shape: tuple[int, ...] = (48, 40), **facts: Any) -> Refusal:
    analysis = ex.analyse(ex.load_model(network, **facts), shape)
    assert isinstance(analysis, ex.Refused)
    return analysis.refusals[0]


def convolution(channels: int = 1, outputs: int = 2, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(channels, outputs, kernel, padding="same")


# --- sizes --------------------------------------------------------------------------------------------------


class Baked(nn.Module):
    """Computes with the sizes of its image as Python's numbers, which tracing writes down."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = convolution(1, 4)
        self.last = convolution(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[2]), int(x.shape[3])
        y = F.max_pool2d(self.layer(x), 4)
        y = y.reshape(1, 4, height // 4, width // 4)
        return F.interpolate(self.last(y), scale_factor=4.0)


class Positions(nn.Module):
    """Adds what it has learned for each place of an image of one size."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.layer, self.positions = (
            convolution(1, 2),
            nn.Parameter(torch.zeros(1, 2, *(n // 4 for n in size))),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(F.max_pool2d(self.layer(x), 4) + self.positions, scale_factor=4.0)


class Cropped(nn.Module):
    """Always gives so many pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :32, :32]


def flat(side: int) -> nn.Module:
    return nn.Sequential(convolution(), nn.Flatten(), nn.Linear(2 * side * side, 10))


def traced(network: nn.Module, *size: int) -> nn.Module:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(network.eval(), torch.zeros(1, 1, *size)), file)
    file.seek(0)
    return torch.jit.load(file)


SIZED: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "flattened": (lambda: flat(64), "images of one size, 64 x 64 px", "cannot be tiled"),
    "flattened, odd": (lambda: flat(56), "images of one size, 56 x 56 px", "cannot be tiled"),
    "positions": (lambda: Positions(224, 224), "images of one size, 224 x 224 px", "cannot be tiled"),
    "positions, odd": (lambda: Positions(88, 88), "images of one size, 88 x 88 px", "cannot be tiled"),
    "baked": (lambda: traced(Baked(), 32, 32), "images of one size, 32 x 32 px", "torch.export"),
    "baked, oblong": (lambda: traced(Baked(), 40, 56), "images of one size, 40 x 56 px", "torch.export"),
    "cropped": (Cropped, "gives? outputs of 32 and 32", "not to fixed ones"),
}


class Tokens(nn.Module):
    """A transformer of patches, each with what it has learned for its place."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.places = nn.Conv2d(1, 8, 16, 16), nn.Parameter(torch.zeros(1, 196, 8))
        self.layer, self.last = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), convolution(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(self.patches(x).flatten(2).transpose(1, 2) + self.places)
        return F.interpolate(self.last(y.transpose(1, 2).reshape(1, 8, 14, 14)), scale_factor=16.0)


def test_the_size_of_a_recorded_file_is_found_in_another_process(tmp_path: Path) -> None:
    """Sizes that fit by chance, as a single patch does, are not taken for the one that it was made for."""
    path = tmp_path / "net.pt"
    torch.jit.trace(Tokens().eval(), torch.zeros(1, 1, 224, 224), check_trace=False).save(str(path))
    assert "images of one size, 224 x 224 px" in refusal_of(path).reason


@pytest.mark.parametrize("name", SIZED)
def test_the_size_that_a_network_is_made_for_is_named(name: str) -> None:
    """A network of one size is said to be so, with that size, found by trying, and with the way out."""
    make, reason, remedy = SIZED[name]
    refusal = refusal_of(make().eval())
    assert re.search(reason, refusal.reason)
    assert remedy in refusal.remedy
    assert refusal.final


def oblong(height: int, width: int) -> nn.Module:
    return nn.Sequential(convolution(), nn.Flatten(), nn.Linear(2 * height * width, 10))


class Strict(nn.Module):
    """Takes one size, and says which one it has got instead."""

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[2:]) != (50, 90):
            raise ValueError(f"wrong size: {tuple(x.shape[2:])}")
        return x


class Multiples(Strict):
    """Takes multiples of a number, which it may say."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__()
        self.number, self.words = number, words

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % self.number or x.shape[3] % self.number:
            raise ValueError(f"{self.words} {tuple(x.shape[2:])}")
        return torch.cumsum(x, -1)


@pytest.mark.parametrize("network", [oblong(50, 90), Strict()], ids=["flattened", "strict"])
def test_no_tiles_are_offered_where_the_one_size_is_not_found(network: nn.Module) -> None:
    """What takes none of many sizes is made for one, whichever it is: approximate tiles lead nowhere."""
    model = ex.load_model(network.eval(), channels=1)
    analysis = ex.analyse(model, (200, 300))
    assert isinstance(analysis, ex.Refused)
    assert "many other sizes" in analysis.refusals[0].reason
    assert "approximat" not in details_of(model, analysis).text
    assert analysis.way_out == ""
    with pytest.raises(ValueError, match="many other sizes") as caught:
        ex.segment(np.zeros((200, 300)), network, method="approximate", radius=32, tile=128)
    assert "factor" not in str(caught.value)


@pytest.mark.parametrize(
    "network", [Multiples(37, "sides must be multiples of 37:"), Multiples(17, "wrong size:")]
)
def test_tiles_are_offered_to_what_takes_multiples_of_an_odd_number(network: Multiples) -> None:
    """A network that takes many sizes, if none of the usual ones, is approximated by multiples of its own."""
    model = ex.load_model(network.eval(), channels=1)
    analysis = ex.analyse(model, (200, 300))
    assert isinstance(analysis, ex.Refused)
    assert "approximate" in analysis.way_out
    chosen: Any = {"method": "approximate", "radius": network.number, "factor": network.number}
    result = ex.segment(np.ones((200, 300)), model, tile=6 * network.number, **chosen)
    assert result.report.tiles_done == result.report.tiles


def test_the_way_out_of_baked_sizes_leads_out(tmp_path: Path) -> None:
    """What tracing has fixed to one size is exported for any, as the refusal says, and is exact then."""
    sizes = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    network = nn.Sequential(
        convolution(1, 4), nn.MaxPool2d(4), convolution(4, 2, 1), nn.Upsample(scale_factor=4)
    )
    program = torch.export.export(network.eval(), (torch.zeros(1, 1, 64, 64),), dynamic_shapes=(sizes,))
    torch.export.save(program, tmp_path / "network.pt2")
    assert ex.analyse(ex.load_model(tmp_path / "network.pt2"), (48, 40)).refusals == ()


# --- failures that no size mends --------------------------------------------------------------------------


class Forgets(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class NeedsAnother(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Applied(lambda x: x)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner()


BROKEN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "attribute": (Forgets, "no attribute 'layer'"),
    "division": (lambda: Applied(lambda x: x / (1 // 0)), "division by zero|division or modulo by zero"),
    "type": (lambda: Applied(lambda x: x + "a"), "str"),
    "inner": (NeedsAnother, "missing 1 required positional argument"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_no_size_mends_is_not_blamed_on_the_size(name: str) -> None:
    """A mistake in a network is said as it is, on every size; nothing is said of one size."""
    make, words = BROKEN[name]
    refusal = refusal_of(make().eval())
    assert re.search(rf"fails on images of every size: .*({words})", refusal.reason)
    assert "torch.zeros(1, 1, 256, 256)" in refusal.remedy
    assert "one size" not in str(refusal)
    assert "80640" not in str(refusal)
    assert "tiled" not in str(refusal)


# --- attention and chance ---------------------------------------------------------------------------------


class Attention(nn.Module):
    """Attention over what `tokens` makes of an image."""

    def __init__(self, tokens: Callable[[Tensor], Tensor], by: str = "products") -> None:
        super().__init__()
        self.tokens, self.by = tokens, by
        self.many = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        t = self.tokens(x)
        if self.by == "module":
            return self.many(t, t, t, need_weights=False)[0].sum() + x
        return F.scaled_dot_product_attention(t, t, t, dropout_p=0.1 if self.training else 0.0).sum() + x


PIXELS: Callable[[Tensor], Tensor] = lambda x: x.flatten(2).transpose(1, 2)  # noqa: E731
ROWS: Callable[[Tensor], Tensor] = lambda x: x.permute(0, 2, 3, 1)  # noqa: E731


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(4, 2, dropout=0.1, batch_first=True)
    return Applied(lambda x, layer: layer(PIXELS(x)).transpose(1, 2).unflatten(2, x.shape[2:]), layer)


ATTENTIVE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "pixels": (lambda: Attention(PIXELS), "every pixel looks at every other"),
    "module": (lambda: Attention(PIXELS, "module"), "every pixel looks at every other"),
    "encoder": (encoder, "every pixel looks at every other"),
    "rows": (lambda: Attention(ROWS), "along a whole row or column"),
    "channels": (lambda: Attention(lambda x: x.flatten(2)), "between channels"),
}


@pytest.mark.parametrize("name", ATTENTIVE)
def test_attention_is_refused_for_what_it_looks_at(name: str) -> None:
    """In evaluation mode nothing is drawn: what hinders is how far it looks, which is said."""
    make, words = ATTENTIVE[name]
    refusal = refusal_of(make().eval(), (16, 24), channels=4)
    assert words in refusal.reason
    assert "random" not in str(refusal)
    assert "neighbourhood" in refusal.remedy


def test_dropout_that_drops_nothing_is_exact() -> None:
    """Without a chance, or out of training, dropout draws nothing, in whatever form it comes."""
    for dropped in (
        lambda x, conv: torch.native_dropout(conv(x), 0.5, False)[0],
        lambda x, conv: torch.native_dropout(conv(x), 0.0, True)[0],
        lambda x, conv: F.dropout(conv(x), 0.0, training=True),
        lambda x, conv: F.rrelu(conv(x), 0.25, 0.75, training=False),
    ):
        assert_exact(Applied(dropped, nn.Conv2d(1, 3, 3, padding=1)), (9, 7), (4, 3), 1)


@pytest.mark.parametrize("drawn", [
    lambda x: F.dropout(x, 0.5, training=True), lambda x: torch.native_dropout(x, 0.5, True)[0],
    lambda x: x + torch.rand_like(x), lambda x: torch.bernoulli(x.sigmoid()),
    lambda x: x.clone().bernoulli_(x.sigmoid()),
    lambda x: F.rrelu(x, training=True), lambda x: F.alpha_dropout(x, 0.5, training=True),
])  # fmt: skip
def test_what_draws_random_numbers_is_refused(drawn: Callable[[Tensor], Tensor]) -> None:
    """Chance itself stays refused."""
    assert "random" in refusal_of(Applied(drawn).eval()).reason


# --- labels -----------------------------------------------------------------------------------------------

LABELS: dict[str, tuple[Callable[[Tensor], Tensor], str, str]] = {
    "argmax": (lambda scores: scores.argmax(1, keepdim=True), "int64, by argmax", "what comes before argmax"),
    "without channels": (lambda scores: scores.argmax(1), "int64, by argmax", "what comes before argmax"),
    "bytes": (lambda scores: scores.argmax(1, keepdim=True).byte(), "uint8, by argmax", "before argmax"),
    "max": (lambda scores: scores.max(1, keepdim=True).indices, "int64, by max", "what comes before max"),
    "mask": (lambda scores: scores > 0, "bool, by gt", "what it compares"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_refused_by_the_analysis(name: str) -> None:
    """A network that has decided already is refused before a run is made, with what to return instead."""
    last, reason, remedy = LABELS[name]
    network = Applied(lambda x, layer: last(layer(x)), convolution(1, 3)).eval()
    refusal = refusal_of(network)
    assert f"it gives whole numbers ({reason})" in refusal.reason
    assert remedy in refusal.remedy
    with pytest.raises(ex.NotExactError, match="whole numbers") as caught:
        ex.segment(np.zeros((48, 40)), network)
    assert "approximate" not in str(caught.value)
