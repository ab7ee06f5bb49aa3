"""What a network's numbers are is read off its last operators: no activation is applied twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from command_line import call
from endings import CLASSES, Ending, Ends, image, made, output
from napari_exactile.models.random_weights import randomise
from napari_exactile.network.span_rules import SPAN_RULES

# What each ending makes of one channel, and how its numbers become a probability of yes.
ONE_CHANNEL: dict[str, tuple[Ending, Ending]] = {
    "nothing": (lambda x: x, torch.sigmoid),
    "sigmoid": (torch.sigmoid, lambda x: x),
    "nn.Sigmoid": (nn.Sigmoid(), lambda x: x),
    "hardsigmoid": (F.hardsigmoid, lambda x: x),
    "clamp": (lambda x: (x + 0.5).clamp(0, 1), lambda x: x),
    "hardtanh": (lambda x: F.hardtanh(x + 0.5, 0, 1), lambda x: x),
    "logsigmoid": (F.logsigmoid, torch.exp),
    "one minus sigmoid": (lambda x: 1 - torch.sigmoid(x), lambda x: x),
    "tanh, shifted": (lambda x: (torch.tanh(x) + 1) / 2, lambda x: x),
    "foreground of a softmax": (lambda x: torch.cat([-x, x], 1).softmax(1)[:, 1:], lambda x: x),
    "sigmoid, viewed": (lambda x: x.sigmoid().reshape(x.shape[0], 1, x.shape[2], x.shape[3]), lambda x: x),
    "sigmoid, smoothed": (lambda x: F.avg_pool2d(x.sigmoid(), 3, 1, 1), lambda x: x),
    "sigmoid, rounded": (lambda x: x.sigmoid().round(), lambda x: x),
    "sigmoid, cut": (lambda x: F.threshold(x.sigmoid(), 0.5, 0), lambda x: x),
    "sigmoid, by a power": (lambda x: x.sigmoid() ** 1.1, lambda x: x),
    "sigmoid, root of the square": (lambda x: x.sigmoid().square().sqrt(), lambda x: x),
    "sigmoid by hand": (lambda x: 1 / (1 + torch.exp(-x)), lambda x: x),
    "sigmoid by hand, turned": (lambda x: x.exp() / (1 + x.exp()), lambda x: x),
    "clamp by hand": (
        lambda x: torch.minimum(torch.maximum(x + 0.5, torch.tensor(0.0)), torch.tensor(1.0)),
        lambda x: x,
    ),
    "rescaled": (lambda x: 0.5 * (1 + torch.erf(x)), lambda x: x),
    "yes or no": (lambda x: (x > 0).float(), lambda x: x),
    "whole numbers": (lambda x: (x > 0).to(torch.uint8).float(), lambda x: x),
    "one of two classes, compared": (
        lambda x: (three(x).argmax(1, keepdim=True) > 0).float(), lambda x: x,
    ),
    "sum of classes": (lambda x: three(x).softmax(1)[:, 1:].sum(1, keepdim=True), lambda x: x),
    "sum of classes, added": (
        lambda x: (p := three(x).softmax(1))[:, 1:2] + p[:, 2:], lambda x: x,
    ),
    "sum of classes, picked": (
        lambda x: three(x).softmax(1)[:, [0, 2]].sum(1, keepdim=True), lambda x: x,
    ),
    "sum of classes, selected": (
        lambda x: ((p := three(x).softmax(1))[:, 0] + p[:, 2])[:, None], lambda x: x,
    ),
    "sum of classes, split": (
        lambda x: (p := three(x).softmax(1).chunk(3, 1))[0] + p[2], lambda x: x,
    ),
    "foreground by hand": (
        lambda x: (e := three(x).exp())[:, 1:2] / e.sum(1, keepdim=True), lambda x: x,
    ),
}  # fmt: skip


def three(x: Tensor) -> Tensor:
    """Return three channels made of one, about as often above as below each other."""
    return torch.cat([x, -x, x - 1], 1)


SEVERAL: dict[str, tuple[Ending, Ending]] = {
    "nothing": (lambda x: x, lambda x: x.softmax(0)),
    "softmax": (lambda x: x.softmax(1), lambda x: x),
    "nn.Softmax2d": (nn.Softmax2d(), lambda x: x),
    "log_softmax": (lambda x: x.log_softmax(1), torch.exp),
    "sigmoid": (torch.sigmoid, lambda x: x),
    "mean of two softmaxes": (lambda x: (x.softmax(1) + (2 * x).softmax(1)) / 2, lambda x: x),
    "softmax by hand": (lambda x: x.exp() / x.exp().sum(1, keepdim=True), lambda x: x),
    "softmax by hand, added": (lambda x: (e := x.exp()) / (e.sum(1).unsqueeze(1) + 1e-6), lambda x: x),
    "softmax, by its own sum": (lambda x: (p := x.softmax(1)) / p.sum(1, keepdim=True), lambda x: x),
    "normalised": (lambda x: F.normalize(F.softplus(x), p=1, dim=1), lambda x: x),
    "cut and normalised": (
        lambda x: (r := x.relu() + 0.1) / r.sum(1, keepdim=True).clamp_min(1e-3), lambda x: x,
    ),
    "logarithms by hand": (lambda x: x - x.logsumexp(1, keepdim=True), torch.exp),
    "softmax by logarithms": (lambda x: (x - x.logsumexp(1, keepdim=True)).exp(), lambda x: x),
}  # fmt: skip
# Of these, nothing like shares can be told.
NO_SHARES: dict[str, Ending] = {
    "one class twice": lambda x: (p := x.softmax(1))[:, :1] + p[:, :1],
    "two that overlap": lambda x: (p := x.softmax(1))[:, :2].sum(1, keepdim=True) + p[:, 1:2],
    "two places": lambda x: (p := x.softmax(1))[:, :1, 1:] + p[:, 1:2, :-1],
    "one class picked twice": lambda x: x.softmax(1)[:, [1, 1]].sum(1, keepdim=True),
    "two networks": lambda x: x.softmax(1)[:, :1] + (2 * x).softmax(1)[:, 1:2],
    "part of a sum": lambda x: (e := x.exp())[:, 1:] / e[:, :2].sum(1, keepdim=True),
    "half a sum": lambda x: (e := x.exp()) / (e.sum(1, keepdim=True) - 0.2),
    "sum of another": lambda x: x.exp() / (0.5 * x).exp().sum(1, keepdim=True),
    "with signs": lambda x: x / x.sum(1, keepdim=True),
    "sum of squares": lambda x: F.softplus(x) / F.softplus(x).square().sum(1, keepdim=True),
    "pooled to a sum": lambda x: F.avg_pool2d(x.sigmoid(), 3, 1, 1, divisor_override=1),
    "endless": lambda x: x.sigmoid() * torch.tensor(float("inf")),
    "no number": lambda x: x * 0 + torch.tensor([1.0, float("nan")])[0] + 1,
    "far": lambda x: (x.sigmoid() + 10) ** 400,
    "clamped by a tensor": lambda x: torch.clamp(x.sigmoid(), min=torch.tensor([2.0, -1, 0]).view(3, 1, 1)),
    "whole numbers that wrap": lambda x: ((x > 0).to(torch.uint8) - 1).float(),
    "power for each channel": lambda x: x ** torch.tensor([1.0, 2, 3]).view(3, 1, 1),
}


@pytest.mark.parametrize("ending", ONE_CHANNEL)
def test_yes_or_no_is_what_the_last_layer_means(ending: str) -> None:
    """Of one channel, labels are where the network's own probability of yes reaches one half, both given."""
    last, chance = ONE_CHANNEL[ending]
    net = made(last)
    result = ex.segment(image(), net, probabilities=True, tile=40)
    expected = chance(output(net))
    assert 0.2 < (expected >= 0.5).float().mean() < 0.8
    np.testing.assert_array_equal(result.labels, (expected >= 0.5)[0])
    np.testing.assert_allclose(result.probabilities, expected, atol=2e-6)
    assert not result.report.warnings


