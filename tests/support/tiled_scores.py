"""The scores of a network for one image, tiled and in one pass, and how far they are from what is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from napari_exactile.geometry.interval import round_up, slices
from napari_exactile.images.planes import Planes
from napari_exactile.images.source import ArraySource
from napari_exactile.models.load import load_model
from napari_exactile.network.analysis import Analysis
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.methods import TRIMMED
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.task import Task
from napari_exactile.torch_state import exact_arithmetic

CPU = torch.device("cpu")


def job_of(net: nn.Module, analysis: Analysis, device: torch.device = CPU) -> Job:
    """Return a job for random pixels, in two zones an axis at least."""
    pixels = np.random.default_rng(0).normal(size=analysis.shape).astype(np.float32)
    settings = settings_for(analysis, device)
    job = Job(Task.of(Planes.single(ArraySource(pixels)), load_model(net, channels=1), analysis, settings))
    assert len(job.task.plan) > 1
    return job


def settings_for(analysis: Analysis, device: torch.device = CPU) -> Settings:
    """Return settings with zones of half the image or more, and at least two of them."""
    assert analysis.factor is not None
    assert analysis.radius is not None
    factor, longest = max(analysis.factor), max(len(side) for side in analysis.grid.covered)
    zone = round_up(-(-longest // 2), factor)
    kind = "cuda" if device.type == "cuda" else "cpu"
    return Settings(tile=zone + 2 * max(analysis.radius), normalization="none", device=kind)


def whole(job: Job) -> Tensor:
    """Return the scores of one pass, (1, classes, *shape) on the job's device."""
    drained(job.engine.measure())
    with exact_arithmetic():
        return job.engine.executor().whole()


def tiled(job: Job) -> Tensor:
    """Return the scores of trimmed execution, zone by zone."""
    drained(job.engine.prepare())
    executor, tiling, analysis = job.engine.executor(), job.task.plan.tiling, job.task.analysis
    shape = 1, analysis.classes, *analysis.grid.shape
    found = torch.full(shape, torch.nan, dtype=analysis.scores_dtype, device=job.task.device)
    with exact_arithmetic():
        for tile in tiling:
            box = analysis.part(tile.zone)
            assert box is not None
            found[(..., *slices(box))] = executor.scores(tile.zone, tiling.radius, TRIMMED, lambda: None)
    return found


def drained(events: Iterator[Event]) -> None:
    for _event in events:
        pass


def labels(scores: Tensor, of: Tensor) -> Tensor:
    """Return the best class, where another last bias has made all classes of `of` equally good on average."""
    return balanced(scores, of).argmax(1)


def balanced(scores: Tensor, of: Tensor) -> Tensor:
    even = scores - of.mean(dim=tuple(range(2, of.ndim)), keepdim=True)
    # One class and its opposite are two.
    return torch.cat([even, -even], 1) if even.shape[1] == 1 else even


@dataclass(frozen=True, eq=False)
class Apart:
    """How far `scores` are from `truth`, which is in float64; both (1, classes, *shape)."""

    scores: Tensor
    truth: Tensor

    @cached_property
    def error(self) -> float:
        """The largest difference; it counts NaN as endless."""
        apart = (self.scores.to(self.truth) - self.truth).abs()
        return float(apart.nan_to_num(torch.inf).max())

    @cached_property
    def misclassified(self) -> Tensor:
        """Where another label comes out."""
        return labels(self.scores.to(self.truth), self.truth) != labels(self.truth, self.truth)

    @cached_property
    def gaps(self) -> Tensor:
        """How far the two best classes are from each other where another label comes out."""
        best = balanced(self.truth, self.truth).topk(2, dim=1).values
        return (best[:, 0] - best[:, 1])[self.misclassified]

    @property
    def outside_near_ties(self) -> int:
        """Count the other labels that the largest difference does not explain."""
        return int((self.gaps > 2 * self.error).sum())


def is_as_good(tiled: Apart, whole: Apart) -> bool:
    """Tell whether a tiled result in float32 is at most three times as far from the truth as one pass.

    Where labels differ, the two best classes must be as good as each other.
    """
    floor = torch.finfo(torch.float32).eps * float(tiled.truth.abs().max())
    return tiled.error <= 3 * whole.error + floor and tiled.outside_near_ties == 0
