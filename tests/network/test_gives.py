"""What a network's numbers are is read off its last operators: no activation is applied twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from pytestqt.qtbot import QtBot
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from command_line import call
from docks import WAIT, finish
from napari_exactile.models.random_weights import randomise
from napari_exactile.network.span_rules import SPAN_RULES

Ending = Callable[[Tensor], Tensor]


class Ends(nn.Module):
    """Two convolutions, then whatever comes last."""

    def __init__(self, ending: Ending, channels: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, channels, 3, padding=1)
        )
        self.ending = ending

    def forward(self, x: Tensor) -> Tensor:
        return self.ending(self.layers(x))


def made(ending: Ending, channels: int = 1) -> nn.Module:
    """Return such a network, lively, with its scores around zero."""
    net = Ends(ending, channels).eval().requires_grad_(False)
    randomise(net, seed=4)
    with torch.no_grad():
        raw = net.layers(torch.from_numpy(normalised())[None, None])
        net.layers[2].bias -= raw.mean(dim=(0, 2, 3))
    return net


def image() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 900, (70, 83)).astype(np.uint16)


def normalised() -> np.ndarray:
    pixels = image().astype(np.float64)
    return ((pixels - pixels.mean()) / pixels.std()).astype(np.float32)


def output(net: nn.Module) -> Tensor:
    """Return what the network itself gives for the image: (channels, y, x)."""
    with torch.no_grad():
        return net(torch.from_numpy(normalised())[None, None])[0]


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


CLASSES: dict[str, Ending] = {
    "argmax": lambda x: x.argmax(1, keepdim=True).float(),
    "argmax, viewed": lambda x: x.argmax(1)[:, None].to(torch.int32).float(),
    "index of max": lambda x: x.max(1, keepdim=True)[1].float(),
    "index of the best": lambda x: x.topk(1, 1)[1].float(),
    "argmax of two": lambda x: x[:, :2].argmax(1, keepdim=True).float(),
}


@pytest.mark.parametrize("ending", CLASSES)
def test_labels_made_by_the_network_are_no_scores(ending: str) -> None:
    """Numbers of classes are refused with what to do, whatever their type; as values they can be had."""
    net = made(CLASSES[ending], 3)
    with pytest.raises(ValueError, match=r"the numbers of classes \(.*let it return what comes before"):
        ex.segment(image(), net, tile=40)
    values = ex.segment(image(), net, tile=40, output_kind="values").probabilities
    np.testing.assert_array_equal(values, output(net))


def test_probabilities_of_classes_that_nothing_tells_are_noted() -> None:
    """Scores that all lie between 0 and 1 and add up to 1 get a note where they are read as logits."""
    hidden = made(lambda x: (s := F.softplus(x) ** -1) * s.sum(1, keepdim=True).reciprocal(), 3)
    assert ex.analyse(hidden, (70, 83)).gives.span.scale == "logits"
    (note,) = ex.segment(image(), hidden, tile=40).report.warnings
    assert "add up to 1" in note
    assert ex.segment_whole(image(), hidden).report.warnings == (note,)
    told = ex.segment(image(), ex.load_model(hidden, kind="classes", probabilities=True), tile=40)
    assert not told.report.warnings
    half = made(lambda x: x / (1 + x.abs()) * 0.2 + 0.5, 3)
    assert not ex.segment(image(), half, tile=40).report.warnings


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


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("logits", lambda x: x.sigmoid() >= 0.5), ("probabilities", lambda x: x >= 0.5), ("values", None),
    ],
)  # fmt: skip
def test_a_person_can_say_what_the_numbers_are(
    kind: Any, expected: Callable[[Tensor], Tensor] | None
) -> None:
    """What is chosen holds, whatever the last layer is."""
    net = made(torch.sigmoid)
    result = ex.segment(image(), net, output_kind=kind, tile=40)
    if expected is None:
        assert result.labels is None
        np.testing.assert_allclose(result.probabilities, output(net), atol=2e-6)
    else:
        np.testing.assert_array_equal(result.labels, expected(output(net))[0])


def test_several_channels_can_be_decided_each_by_itself() -> None:
    """Chosen for a network of several channels, each says yes or no."""
    net = made(torch.sigmoid, 3)
    labels = ex.segment(image(), net, output_kind="probabilities", tile=40).labels
    np.testing.assert_array_equal(labels, output(net) >= 0.5)


def test_the_best_of_one_channel_is_refused() -> None:
    """One channel cannot be classes: the sentence says so."""
    with pytest.raises(ValueError, match="one output channel has no classes"):
        ex.segment(image(), made(torch.sigmoid), output_kind="classes")
    with pytest.raises(ValueError, match="the kind of output is one of auto, classes, logits"):
        ex.segment(image(), made(torch.sigmoid), output_kind="yes")  # type: ignore[arg-type]


def test_odd_results_are_said() -> None:
    """Scores that look like probabilities but were read as logits, and a single label, are noted."""
    warnings = ex.segment(image(), made(torch.sigmoid), output_kind="logits", tile=40).report.warnings
    assert len(warnings) == 2
    assert "all scores lie between 0 and 1" in warnings[0]
    assert warnings[1] == "all pixels have the same label, 1 (yes)"
    # Nothing in this network's last layer says that its numbers lie between 0 and 1.
    hidden = made(lambda x: x / (1 + x.abs()) * 0.4 + 0.5)
    whole = ex.segment_whole(image(), hidden).report.warnings
    assert "all scores lie between 0 and 1" in whole[0]
    assert ex.segment(image(), hidden, tile=40).report.warnings == whole


def test_part_of_an_image_is_not_called_all_of_it() -> None:
    """A run that was stopped, or a stack of which one plane has several labels, has no such note."""
    net, done = made(torch.sigmoid), []
    stopped = ex.segment(
        image(), net, output_kind="logits", tile=40,
        on_event=done.append, cancel=lambda: len(done) > 12,
    )  # fmt: skip
    assert stopped.report.tiles_done < stopped.report.tiles
    assert not stopped.report.warnings
    flat = made(lambda x: F.relu(x) - 1e-3)
    stack = np.stack([image(), np.zeros_like(image())])
    assert not ex.segment(stack, flat, axes="tyx", tile=40).report.warnings


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


def test_the_command_line_takes_the_choice(tmp_path: Path) -> None:
    """`--output-kind` is that of scripts, and warnings stand among the results."""
    net, path = made(nn.Sigmoid()), tmp_path / "net.pt"
    torch.jit.save(torch.jit.trace(net, torch.rand(1, 1, 32, 40)), path)
    tifffile.imwrite(tmp_path / "image.tif", image())
    done = call("segment", tmp_path / "image.tif", "--model", path, "--output-kind", "logits")
    assert done.exit_code == 0, done.stderr
    assert "all pixels have the same label, 1 (yes)" in " ".join(done.stdout.split())


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


@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2), (torch.float32, 1e-5)]
)
def test_near_ties_are_those_of_the_numbers_computed_in(dtype: torch.dtype, near: float) -> None:
    """Coarser numbers tie earlier, also where a network computes in them only in between."""
    net = made(lambda x: x.to(dtype).float(), 3)
    result = ex.segment(image(), net, probabilities=True, tile=40)
    best = np.sort(result.probabilities, axis=0)
    assert result.report.near_ties == int((best[-1] - best[-2] < np.float32(near)).sum())
    assert dtype == torch.float32 or result.report.near_ties > 0


def test_the_preview_compares_the_same_labels() -> None:
    """What tiles with too little context get wrong is counted among the labels that a run gives."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(4)), nn.Sigmoid()).eval()
    randomise(net, seed=1)
    error = ex.tiling_error(image(), net, tile=32, radius=1)
    assert error.misclassified > 0
    assert ex.tiling_error(image(), net, tile=32, radius=4).misclassified == 0


