"""Channels and axes of a network are found by trying what it takes, not from its first weight."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from integer_nets import Applied

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)


def after_unshuffling(channels: int) -> nn.Module:
    """Pixels become channels first: the first weight is for four times as many."""
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, 8, 3, padding=1), nn.PixelShuffle(2))


class WithCoordinates(nn.Module):
    """Two more channels are joined to those of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.linspace(0, 1, x.shape[2])[:, None].expand(1, 1, x.shape[2], x.shape[3])
        return self.layer(torch.cat([x, rows, rows], 1))


class LastFirst(nn.Module):
    """What stands first in it comes last."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first = nn.Conv2d(8, 2, 1), nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))


class Linear(nn.Module):
    """It has no convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def plain(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, str | None]] = {
    "plain": (lambda: plain(3), 3, "yx"),
    "unshuffled": (lambda: after_unshuffling(1), 1, "yx"),
    "unshuffled, three": (lambda: after_unshuffling(3), 3, "yx"),
    "coordinates": (WithCoordinates, 3, "yx"),
    "last first": (LastFirst, 3, "yx"),
    "linear": (Linear, 3, "yx"),
    "grouped": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.Conv2d(6, 2, 1)), 3, "yx"),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(3, 7, 2, 2), nn.Conv2d(7, 2, 1)), 3, "yx"),
    "norm": (lambda: nn.Sequential(nn.BatchNorm2d(5), nn.ReLU()), 5, "yx"),
    "stack": (lambda: nn.Conv3d(2, 2, 3), 2, "zyx"),
    "row": (lambda: nn.Conv1d(2, 2, 3), 2, "x"),
    "pointwise": (nn.Sigmoid, 1, None),
}  # fmt: skip


def eager(network: nn.Module, _folder: Path) -> object:
    return network


def scripted(network: nn.Module, folder: Path) -> object:
    torch.jit.script(network).save(str(folder / "net.pt"))
    return folder / "net.pt"


def frozen(network: nn.Module, folder: Path) -> object:
    torch.jit.freeze(torch.jit.script(network)).save(str(folder / "net.pt"))
    return folder / "net.pt"


def frozen_here(network: nn.Module, _folder: Path) -> object:
    file = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.script(network)), file)
    file.seek(0)
    return torch.jit.load(file)


def exported(network: nn.Module, _folder: Path) -> object:
    sizes = dict.fromkeys((2, 3), torch.export.Dim.AUTO)
    return torch.export.export(network, (torch.zeros(1, 3, 64, 64),), dynamic_shapes=(sizes,))


@pytest.mark.parametrize("form", [eager, scripted, frozen, frozen_here])
@pytest.mark.parametrize("name", NETWORKS)
def test_channels_are_those_that_the_network_takes(
    tmp_path: Path, name: str, form: Callable[[nn.Module, Path], object]
) -> None:
    """Whatever comes before its first weight, and wherever that is kept: channels and axes are right."""
    make, channels, axes = NETWORKS[name]
    card = ex.load_model(form(make().eval(), tmp_path)).card
    assert (card.channels, card.axes) == (channels, axes)


@pytest.mark.parametrize("name", ["unshuffled, three", "last first", "linear"])
def test_an_exported_program_says_its_channels(tmp_path: Path, name: str) -> None:
    """The input that a program was exported for has them."""
    card = ex.load_model(exported(NETWORKS[name][0]().eval(), tmp_path)).card
    assert (card.channels, card.axes) == (3, "yx")


def test_a_network_that_unshuffles_first_is_exact(tmp_path: Path) -> None:
    """Its image has the channels that were found: tiles give the labels of one pass, frozen, from a file."""
    torch.manual_seed(3)
    path = frozen(after_unshuffling(3).eval(), tmp_path)
    image = np.random.default_rng(0).normal(size=(3, 40, 36)).astype(np.float32)
    tiled = ex.segment(image, path, tile=24, axes="cyx")
    assert tiled.report.exact
    np.testing.assert_array_equal(tiled.labels, ex.segment_whole(image, path, axes="cyx").labels)


class Cached(nn.Module):
    """Keeps what it has made, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.made, self.calls = nn.Conv2d(3, 2, 1), None, 0
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.add_(1)
        self.made = torch.ones(1, 3, 1, 1) if self.made is None else self.made
        return self.layer(x * self.made)


def test_trying_leaves_nothing_in_a_network() -> None:
    """A network that keeps what it makes, counts its calls or changes its buffers is as it was."""
    network = Cached().eval()
    assert ex.load_model(network).card.channels == 3
    assert network.made is None
    assert network.calls == 0
    assert network.seen == 0


def test_what_cannot_be_tried_goes_by_its_first_weight() -> None:
    """A network that looks at pixel values, or cannot be copied, has those of its first convolution."""
    steered = Applied(lambda x, layer: layer(x) if x.mean() > 0 else layer(-x), nn.Conv2d(3, 2, 1)).eval()
    assert ex.load_model(steered).card.channels == 3
    uncopied = plain(3).eval()
    uncopied.file = open(__file__)  # noqa: SIM115
    with uncopied.file:
        assert ex.load_model(uncopied).card.channels == 3


def test_given_channels_are_taken() -> None:
    """What a person says wins, and the rest is found out."""
    card = ex.load_model(plain(3).eval(), channels=1).card
    assert (card.channels, card.axes) == (1, "yx")


def test_a_network_whose_layers_are_exchanged_is_tried_again() -> None:
    """What is remembered of a network counts while its weights have the same names and shapes."""
    network = plain(3).eval()
    assert ex.load_model(network).card.channels == 3
    network[0] = nn.Conv2d(1, 4, 3).eval()
    assert ex.load_model(network).card.channels == 1
