"""What was found out about a network is remembered, and never for a network that has become another one."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from weakref import ref

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

import napari_exactile as ex
from napari_exactile.network import sizes
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.likeness import likeness
from napari_exactile.network.remembered import MOST

SHAPE = (40, 48)
GLOBAL_SCALE = 1.0


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """The shapes that networks are traced for, as they come."""
    seen: list[tuple[int, ...]] = []
    trace = sizes.trace
    monkeypatch.setattr(sizes, "trace", lambda module, shape, *a, **k: (
        seen.append(shape) or trace(module, shape, *a, **k)
    ))  # fmt: skip
    return seen


@dataclass
class Config:
    """An object of people's own, whose contents can change unseen."""

    scale: float = 1.0


class Steered(nn.Module):
    """A network whose forward pass goes by much that is no weight."""

    shift = 0.0

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = parametrizations.weight_norm(nn.Conv2d(1, 4, 3, padding=1))
        self.middle, self.last = nn.Sequential(nn.ReLU()), nn.Conv2d(4, 3, 3, padding=1)
        self.register_buffer("offset", torch.zeros(1, 4, 1, 1))
        self.scale, self.kernels, self.table = 1.0, [1], {"power": 1}
        self.plain, self.array = torch.ones(()), np.ones(3)
        self.function: Callable[[Tensor], Tensor] = torch.tanh
        self.other: object = None

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.first(x)) * self.scale * GLOBAL_SCALE + self.offset + self.shift
        for _kernel in self.kernels:
            x = helped(self.function(x) ** self.table["power"]) * self.plain
        gain = self.last.weight.abs().max().item() if self.scale > 2 else float(self.array.sum())
        return self.last(x) * gain + (self.other.scale if isinstance(self.other, Config) else 0)


def helped(x: Tensor) -> Tensor:
    return F.leaky_relu(x - 0.1, SLOPES[0])


SLOPES = [0.1]


def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE)


def scores(net: nn.Module) -> np.ndarray:
    result = ex.segment(image(), net, tile=32, output_kind="values", normalization="none").probabilities
    assert result is not None
    return np.asarray(result)


