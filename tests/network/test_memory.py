"""The memory of a tile is known before it is computed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_exactile.geometry.interval import full_box
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.cost.memory import peak_trimmed
from peak_memory import ZOO, UNet, UNet3D, peak_of


@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
@pytest.mark.parametrize("name", ZOO)
def test_predicted_memory_is_within_15_percent(name: str, method: Any) -> None:
    """A tile in the middle of the image takes what the plan says, within 15 %."""
    net, analysis, plan = ZOO[name].planned(method)
    assert plan.peak_bytes == pytest.approx(ZOO[name].measured(net, analysis, plan), rel=0.15)


@pytest.mark.skipif(
    not torch.backends.cpu.get_cpu_capability().startswith("AVX512"),
    reason="this processor has no second set of instructions to compute with",
)
@pytest.mark.parametrize("method", ["trimmed", "whole-tile"])
def test_predicted_memory_is_that_of_the_processor(method: str) -> None:
    """With the kernels of older processors, volumes take less, and no more is predicted: 15 % there, too."""
    code = (
        "import sys; from peak_memory import ZOO; case = ZOO['3D U-Net'];"
        "net, analysis, plan = case.planned(sys.argv[1]);"
        "print(plan.peak_bytes, case.measured(net, analysis, plan))"
    )
    older = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, method],
        cwd=Path(__file__).parents[1] / "support", env=os.environ | older,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    predicted, measured = map(int, done.stdout.split()[-2:])
    assert predicted == pytest.approx(measured, rel=0.15)
    *_, plan = ZOO["3D U-Net"].planned(method)  # type: ignore[arg-type]
    # Trimmed, it is most in its first layer, which torch computes by itself on all of them.
    assert predicted < plan.peak_bytes if method == "whole-tile" else predicted == plan.peak_bytes


def test_memory_grows_with_the_tile() -> None:
    """Of a longer zone, at least as much is predicted; small volumes, torch computes by itself, with more."""
    for axes, net in ((2, UNet(base=8, levels=2)), (3, UNet3D())):
        bound = analyse_module(net.eval(), 1, (256,) * axes).bound
        lengths = range(16 if axes == 2 else 64, 256, 16)
        peaks = [peak_trimmed(bound, full_box((length,) * axes)) for length in lengths]
        assert peaks == sorted(peaks)


def test_the_measure_sees_what_is_freed_in_passing() -> None:
    """The helper counts tensors that are gone when the computation ends, and not those from before it."""
    before = torch.zeros(1 << 20)

    def compute() -> float:
        return float((before + 1).sum())

    assert peak_of(compute) == pytest.approx(4 << 20, rel=0.01)
