"""Networks that return more than scores, or cannot work: they are computed, or one sentence says why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from integer_nets import Applied
from napari_exactile.network.traced.graph import Refusal

IMAGE = np.random.default_rng(0).normal(size=(48, 40)).astype(np.float32)
SHAPE = IMAGE.shape


def convolution(channels: int, outputs: int) -> nn.Conv2d:
    torch.manual_seed(outputs)
    return nn.Conv2d(channels, outputs, 3, padding=1)


@dataclass
class Scores:
    logits: Tensor
    loss: Tensor | None = None


class Heads(NamedTuple):
    mask: Tensor
    edge: Tensor


def returns(function: Callable[[Tensor, Tensor], Any]) -> nn.Module:
    """A network that makes something of scores of two and of three classes."""
    network: Any = Applied(
        lambda x, two, three: function(two(x), three(x)), convolution(1, 2), convolution(1, 3)
    )
    return network.eval()


def refusal_of(network: nn.Module, shape: tuple[int, ...] = SHAPE, **facts: Any) -> Refusal:
    analysis = ex.analyse(ex.load_model(network.eval(), **facts), shape)
    assert len(analysis.refusals) == 1
    return analysis.refusals[0]


def half(scores: Tensor) -> Tensor:
    return F.max_pool2d(scores, 2)


@pytest.mark.parametrize(
    ("function", "output", "classes"),
    [
        (lambda two, three: (two, three), None, 2),
        (lambda two, three: (two, three), 1, 3),
        (lambda two, three: [half(two), three], None, 3),
        (lambda two, three: {"aux": two, "out": three}, None, 3),
        (lambda two, three: {"aux": two, "out": three}, "aux", 2),
        (lambda two, three: Scores(two), None, 2),
        (lambda two, three: Scores(two, three.mean()), "logits", 2),
        (Heads, "edge", 3),
        (lambda two, three: {"heads": [two, three], "loss": None}, "heads.1", 3),
    ],
)
def test_one_of_several_outputs_is_segmented_by(
    function: Callable[[Tensor, Tensor], Any], output: int | str | None, classes: int
) -> None:
    """The named output counts, by default "out" or the first of the image's size, in every method alike."""
    model = ex.load_model(returns(function), output=output)
    scores = {2: convolution(1, 2), 3: convolution(1, 3)}[classes]
    expected = ex.segment_whole(IMAGE, ex.load_model(scores.eval())).labels
    assert ex.analyse(model, SHAPE).classes == classes
    for method in ("trimmed", "whole-tile"):
        np.testing.assert_array_equal(ex.segment(IMAGE, model, tile=24, method=method).labels, expected)
    np.testing.assert_array_equal(ex.segment_whole(IMAGE, model).labels, expected)


def test_the_context_of_the_named_output_is_measured() -> None:
    """NaN is looked for in the output that counts."""
    model = ex.load_model(returns(lambda two, three: {"aux": three, "wide": F.max_pool2d(two, 5, 1, 2)}))
    assert ex.measure_context(ex.load_model(model.module, output="wide"), SHAPE) == ((3, 3), (3, 3))
    assert ex.measure_context(model, SHAPE) == ((1, 1), (1, 1))


def test_what_the_output_does_not_need_is_not_computed() -> None:
    """A branch of another output may be one that is refused: it is neither judged nor run."""
    network = returns(lambda two, three: (two, torch.cumsum(three, dim=-1)))
    analysis = ex.analyse(ex.load_model(network), SHAPE)
    assert [node.name for node in analysis.graph.nodes] == ["image", "convolution"]
    assert "cumsum" in refusal_of(network, output=1).operator


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda two, three: None, "returns nothing"),
        (lambda two, three: 3.0, "returns a float"),
        (lambda two, three: {}, "returns a dict"),
        (lambda two, three: (half(two), three.mean()), "none of the network's outputs has the size"),
        (lambda two, three: two[0], "gives an output of shape"),
        (lambda two, three: two.permute(0, 2, 3, 1), "in another order"),
        (lambda two, three: torch.complex(two, two), "complex numbers"),
        (lambda two, three: torch.ones(1, 2, 4, 4), "gives an output of shape|does not depend on the image"),
    ],
)
def test_outputs_that_are_no_scores_are_refused(function: Callable[..., Any], reason: str) -> None:
    """What comes back instead of scores is named."""
    refusal = refusal_of(returns(function))
    assert refusal.operator == "output"
    assert any(part in refusal.reason for part in reason.split("|"))


def test_a_wrong_name_of_an_output_lists_the_right_ones() -> None:
    """The refusal of an unknown output names those that there are, with their shapes."""
    refusal = refusal_of(returns(lambda two, three: {"out": two, "aux": half(three)}), output="logits")
    assert "'logits'" in refusal.reason
    assert "out (1 x 2 x " in refusal.remedy
    assert "aux (1 x 3 x " in refusal.remedy


class TakesTwo(nn.Module):
    def forward(self, x: Tensor, prompt: Tensor) -> Tensor:
        return x + prompt


class TakesAKeyword(nn.Module):
    def forward(self, x: Tensor, *, prompt: Tensor) -> Tensor:
        return x + prompt


class OneSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[2:] == (64, 64), "images must be 64 x 64"
        return x


class Nothing(nn.Module):
    pass


