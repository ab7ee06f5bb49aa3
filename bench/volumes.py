"""Volumes in tiles against one pass, beside two passes with different layouts in memory.

.venv/bin/python bench/volumes.py [SIDE]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.networks.nets import DynUNet, SegResNet  # type: ignore[attr-defined]
from scipy.ndimage import gaussian_filter
from torch import nn

import napari_exactile as ex
from napari_exactile.models.random_weights import randomise
from napari_exactile.run.check.metrics import difference

TILE = 64
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "DynUNet (instance norm)": lambda: DynUNet(
        3, 1, 3, [3, 3, 3], [1, 2, 2], [2, 2], filters=[8, 16, 32], norm_name="INSTANCE"
    ),
    "SegResNet (group norm)": lambda: SegResNet(3, 8, 1, 3, blocks_down=(1, 2), blocks_up=(1,)),
}


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 160
    noise = np.random.default_rng(0).normal(size=(side,) * 3)
    image = gaussian_filter(noise, 2).astype(np.float32)
    print(f"{side}^3 voxels, tiles of {TILE}, {torch.get_num_threads()} threads; against one pass")
    print(f"{'':<48}{'time':>7}{'computing':>11}{'largest':>10}{'RMSE':>10}{'ME':>7}{'near-ties':>11}")
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        net = make().eval()
        randomise(net, 0)
        compare(name, image, ex.load_model(net, name=name))


def compare(name: str, image: Any, model: ex.Model) -> None:
    start = time.perf_counter()
    whole = ex.segment_whole(image, model)
    once = time.perf_counter() - start
    start = time.perf_counter()
    tiled = ex.segment(image, model, tile=TILE, probabilities=True)
    row(f"{name}, tiled", tiled, whole, (time.perf_counter() - start) / once, tiled.report.redundancy)
    start = time.perf_counter()
    other = in_other_layout(image, model)
    row(f"{name}, one pass, channels last", other, whole, (time.perf_counter() - start) / once, 1.0)


def in_other_layout(image: Any, model: ex.Model) -> Any:
    """Return the labels and probabilities of one pass with channels last in memory."""
    normalised = (image - np.float32(image.mean(dtype=np.float64))) / np.float32(image.std(dtype=np.float64))
    layout = torch.channels_last_3d
    net = model.module.to(memory_format=layout)  # type: ignore[call-overload]
    with torch.no_grad():
        scores = net(torch.from_numpy(normalised)[None, None].to(memory_format=layout))
    net.to(memory_format=torch.contiguous_format)
    return scores.argmax(1)[0].numpy(), scores.softmax(1)[0].numpy()


def row(name: str, result: Any, whole: ex.Result, ratio: float, computing: float) -> None:
    labels, chances = result if isinstance(result, tuple) else (result.labels, result.probabilities)
    apart = difference(labels, chances, whole.labels, whole.probabilities)
    errors = (
        f"{apart.max_abs_difference:>10.1e}{apart.rmse:>10.1e}{apart.misclassified:>7}{apart.near_ties:>11}"
    )
    print(f"{name:<48}{ratio:>7.2f}{computing:>11.2f}{errors}", flush=True)


if __name__ == "__main__":
    main()
