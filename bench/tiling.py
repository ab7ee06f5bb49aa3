"""Time and error of tiling against one pass over the whole image, as ratios in one run.

.venv/bin/python bench/tiling.py
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch

import napari_exactile as ex
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.run.check.metrics import difference
from napari_exactile.run.engine.local.executor import Executor

Image = np.ndarray[Any, Any]
REPEATS = 3
PLANS: dict[str, dict[str, Any]] = {
    "usual tiling, tile 512": {"tile": 512, "method": "whole-tile"},
    "trimmed, tile 512 (zone 320)": {"tile": 512},
    "trimmed, automatic": {},
    "trimmed, tile 960 (zone 768)": {"tile": 960},
}


def main() -> None:
    net = UNet(base=16).eval()
    randomise(net, 0)
    image = np.random.default_rng(0).integers(0, 4000, (1536, 1536)).astype(np.uint16)
    lively = ex.load_model(net, probabilities=True, name="U-Net base 16, random weights")
    compare(image, lively, layouts=("channels last", "channels first"))
    print()
    compare(draw_colonies((2048, 2048), seed=2021).image, ex.load_model("colonies-demo"))


@contextmanager
def layout(name: str) -> Iterator[None]:
    """Lay images and weights out in memory as the program does (channels last), or otherwise."""
    original = Executor._placed
    if name == "channels first":
        Executor._placed = lambda self, tensor: tensor.to(self._device)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Executor._placed = original  # type: ignore[method-assign]


def compare(image: Image, model: ex.Model, layouts: tuple[str, ...] = ("channels last",)) -> None:
    """Print a table; each round runs every way once, so that a busy machine slows all alike."""
    ways: dict[str, Callable[[], Any]] = {"one pass": lambda: ex.segment_whole(image, model)}
    for name, settings in PLANS.items():
        ways[name] = partial(ex.segment, image, model, probabilities=True, **settings)
    results: dict[tuple[str, str], Any] = {}
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(REPEATS):
        for key in product(layouts, ways):
            with layout(key[0]):
                start = time.perf_counter()
                results[key] = ways[key[1]]()
                seconds[key].append(time.perf_counter() - start)
    once = statistics.median(seconds[layouts[0], "one pass"])
    side, threads = f"{image.shape[0]} x {image.shape[1]} px", torch.get_num_threads()
    print(f"{model.name}, {side}, {threads} threads, one pass takes {once:.1f} s")
    print(f"{'':<48}{'time':>8}{'computing':>11}{'ME':>6}{'RMSE':>10}")
    for key, result in results.items():
        whole = results[key[0], "one pass"]
        apart = difference(result.labels, result.probabilities, whole.labels, whole.probabilities)
        ratio, cost = statistics.median(seconds[key]) / once, result.report.redundancy
        name = f"{key[1]}, {key[0]}"
        print(f"{name:<48}{ratio:>8.2f}{cost:>11.2f}{apart.misclassified:>6}{apart.rmse:>10.1e}")


if __name__ == "__main__":
    main()