@pytest.mark.parametrize("ending", SEVERAL)
def test_probabilities_of_classes_are_those_of_the_last_layer(ending: str) -> None:
    """Of several channels, no second softmax flattens the probabilities; the best one is the label."""
    last, chance = SEVERAL[ending]
    net = made(last, 3)
    result = ex.segment(image(), net, probabilities=True, tile=40)
    expected = chance(output(net))
    np.testing.assert_allclose(result.probabilities, expected, atol=2e-6)
    np.testing.assert_array_equal(result.labels, expected.argmax(0))


@pytest.mark.parametrize("ending", NO_SHARES)
def test_nothing_is_called_probabilities_that_may_be_none(ending: str) -> None:
    """What is no share, or only nearly one, has no bounds that it breaks."""
    net = made(NO_SHARES[ending], 3)
    gives, found = ex.analyse(net, (70, 83)).gives, output(net)
    assert gives.span.scale == "logits"
    assert bool(((found >= gives.span.low) & (found <= gives.span.high) | found.isnan()).all())


@pytest.mark.parametrize(
    "last",
    [
        lambda x: x ** torch.tensor([1.0, 2, 3]).view(3, 1, 1),
        lambda x: 2 ** (x * torch.tensor([1, 2, 3]).view(3, 1, 1)),
        lambda x: x.clamp(min=torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)),
    ],
)
def test_numbers_for_each_channel_stop_nothing(last: Ending) -> None:
    """An operator that takes a tensor where others take a number is only one more that tells nothing."""
    net = made(lambda x: last(x.sigmoid()), 3)
    result = ex.segment(image(), net, tile=40)
    np.testing.assert_array_equal(result.labels, output(net).argmax(0))


