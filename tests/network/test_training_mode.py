"""A network is in training mode where a part that may compute otherwise in it is."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.wrappers import is_indifferent

IMAGE = np.random.default_rng(0).normal(size=(40, 36)).astype(np.float32)


def network() -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1)
    return nn.Sequential(*layers).eval()


class Own(nn.Module):
    """A module of somebody's own, which may look at its switch."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


WRAPPED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "DataParallel": nn.DataParallel,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "Sequential": nn.Sequential,
    "with softmax": lambda net: nn.Sequential(net, nn.Softmax(1)),
    "twice": lambda net: nn.DataParallel(nn.Sequential(nn.Identity(), nn.Sequential(net))),
    "compiled": torch.compile,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*GPUs.*:UserWarning")
@pytest.mark.parametrize("name", WRAPPED)
def test_what_holds_an_evaluated_network_is_not_in_training(name: str) -> None:
    """The network inside was put into evaluation mode: it is analysed, run and measured as by itself."""
    model = ex.load_model(WRAPPED[name](network()), channels=1)
    assert ex.analyse(model, IMAGE.shape).refusals == ()
    assert ex.measure_context(model, (32, 32)) == ((1, 1), (1, 1))
    expected = ex.segment_whole(IMAGE, network()).labels
    np.testing.assert_array_equal(ex.segment(IMAGE, model, tile=24).labels, expected)


@pytest.mark.parametrize("name", ["DataParallel", "averaged", "twice", "with softmax"])
def test_what_holds_a_network_in_training_is_in_training(name: str) -> None:
    """A wrapper makes no network one that was put into evaluation mode."""
    (refusal,) = ex.analyse(WRAPPED[name](network().train()), IMAGE.shape).refusals
    assert "training mode" in refusal.reason
    assert refusal.remedy == "Call .eval() on it first"


def test_a_module_of_ones_own_counts() -> None:
    """What a module of one's own does in training is not known: its own switch counts, whatever is in it."""
    (refusal,) = ex.analyse(Own(network()), IMAGE.shape).refusals
    assert "training mode" in refusal.reason


def test_the_network_inside_is_the_model() -> None:
    """What torch wraps is taken out: name, weights and places are those of the network."""
    inner = network()
    model = ex.load_model(nn.DataParallel(torch.optim.swa_utils.AveragedModel(nn.DataParallel(inner))))
    assert type(model.module) is nn.Sequential
    assert model.name == "Sequential"
    assert ex.load_model(nn.DataParallel(inner)).module is inner


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_a_distributed_network_is_the_one_inside(tmp_path: Path) -> None:
    """DistributedDataParallel is taken off, too."""
    init = f"file://{tmp_path / 'group'}"
    torch.distributed.init_process_group("gloo", init_method=init, rank=0, world_size=1)
    try:
        inner = network()
        assert ex.load_model(nn.parallel.DistributedDataParallel(inner)).module is inner
    finally:
        torch.distributed.destroy_process_group()


def test_indifferent_modules_do_not_look_at_their_switch() -> None:
    """No module of torch's that is taken to compute the same in training reads whether it is in training."""
    kinds = [kind for kind in vars(nn).values() if inspect.isclass(kind) and issubclass(kind, nn.Module)]
    indifferent = []
    for kind in kinds:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = kind()
        except TypeError:
            continue  # those with arguments have their like among the others
        indifferent += [kind] if is_indifferent(made) else []
    sources = {
        kind.__name__: "".join(inspect.getsource(one) for one in kind.__mro__[:-2]) for kind in indifferent
    }
    assert {"ReLU", "Softmax", "Identity", "Upsample"} <= sources.keys()
    assert not [name for name, source in sources.items() if "self.training" in source]
