"""What networks that look at the whole image cost: passes, kept bytes, arithmetic and time against one pass.

.venv/bin/python bench/passes.py      (needs MONAI: pip install monai)
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import napari_exactile as ex
from napari_exactile.models.random_weights import randomise
from napari_exactile.network.cost.passes import PassPlanner
from napari_exactile.run.check.metrics import difference
from napari_exactile.run.engine.reference import one_pass
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task

# Zones of 192 px: an image of 36 of them.
SIZE, TILE = 1024, 512
BUDGETS = (0, 16e6, 64e6, 20e9)


def main() -> None:
    warnings.simplefilter("ignore")
    from monai.networks.nets import DynUNet

    # nnU-Net's plain 2D U-Net, planned at its own width.
    widths = [32, 64, 128, 256, 512, 512, 512]
    net = DynUNet(2, 1, 2, [3] * 7, [1, *[2] * 6], [2] * 6, filters=widths, norm_name="instance").eval()
    planned(ex.analyse(ex.load_model(net), (2048, 2048)).passes)

    # Computed at a quarter of its width.
    widths = [8, 16, 32, 64, 128, 128]
    net = DynUNet(2, 1, 3, [3] * 6, [1, *[2] * 5], [2] * 5, filters=widths, norm_name="instance").eval()
    randomise(net, 0)
    model = ex.load_model(net, name="DynUNet")
    image = np.random.default_rng(0).normal(size=(SIZE, SIZE))
    analysis = ex.analyse(model, image.shape)
    task = image_task(image, model, Settings())  # a trace would be counted, too
    whole, once, flops = measured(lambda: one_pass(task))
    exact = ex.segment_whole(image, ex.load_model(net.double()))
    net.float()
    print(f"{len(analysis.statistics)} instance norms, {SIZE} x {SIZE} px, tile {TILE}, ", end="")
    print(f"{torch.get_num_threads()} threads, one pass takes {once:.1f} s")
    head = f"{'may be kept':>12}{'kept':>10}{'passes':>8}{'planned':>9}{'counted':>9}"
    print(f"{head}{'time':>7}{'ME':>5}{'RMSE':>10}")
    for budget in BUDGETS:
        settings: Any = {"tile": TILE, "scratch_limit": int(budget), "probabilities": True}
        job = Job(image_task(image, model, Settings(**settings)))
        _events, seconds, done = measured(lambda: list(job.run()))  # noqa: B023  (called at once)
        result = job.result()
        kept = analysis.passes.within(int(budget)).bytes
        apart = difference(result.labels, result.probabilities, exact.labels, exact.probabilities)
        print(f"{budget / 1e6:>9.0f} MB{kept / 1e6:>7.0f} MB{result.report.passes:>8}", end="")
        print(f"{result.report.redundancy:>9.2f}{done / flops:>9.2f}{seconds / once:>7.2f}", end="")
        print(f"{apart.misclassified:>5}{apart.rmse:>10.1e}", flush=True)
    apart = difference(whole.labels, whole.probabilities, exact.labels, exact.probabilities)
    print(f"the float32 pass itself, against float64: ME {apart.misclassified}, RMSE {apart.rmse:.1e}")


def planned(passes: PassPlanner) -> None:
    """Print the cost of whole tensors by what may be kept: the table of docs/theory.md."""
    once = sum(passes.work)
    for budget in (0, 100e6, 250e6, 500e6, 1e9, 2e9):
        kept = passes.choose(int(budget))
        most, cost = passes.peak(kept) / 1e6, passes.cost(kept) / once
        print(f"{budget / 1e6:>9.0f} MB may be kept,{most:>6.0f} MB are: the work of {cost:.2f} passes")
    print()


def measured(run: Any) -> tuple[Any, float, int]:
    """Return the result, the seconds that it took, and the arithmetic that was counted meanwhile."""
    start = time.perf_counter()
    with FlopCounterMode(display=False) as counter:
        result = run()
    return result, time.perf_counter() - start, counter.get_total_flops()


if __name__ == "__main__":
    main()