def test_the_dock_says_it_and_lets_it_be_chosen(opened: Any, qtbot: QtBot) -> None:
    """The note under *Output* says what the numbers are and by what; a choice changes the labels."""
    net = made(nn.Sigmoid())
    _viewer, dock = opened(image())
    fields = dock.fields
    assert fields.kind_note.text() == "Gives probabilities, as the model says"
    assert "classes" in fields.kind.choices
    dock.add_model(ex.load_model(net, name="one", channels=1))
    fields.model.value = "one"
    qtbot.waitUntil(lambda: "sigmoid" in fields.kind_note.text(), timeout=WAIT)
    assert fields.kind_row.isVisibleTo(dock)
    assert fields.kind_note.text() == "Gives probabilities, by its last layer (sigmoid)"
    assert "classes" not in fields.kind.choices
    labels = finish(qtbot, dock)
    np.testing.assert_array_equal(labels.data, (output(net) >= 0.5)[0])
    fields.kind.value = "values"
    assert fields.kind_note.text() == "Gives values, as chosen"
    assert not fields.threshold_row.isVisibleTo(dock)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("norm", [lambda: nn.InstanceNorm2d(4, affine=True), lambda: nn.GroupNorm(2, 4)])
def test_coarse_networks_with_norms_run(dtype: torch.dtype, norm: Callable[[], nn.Module]) -> None:
    """Statistics in float32 meet weights of less precision; labels that differ are near-ties."""
    layers = nn.Conv2d(1, 4, 3, padding=1), norm(), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1)
    net = nn.Sequential(*layers).eval()
    randomise(net, seed=1)
    net = net.to(dtype)
    result = ex.segment(image(), net, tile=40)
    differing = (result.labels != ex.segment_whole(image(), net).labels).sum()
    assert result.report.exact
    assert differing <= result.report.near_ties


def test_the_dock_refuses_numbers_of_classes(opened: Any, qtbot: QtBot) -> None:
    """A network that ends in an argmax cannot be run, and the line says why, until *values* is chosen."""
    _viewer, dock = opened(image())
    dock.add_model(ex.load_model(made(CLASSES["argmax"], 3), name="one", channels=1))
    dock.fields.model.value = "one"
    qtbot.waitUntil(lambda: "argmax" in dock.fields.kind_note.text(), timeout=WAIT)
    assert dock.fields.kind_note.text() == "Gives numbers of classes, by its last layer (argmax)"
    qtbot.waitUntil(lambda: "what comes before argmax" in dock.footer.reason.text(), timeout=WAIT)
    assert not dock.footer.run.isEnabled()
    dock.fields.kind.value = "values"
    qtbot.waitUntil(dock.footer.run.isEnabled, timeout=WAIT)
