"""Time and memory of planning a very large image: no pixel is computed.

.venv/bin/python bench/planning.py
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from itertools import islice
from typing import Any

import psutil
from torch import nn

import napari_exactile as ex
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet
from napari_exactile.network.cone.cone import Cone

SHAPE = (100_000, 50_000)
NETWORKS: dict[str, Callable[[], nn.Module]] = {"U-Net": UNet, "FC-DenseNet-56": FCDenseNet}
TILES = {"U-Net": (512, 768, "auto"), "FC-DenseNet-56": (1152, 1664, "auto")}


def main() -> None:
    print(
        f"{SHAPE[0]} x {SHAPE[1]} px{'tile':>28}{'tiles':>10}{'analysis':>10}{'plan':>9}{'again':>9}", end=""
    )
    print(f"{'a tile':>9}{'traced':>10}{'resident':>10}")
    for name, make in NETWORKS.items():
        net = make().eval()
        for tile in TILES[name]:
            print(row(name, net, tile))


def row(name: str, net: nn.Module, tile: Any) -> str:
    """One line: seconds of the analysis, milliseconds of plan and boxes, megabytes that both take at most."""
    resident = psutil.Process().memory_info().rss
    seconds, analysis = timed(lambda: ex.analyse(net, SHAPE))
    first, plan = timed(lambda: ex.plan_tiles(analysis, tile=tile))
    again, _ = timed(lambda: ex.plan_tiles(analysis, tile=tile))
    boxes = microseconds_per_tile(analysis, plan)
    grown = psutil.Process().memory_info().rss - resident
    tracemalloc.start()
    ex.plan_tiles(ex.analyse(net, SHAPE), tile=tile)
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    figures = f"{seconds:>8.1f} s{first * 1e3:>6.1f} ms{again * 1e3:>6.1f} ms{boxes:>6.0f} us"
    size = f"{tile if tile != 'auto' else 'auto, ' + ' x '.join(map(str, plan.tile))}"
    return f"{name:<17}{size:>28}{len(plan):>10}{figures}{traced / 1e6:>7.1f} MB{grown / 1e6:>7.1f} MB"


def microseconds_per_tile(analysis: ex.Analysis, plan: ex.Plan, count: int = 2000) -> float:
    """Time of finding all boxes of a tile, over the first tiles of a plan."""
    cone, zones = Cone(analysis.bound), [tile.zone for tile in islice(plan, count)]
    seconds, _ = timed(lambda: [cone.reads(zone) for zone in zones])
    return seconds / count * 1e6


def timed(compute: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = compute()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
