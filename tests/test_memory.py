"""The memory of a tile is known before it is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_exactile.geometry.interval import full_box
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.memory import peak_trimmed
from peak_memory import ZOO, UNet3D, peak_of


@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
@pytest.mark.parametrize("name", ZOO)
def test_predicted_memory_is_within_15_percent(name: str, method: Any) -> None:
    """A tile in the middle of the image takes what the plan says, within 15 %."""
    net, analysis, plan = ZOO[name].planned(method)
    assert plan.peak_bytes == pytest.approx(ZOO[name].measured(net, analysis, plan), rel=0.15)


def test_memory_grows_with_the_tile() -> None:
    """Of a longer zone, at least as much is predicted."""
    bound = analyse_module(UNet3D().eval(), 1, (256,) * 3).require()
    peaks = [peak_trimmed(bound, full_box((length,) * 3)) for length in range(16, 256, 16)]
    assert peaks == sorted(peaks)


def test_the_measure_sees_what_is_freed_in_passing() -> None:
    """The helper counts tensors that are gone when the computation ends, and not those from before it."""
    before = torch.zeros(1 << 20)

    def compute() -> float:
        return float((before + 1).sum())

    assert peak_of(compute) == pytest.approx(4 << 20, rel=0.01)