def expected(net: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return net(torch.from_numpy(image()).to(net.last.weight.dtype)[None, None])[0].float().numpy()


def rewritten(net: Steered) -> None:
    net.last.weight.detach().numpy()[:] *= 2


def in_inference_mode(net: Steered) -> None:
    with torch.inference_mode():
        net.last.weight.mul_(2)


def trained(net: Steered) -> None:
    net.requires_grad_(True)
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    net(torch.ones(1, 1, 8, 8)).square().mean().backward()
    optimizer.step()


def with_new_data(net: Steered) -> None:
    net.last.weight.data = net.last.weight.data * 2


def hooked(net: Steered) -> None:
    net.middle.register_forward_hook(lambda module, args, result: result * 2)


def other_forward(net: Steered) -> None:
    net.middle[0].forward = lambda x: x * 2


CHANGES: dict[str, Callable[[Steered], object]] = {
    "trained": trained,
    "weights replaced": with_new_data,
    "weights changed by .data": lambda net: net.last.weight.data.mul_(2),
    "weights changed by numpy": rewritten,
    "weights changed in inference mode": in_inference_mode,
    "what a weight is made of": lambda net: net.first.parametrizations.weight.original0.data.mul_(3),
    "a parameter exchanged": lambda net: setattr(net.last, "bias", nn.Parameter(torch.tensor([5.0, 1, 1]))),
    "a buffer": lambda net: net.offset.data.add_(1),
    "a buffer exchanged": lambda net: setattr(net, "offset", torch.ones(1, 4, 1, 1)),
    "a part exchanged": lambda net: net.middle.__setitem__(0, nn.Sigmoid()),
    "a part more": lambda net: net.middle.append(nn.AvgPool2d(3, 1, 1)),
    "an option of a part": lambda net: vars(net.last).update(dilation=(2, 2), padding=(2, 2)),
    "a number": lambda net: setattr(net, "scale", 2.0),
    "a list": lambda net: net.kernels.append(3),
    "a dictionary": lambda net: net.table.update(power=2),
    "a tensor that is no buffer": lambda net: net.plain.mul_(2),
    "an array": lambda net: net.array.__setitem__(0, 7.0),
    "a function": lambda net: setattr(net, "function", torch.sin),
    "a function with arguments": lambda net: setattr(net, "function", partial(torch.clamp, max=0.1)),
    "a hook": hooked,
    "another forward": other_forward,
    "an object": lambda net: setattr(net, "other", Config(3.0)),
    "all in float64": lambda net: net.double(),
    "a class": lambda net: setattr(net, "__class__", type("Other", (Steered,), {"shift": 2.0})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_network_gives_its_new_scores(change: str, traces: list[tuple[int, ...]]) -> None:
    """Whatever was changed between two calls, and however, the second goes by what the network is then."""
    net = Steered().eval()
    before = scores(net)
    np.testing.assert_allclose(before, expected(net), atol=1e-5)
    traced = len(traces)
    scores(net)
    assert len(traces) == traced, "remembered"
    CHANGES[change](net)
    after = scores(net)
    assert len(traces) > traced
    np.testing.assert_allclose(after, expected(net), atol=1e-5)
    assert np.abs(after - before).max() > (0 if change == "all in float64" else 1e-3)


@pytest.mark.parametrize(
    ("name", "value"), [("GLOBAL_SCALE", 3.0), ("SLOPES", [0.7]), ("helped", lambda x: x * GLOBAL_SCALE + 1)]
)
def test_what_code_reads_counts(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Globals that a network's own code reads, also through functions of people's own, may be set anew."""
    net = Steered().eval()
    before = scores(net)
    monkeypatch.setitem(globals(), name, value)
    np.testing.assert_allclose(scores(net), expected(net), atol=1e-5)
    assert np.abs(scores(net) - before).max() > 1e-3


def test_class_attributes_and_methods_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a class defines may be set anew, also in torch's own classes for its forward pass."""
    net = Steered().eval()
    known = {str(likeness(net))}
    for owner, name, value in (
        (Steered, "shift", 2.0),
        (nn.ReLU, "forward", lambda self, x: torch.relu(x) * 2),
        (Steered, "forward", lambda self, x: self.last(self.first(x))),
    ):
        monkeypatch.setattr(owner, name, value)
        np.testing.assert_allclose(scores(net), expected(net), atol=1e-5)
        known.add(str(likeness(net)))
    assert len(known) == 4


def test_training_mode_is_noticed() -> None:
    """A network that was analysed is refused in training mode, and is exact again in evaluation mode."""
    net = Steered().eval()
    first = ex.analyse(net, SHAPE)
    assert isinstance(ex.analyse(net.train(), SHAPE), ex.Refused)
    net.eval()
    net.middle.train()
    net.middle.append(nn.Dropout())
    assert isinstance(ex.analyse(net, SHAPE), ex.Refused)
    del net.middle[1]
    again = ex.analyse(net.eval(), SHAPE)
    assert isinstance(again, ex.Derived)
    assert again.context == first.context


class Outside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.held = nn.Conv2d(1, 2, 3, padding=1), None

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * float(os.environ.get("EXACTILE_TEST_SCALE", "1"))


def importing(x: Tensor) -> Tensor:
    import zoo

    return x * len(zoo.__name__)


def unlike(net: nn.Module, **held: object) -> nn.Module:
    vars(net).update(held)
    return net.eval()


def exported() -> nn.Module:
    return torch.export.export(nn.Conv2d(1, 2, 3).eval(), (torch.zeros(1, 1, 8, 8),)).module()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda: Outside().eval(),
        lambda: unlike(nn.ReLU(), config=Config()),
        lambda: unlike(nn.ReLU(), function=importing),
        lambda: unlike(nn.ReLU(), numbers=iter([1, 2])),
        lambda: unlike(nn.ReLU(), objects=np.array([object()])),
        lambda: torch.jit.script(nn.Conv2d(1, 2, 3).eval()),
        lambda: nn.Sequential(torch.jit.script(nn.Conv2d(1, 2, 3).eval())),
        lambda: torch.jit.trace(nn.Conv2d(1, 2, 3).eval(), torch.zeros(1, 1, 8, 8)),
        exported,
        lambda: torch.fx.symbolic_trace(nn.Conv2d(1, 2, 3).eval()),
    ],
)
def test_what_cannot_be_watched_is_not_remembered(make: Callable[[], nn.Module]) -> None:
    """Objects with contents of their own, what lies outside, TorchScript and lists of steps: nobody knows."""
    assert likeness(make()) is None


def test_each_question_has_its_own_answer(traces: list[tuple[int, ...]]) -> None:
    """Shapes and paddings are told apart; the last few are remembered, and refusals, too."""
    net = Steered().eval()
    first = analyse_module(net, 1, SHAPE)
    assert isinstance(first, ex.Derived)
    assert analyse_module(net, 1, SHAPE).bound is first.bound
    assert analyse_module(net, 1, SHAPE).passes is first.passes
    others = [(41, 48 + n) for n in range(MOST)]
    assert [analyse_module(net, 1, other).shape for other in others] == others
    traced = len(traces)
    assert [analyse_module(net, 1, other).shape for other in others] == others
    assert len(traces) == traced
    assert analyse_module(net, 1, SHAPE).bound is not first.bound
    assert isinstance(analyse_module(net, 2, SHAPE), ex.Refused)
    assert analyse_module(net, 2, SHAPE) is analyse_module(net, 2, SHAPE)


def test_a_network_goes_away_with_its_last_user() -> None:
    """What is remembered does not keep a network alive; an analysis in somebody's hands does, as before."""
    net = Steered().eval()
    net.middle.append(nn.InstanceNorm2d(4))
    gone, analysis = ref(net), ex.analyse(net, SHAPE)
    assert isinstance(analysis, ex.Derived)
    del net
    assert analysis.evenly().shape == SHAPE
    del analysis
    gc.collect()
    assert gone() is None


def test_threads_that_ask_at_once_get_what_is_true_for_each() -> None:
    """Several threads with several shapes of two networks, of which one is changed meanwhile, do not mix."""
    nets = [Steered().eval(), Steered().eval()]
    shapes = [(40 + n, 50 - n) for n in range(4)]
    questions = [(net, shape) for net in nets for shape in shapes] * 3

    def ask(question: tuple[Steered, tuple[int, ...]]) -> tuple[int, ...]:
        net, shape = question
        net.kernels.append(len(net.kernels)) if net is nets[1] and len(net.kernels) < 4 else None
        return ex.analyse(net, shape).shape

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, questions)) == [shape for _net, shape in questions]
    np.testing.assert_allclose(scores(nets[1]), expected(nets[1]), atol=1e-5)
