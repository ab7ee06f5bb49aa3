"""Multiply-accumulates per second of trimmed execution by the size of the zone, which automatic tiles go by.

.venv/bin/python bench/throughput.py
"""

from __future__ import annotations

import statistics
import time
from functools import partial

import torch

from napari_exactile.geometry.interval import Interval, box_shape
from napari_exactile.models.unet import UNet
from napari_exactile.network.analysis import analyse_module
from napari_exactile.network.cone.cone import Cone
from napari_exactile.network.cost.arithmetic import work_trimmed
from napari_exactile.network.cost.memory import peak_trimmed

NETWORKS = {
    "U-Net, base 8": partial(UNet, base=8),
    "U-Net, base 16": partial(UNet, base=16),
    "U-Net, base 32": partial(UNet, base=32),
}
ZONES = (64, 128, 192, 256, 384, 512, 768, 1024)
MOST_WORK = 250e9


def main() -> None:
    print(f"{torch.get_num_threads()} threads")
    print(f"{'':<16}{'zone':>6}{'memory':>10}{'GMAC':>8}{'seconds':>9}{'GMAC/s':>8}")
    for name, make in NETWORKS.items():
        analysis = analyse_module(make().eval(), 1, (4096, 4096))
        bound = analysis.bound
        cone = Cone(bound.exchanged(node.with_constants(last) for node in analysis.graph.nodes[1:]))
        for length in ZONES:
            zone = (Interval(2048, 2048 + length),) * 2
            work = work_trimmed(bound, [[side] for side in zone])
            if work < MOST_WORK:
                image = torch.rand(1, 1, *box_shape(cone.reads(zone)))
                seconds = statistics.median(timed(cone, image, zone) for _ in range(3))
                figures = f"{work / 1e9:>8.1f}{seconds:>9.3f}{work / seconds / 1e9:>8.1f}"
                print(f"{name:<16}{length:>6}{peak_trimmed(bound, zone) / 1e6:>7.0f} MB{figures}", flush=True)


def last(tensor: torch.Tensor) -> torch.Tensor:
    """Lay weights out as a run does."""
    return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def timed(cone: Cone, image: torch.Tensor, zone: tuple[Interval, ...]) -> float:
    start = time.perf_counter()
    cone.run(image, zone)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
