"""A run leaves the network, and torch's own settings, as they were."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.network.traced.forms import on_device
from small_runs import network, picture


@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
def test_the_network_is_left_untouched(method: Any) -> None:
    """After a run, values, memory, layout, mode, gradients and hooks of the network are what they were."""
    net = network(2, 1, base=8)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    facts = tensor_facts(net)
    ex.segment(picture(50, 50), net, method=method)
    ex.segment_whole(picture(50, 50), net)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert tensor_facts(net) == facts
    assert not any(module.training for module in net.modules())
    for module in net.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks


def tensor_facts(net: nn.Module) -> list[tuple[Any, ...]]:
    """Everything about a network's tensors but their values."""
    tensors = [*net.named_parameters(), *net.named_buffers()]
    return [
        (name, t.data_ptr(), t.stride(), t.device, t.dtype, t.requires_grad, t.grad) for name, t in tensors
    ]


def test_arithmetic_settings_are_restored() -> None:
    """A run leaves torch's own settings for speed and precision as the user had them."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision
    cudnn.benchmark = True
    try:
        ex.segment(picture(16, 16), network())
        assert cudnn.benchmark
    finally:
        cudnn.benchmark = before[0]
    assert (cudnn.benchmark, cudnn.deterministic, cudnn.conv.fp32_precision) == before


def test_the_network_stays_as_it_is() -> None:
    """Where a module has two names and two modules share a weight, both are parameters still after a run."""
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
    )
    net.again = net[1]
    net[2].weight = net[1].weight
    net.forward = lambda x: net[2](net.again(net[0](x)))  # type: ignore[method-assign]
    before = {name: (id(weight), weight.clone()) for name, weight in net.state_dict(keep_vars=True).items()}
    ex.segment_whole(np.random.default_rng(0).random((20, 20)), ex.load_model(net.eval()))
    for name, weight in net.state_dict(keep_vars=True).items():
        assert id(weight) == before[name][0]
        assert torch.equal(weight, before[name][1])
    assert all(isinstance(weight, nn.Parameter) for weight in net.parameters())


class Slow(nn.Module):
    """A network that lets other threads in."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.002)
        return self.layer(x)


def test_passes_in_several_threads_leave_it_as_it_is() -> None:
    """Whole tiles go through the network itself: threads that do so are not in each other's way."""
    net, image = Slow().eval(), picture(60, 60).astype(np.float32)
    before, expected = tensor_facts(net), ex.segment_whole(image, net, normalization="none").labels
    settings = {"method": "whole-tile", "tile": 20, "normalization": "none"}
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(ex.segment, image, net, **settings) for _ in range(6)]
        assert all(np.array_equal(run.result().labels, expected) for run in runs)
    assert tensor_facts(net) == before
    assert all(isinstance(weight, nn.Parameter) for weight in net.parameters())


def test_a_copy_on_another_device_is_the_same_network() -> None:
    """All tensors of the copy are there, shared ones are shared, and the network itself stays where it is."""
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))
    net[0].bias = net[1].bias
    net.loose = torch.ones(2)  # no buffer
    before = tensor_facts(net)
    copy = on_device(net, torch.device("meta"))
    assert copy is not net
    assert on_device(net, torch.device("cpu")) is net
    tensors = [*copy.parameters(), *copy.buffers(), copy.loose]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert copy[0].bias is copy[1].bias
    assert [name for name, _ in copy.named_parameters()] == [name for name, _ in net.named_parameters()]
    assert tensor_facts(net) == before