def test_a_guess_never_stops_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while bounds are looked for, nothing is said of them."""

    def fail(*_given: Any) -> Any:
        raise RuntimeError("an argument that nobody has foreseen")

    monkeypatch.setitem(SPAN_RULES, "sigmoid", fail)
    assert ex.segment(image(), made(torch.sigmoid), tile=40).report.gives == "logits: nothing says otherwise"


@pytest.mark.parametrize("ending", CLASSES)
def test_labels_made_by_the_network_are_no_scores(ending: str) -> None:
    """Numbers of classes are refused with what to do, whatever their type; as values they can be had."""
    net = made(CLASSES[ending], 3)
    with pytest.raises(ValueError, match=r"the numbers of classes \(.*let it return what comes before"):
        ex.segment(image(), net, tile=40)
    values = ex.segment(image(), net, tile=40, output_kind="values").probabilities
    np.testing.assert_array_equal(values, output(net))


@pytest.mark.parametrize(
    ("ending", "low", "high"),
    [
        (F.relu, 0, np.inf), (torch.tanh, -1, 1), (F.softplus, 0, np.inf), (F.relu6, 0, 6),
        (lambda x: -F.relu(x), -np.inf, 0), (lambda x: 255 * torch.sigmoid(x), 0, 255),
        (torch.square, 0, np.inf),
    ],
)  # fmt: skip
def test_numbers_that_no_logits_are_stay_numbers(ending: Ending, low: float, high: float) -> None:
    """One channel whose numbers have one sign, or bounds other than 0 and 1, is no yes or no."""
    net = made(ending)
    span = ex.analyse(net, (70, 83)).gives.span
    assert (span.low, span.high) == (low, high)
    result = ex.segment(image(), net, tile=40)
    assert result.labels is None
    np.testing.assert_allclose(result.probabilities, output(net), rtol=1e-5, atol=2e-5)


def test_statistics_of_the_image_set_no_bounds() -> None:
    """What stands in for statistics that are not known yet is no number of the network's."""
    net = made(lambda x: torch.sigmoid(x) / torch.sigmoid(x).amax(dim=(2, 3), keepdim=True) * 3 - 1)
    assert ex.analyse(net, (70, 83)).gives.operator == ""


@pytest.mark.parametrize("form", ["scripted", "exported"])
def test_files_say_it_too(tmp_path: Path, form: str) -> None:
    """TorchScript and exported programs that end in a sigmoid are read so, and the words say why."""
    net = made(nn.Sigmoid())
    path = tmp_path / ("net.pt2" if form == "exported" else "net.pt")
    if form == "exported":
        sizes = dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
        program = torch.export.export(net, (torch.rand(1, 1, 32, 40),), dynamic_shapes=(sizes,))
        torch.export.save(program, path)
    else:
        torch.jit.save(torch.jit.trace(net, torch.rand(1, 1, 32, 40)), path)
    np.testing.assert_array_equal(ex.segment(image(), path, tile=40).labels, (output(net) >= 0.5)[0])
    told = call("inspect", path, "--shape", "70,83").stdout
    assert "probabilities, by its last layer (sigmoid)" in " ".join(told.split())


def test_approximate_runs_know_it_too() -> None:
    """A network that is refused, but can be traced, tells its last layer all the same."""

    class Attends(Ends):
        def forward(self, x: Tensor) -> Tensor:
            flat = self.layers(x).flatten(2)
            mixed = flat + 1e-3 * torch.bmm(torch.bmm(flat, flat.transpose(1, 2)), flat)
            return torch.sigmoid(mixed.reshape(x.shape))

    net = Attends(lambda x: x).eval().requires_grad_(False)
    randomise(net, seed=4)
    assert ex.analyse(net, (70, 83)).refusals
    result = ex.segment(image(), net, method="approximate", radius=16, tile=96, probabilities=True)
    np.testing.assert_array_equal(result.labels, result.probabilities[0] >= 0.5)
    assert result.probabilities.min() < 0.5
