"""The memory of one tile: predicted, taken from the allocator, and with cuDNN's search for kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch

from gpu_rows.bench import Bench, Rows, Work
from gpu_rows.networks import MissingPackageError, analysed, network, work_of
from gpu_rows.report import Row
from napari_exactile.images.planes import Planes
from napari_exactile.images.source import ArraySource
from napari_exactile.models.load import load_model
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.task import Task
from peak_memory import peak_of

SECTION = "memory of a tile"
TILES = (256, 512, 1024, 2048)
NETWORKS = dict.fromkeys(("U-Net, base 64", "DynUNet"), TILES) | {
    "FC-DenseNet-56": (896, 1024, 2048),  # with 416 px of context
    "3D U-Net, base 16": (48, 64, 96, 128, 192),
}
QUICK = {"U-Net, base 64": (64, 128), "DynUNet": (128,), "3D U-Net, base 16": (24,)}
# Whole tiles through the unchanged network, beside trimmed ones.
WHOLE = {"U-Net, base 64"}


def work(bench: Bench) -> Iterator[Work]:
    """Yield one row for each network, tile and method, with and without the search."""
    for name, tiles in (QUICK if bench.quick else NETWORKS).items():
        for method in ("trimmed", *(["whole-tile"] if name in WHOLE else [])):
            for tile in tiles:
                row = f"{name}, {method}, {tile}"
                axes = 3 if name.startswith("3D") else 2
                macs = 4 * work_of(name, bench.quick, tile**axes)
                measure = partial(measured, bench, row, name, method, tile)
                yield Work(SECTION, (row,), measure, 0.5 if bench.quick else 1, macs)


def measured(bench: Bench, row: str, name: str, method: Any, tile: int) -> Rows:
    """Yield what was predicted of a tile in the middle of an image, and what it took."""
    axes = 3 if name.startswith("3D") else 2
    try:
        job = _job(bench, name, method, tile, axes)
        passes = _passes(bench, job)
    except MissingPackageError as error:
        yield Row(SECTION, row, skipped=str(error))
        return
    zone = _middle(job)
    compute = partial(
        job.engine.executor().scores, zone, job.task.plan.radius, job.task.plan.method, lambda: None
    )
    predicted = job.task.plan.peak_bytes
    values = {"predicted, MB": predicted / 1e6} | passes | _taken(bench, compute)
    values["predicted / taken"] = predicted / 1e6 / values["taken, MB"]
    yield Row(SECTION, row, dict(values))
    if bench.cuda:
        with searching():
            compute()
            found = _taken(bench, compute)
        yield Row(
            SECTION, row, values | {f"with cuDNN's search: {key}": value for key, value in found.items()}
        )


def _job(bench: Bench, name: str, method: Any, tile: int, axes: int) -> Job:
    """Return a job that knows what it must of its image, which is twice as long as a tile."""
    net = network(name, bench.quick)
    side = 2 * tile + 64
    analysis = analysed(name, bench.quick, (side,) * axes)
    pixels = np.random.default_rng(0).random((side,) * axes, dtype=np.float32)
    kind = "cuda" if bench.cuda else "cpu"
    settings = Settings(tile=tile, method=method, normalization="none", device=kind)
    return Job(Task.of(Planes.single(ArraySource(pixels)), load_model(net, channels=1), analysis, settings))


def _passes(bench: Bench, job: Job) -> dict[str, float]:
    """Return the most that tensors took in passes over the image before its tiles, where there are any."""
    if bench.cuda:
        torch.cuda.reset_peak_memory_stats(bench.device)
    for _event in job.engine.prepare():
        pass
    several = bench.cuda and job.task.analysis.statistics
    return {"passes before it, MB": torch.cuda.max_memory_allocated(bench.device) / 1e6} if several else {}


def _middle(job: Job) -> Any:
    tiling = job.task.plan.tiling
    index = tiling.at(tuple(length // 2 for length in tiling.shape))
    tile = tiling.tile(index if index is not None else 0)
    assert prod(map(len, tile.zone))
    return tile.zone


def _taken(bench: Bench, compute: Callable[[], Any]) -> dict[str, float]:
    """Return the most that tensors took, and the most that the allocator had for them."""
    with exact(), torch.no_grad():
        compute()  # places the weights
        bench.free()
        if not bench.cuda:
            return {"taken, MB": peak_of(compute) / 1e6}
        torch.cuda.reset_peak_memory_stats(bench.device)
        before = torch.cuda.memory_reserved(bench.device)
        taken = peak_of(compute, bench.device)
        reserved = torch.cuda.max_memory_reserved(bench.device) - before
    return {"taken, MB": taken / 1e6, "reserved, MB": reserved / 1e6}


@contextmanager
def exact() -> Iterator[None]:
    """Leave out TF32, and nothing else: the search is what is compared."""
    cudnn: Any = torch.backends.cudnn
    before = cudnn.conv.fp32_precision
    cudnn.conv.fp32_precision = "ieee"
    try:
        yield
    finally:
        cudnn.conv.fp32_precision = before


@contextmanager
def searching() -> Iterator[None]:
    """Let cuDNN time its kernels for each new shape and take the fastest, whatever memory that takes."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
