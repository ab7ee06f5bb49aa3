"""Networks that come as TorchScript or exported programs are analysed and computed as the eager ones are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import analyse_module

SHAPE = (70, 61)
EXAMPLE = torch.zeros(1, 1, 64, 64)


@pytest.fixture(scope="module")
def net() -> UNet:
    """F is 4 and 22 px of context are needed on every side."""
    network = UNet(levels=2, base=4, classes=3).eval().requires_grad_(False)
    randomise(network, 3)
    return network


def exported(network: nn.Module, **how: object) -> nn.Module:
    return torch.export.export(network, (EXAMPLE,), **how).module()  # type: ignore[arg-type]


def with_dynamic_sizes(network: nn.Module) -> nn.Module:
    sides = [4 * torch.export.Dim(name, min=4, max=1 << 20) for name in ("height", "width")]
    return exported(network, dynamic_shapes={"image": {2: sides[0], 3: sides[1]}})


def traced(network: nn.Module) -> nn.Module:
    return torch.jit.trace(network, EXAMPLE)


def frozen(network: nn.Module) -> nn.Module:
    return torch.jit.freeze(traced(network))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("form", [traced, frozen, with_dynamic_sizes])
def test_other_forms_of_a_network_give_its_labels(net: UNet, form: Callable[[nn.Module], nn.Module]) -> None:
    """F, context and labels are those of the eager network: its labels in one pass over the whole image."""
    module = form(net)
    analysis, eager = analyse_module(module, 1, SHAPE), analyse_module(net, 1, SHAPE)
    assert analysis.refusals == ()
    assert (analysis.factor, analysis.context) == (eager.factor, eager.context) == ((4, 4), ((22, 22),) * 2)
    image = np.random.default_rng(0).normal(size=SHAPE)
    whole = ex.segment_whole(image, ex.load_model(net, probabilities=True))
    model = ex.load_model(module, channels=1, probabilities=True)
    tiled = ex.segment(image, model, tile=60)
    assert tiled.report.exact
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    assert len(np.unique(whole.labels)) == 3


def test_an_export_of_a_fixed_size_is_refused_with_the_remedy(net: UNet) -> None:
    """It holds for one size only: the refusal says how to export it for all."""
    (refusal,) = analyse_module(exported(net), 1, SHAPE).refusals
    assert "size" in refusal.reason
    assert "Dim.DYNAMIC" in refusal.remedy