FIXED = nn.Sequential(convolution(1, 2), nn.Flatten(), nn.Linear(2 * 64 * 64, 10))


@pytest.mark.parametrize(
    ("network", "facts", "reason", "remedy"),
    [
        (FIXED, {}, "images of one size, 64 x 64 px", "cannot be tiled"),
        (OneSize(), {}, "images of one size, 64 x 64 px", "cannot be tiled"),
        (TakesTwo(), {}, "more than the image: 'prompt'", "Wrap it"),
        (TakesAKeyword(), {}, "more than the image: 'prompt'", "Wrap it"),
        (Nothing(), {}, "no forward", ""),
        (nn.ModuleList([convolution(1, 2)]), {}, "no forward", ""),
        (nn.Conv3d(1, 2, 3, padding=1), {}, "made for 3D images", "stack"),
        (nn.Conv1d(1, 2, 3, padding=1), {}, "1D images", ""),
        (convolution(3, 2), {"channels": 1}, "takes 3 channels and gets 1", "channels="),
        (nn.Conv2d(1, 2, 3, padding=1, dtype=torch.complex64), {}, "complex numbers", ""),
        (Applied(lambda x: torch.ones(1) / (1 // 0) + x), {}, "division", ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_networks_that_cannot_run_are_refused_in_plain_words(
    network: nn.Module, facts: dict[str, Any], reason: str, remedy: str
) -> None:
    """One refusal says what is wrong with the network and what to do; nothing is raised, nothing printed."""
    refusal = refusal_of(network, **facts)
    assert reason in refusal.reason
    assert remedy in refusal.remedy
    assert "Traceback" not in str(refusal)
    assert "\n" not in str(refusal)


def test_a_network_for_planes_does_not_take_stacks() -> None:
    """A 2D network and a 3D image do not fit, and the remedy says what does."""
    refusal = refusal_of(convolution(1, 2), (8, 32, 32))
    assert "2D images" in refusal.reason
    assert "one by one" in refusal.remedy


def test_failures_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """What becomes a refusal leaves no traceback on the screen."""
    refusal_of(FIXED)
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantised_networks_are_refused_with_the_remedy() -> None:
    """A network in 8-bit integers is refused: the float one that it was made from can be used."""
    engine = next(name for name in torch.backends.quantized.supported_engines if name != "none")
    torch.backends.quantized.engine = engine
    parts = torch.ao.quantization.QuantStub(), convolution(1, 2), torch.ao.quantization.DeQuantStub()
    network = nn.Sequential(*parts).eval()
    network.qconfig = torch.ao.quantization.get_default_qconfig(engine)  # type: ignore[assignment]
    torch.ao.quantization.prepare(network, inplace=True)
    network(torch.rand(1, 1, 8, 8))
    refusal = refusal_of(torch.ao.quantization.convert(network), channels=1)
    assert "quantised" in refusal.reason
    assert "before it was quantised" in refusal.remedy


@pytest.mark.parametrize(
    ("last", "remedy"),
    [
        (lambda scores: scores.argmax(1, keepdim=True), "comes before argmax"),
        (lambda scores: scores > 0, "what it compares"),
    ],
)
def test_labels_are_no_scores(last: Callable[[Tensor], Tensor], remedy: str) -> None:
    """A network that returns labels or a mask is refused before anything is read: scores are needed."""
    network = Applied(lambda x, layer: last(layer(x)), convolution(1, 3)).eval()
    with pytest.raises(ValueError, match=rf"whole numbers .* {remedy}"):
        ex.segment(IMAGE, ex.load_model(network))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_networks_of_half_precision_are_exact(dtype: torch.dtype) -> None:
    """In float16 and bfloat16 tiles give the labels of the whole pass, and its probabilities within eps."""
    layers = convolution(1, 8), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ConvTranspose2d(8, 3, 2, 2)
    model = ex.load_model(nn.Sequential(*layers).to(dtype).eval())
    whole = ex.segment_whole(IMAGE, model)
    tiled = ex.segment(IMAGE, model, tile=24, probabilities=True)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    # A probability is at most 1, and its last bit there is worth eps.
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, rtol=0, atol=torch.finfo(dtype).eps)


@pytest.mark.parametrize("network", [nn.MaxPool2d(3, 1, 1), nn.Identity(), nn.Sigmoid()])
def test_networks_without_weights_work(network: nn.Module) -> None:
    """No weights, no multiplications: computed in float32, exactly, with no extra computing."""
    result = ex.segment(IMAGE, network.eval(), tile=24)
    assert result.report.redundancy == 1
    np.testing.assert_array_equal(result.labels, ex.segment_whole(IMAGE, network).labels)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_network_is_the_one_it_was_made_from() -> None:
    """torch.compile wraps a network: that network is what is analysed and run, and nothing is compiled."""
    network = convolution(1, 2).eval()
    assert ex.load_model(torch.compile(network)).module is network


@pytest.mark.parametrize("what", [lambda x: x, None, 3, ["colonies-demo"], nn.Conv2d])
def test_what_is_no_network_is_said_so(what: Any) -> None:
    """Functions, numbers and classes are no models: a ValueError says what is."""
    with pytest.raises(
        ValueError, match=r"a model is a file, the name of a bundled one or a torch.nn.Module, not a"
    ):
        ex.load_model(what)
