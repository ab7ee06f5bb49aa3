"""Time and error of tiling against one pass over the whole image, as ratios in one run.

.venv/bin/python bench/tiling.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import napari_exactile as ex
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.models.unet import UNet, randomise
from napari_exactile.run.executor import Executor
from napari_exactile.run.scores import difference

REPEATS = 3
PLANS: dict[str, dict[str, Any]] = {
    "usual tiling, tile 512": {"tile": 512, "method": "whole-tile"},
    "trimmed, tile 512 (zone 320)": {"tile": 512},
    "trimmed, automatic (zone 512)": {},
    "trimmed, tile 960 (zone 768)": {"tile": 960},
}


def main() -> None:
    net = UNet(base=16).eval()
    randomise(net, 0)
    image = np.random.default_rng(0).integers(0, 4000, (1536, 1536)).astype(np.uint16)
    lively = ex.load_model(net, probabilities=True, name="U-Net base 16, random weights")
    compare(image, lively)
    original = Executor._placed
    Executor._placed = lambda self, tensor: tensor.to(self._device)  # type: ignore[method-assign]
    print("\nthe same with channels first in memory")
    compare(image, lively)
    Executor._placed = original  # type: ignore[method-assign]
    print()
    compare(draw_colonies((2048, 2048), seed=2021).image, ex.load_model("colonies-demo"))


def compare(image: np.ndarray[Any, Any], model: ex.Model) -> None:
    """Print one table; each round runs every way once, so that a busy machine slows all alike."""
    ways: dict[str, Callable[[], Any]] = {"one pass": lambda: ex.segment_whole(image, model)}
    for name, settings in PLANS.items():
        ways[name] = lambda settings=settings: ex.segment(image, model, probabilities=True, **settings)
    results, seconds = {}, {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            start = time.perf_counter()
            results[name] = way()
            seconds[name].append(time.perf_counter() - start)
    whole = results["one pass"]
    once = statistics.median(seconds["one pass"])
    side, threads = f"{image.shape[0]} x {image.shape[1]} px", torch.get_num_threads()
    print(f"{model.name}, {side}, {threads} threads, one pass takes {once:.1f} s")
    print(f"{'':<32}{'time':>8}{'computing':>11}{'ME':>6}{'RMSE':>10}")
    for name, result in results.items():
        apart = difference(result.labels, result.probabilities, whole.labels, whole.probabilities)
        ratio = statistics.median(seconds[name]) / once
        cost = result.report.redundancy
        print(f"{name:<32}{ratio:>8.2f}{cost:>11.2f}{apart.misclassified:>6}{apart.rmse:>10.1e}")


if __name__ == "__main__":
    main()
