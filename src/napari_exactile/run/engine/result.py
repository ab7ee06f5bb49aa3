"""What a run gives: labels, and a report of how they came about and how exact they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from napari_exactile.geometry.interval import box_shape, full_box
from napari_exactile.images.normalize.steps import Fill, Normalization
from napari_exactile.images.read.underlying import notes_on
from napari_exactile.images.source import ImageSource
from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True)
class Report:
    """How a result came about, and how exact it is; `reason` says why the model cannot be, if so.

    `shape` is that of the part of the image that was asked for, `output_shape` that of its labels. Label i of
    the whole image stands for `stride` pixels from `stride * i + offset` on, counted from the image's corner.
    Pixels of the value `ignore` were left out of the statistics. `seconds` are those of all runs that
    contributed. `gives` says in words what the network's numbers were taken for, and by what; `warnings` are
    what looks like a mistake, `notes` what one should know of the image and the model. `left_out` pixels were
    NaN: they are background. `padding` says in words, for each axis, what the image was padded to. `edited`
    labels were changed by hand after they were computed. `threshold` is what they depend on, if they do.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> report = ex.segment(np.zeros((64, 64), np.float32), nn.Conv2d(1, 2, 3).eval()).report
    >>> report.model, report.exact, report.shape, report.output_shape, report.offset
    ('Conv2d', True, (64, 64), (62, 62), (1.0, 1.0))
    """

    model: str
    shape: tuple[int, ...]
    exact: bool
    method: str
    factor: tuple[int, ...]
    context: tuple[tuple[int, int], ...] | None
    radius: tuple[int, ...]
    zone: tuple[int, ...]
    tiles: int
    tiles_done: int
    passes: int
    redundancy: float
    near_ties: int
    seconds: float
    device: str
    normalization: Normalization
    torch_version: str
    output_shape: tuple[int, ...]
    stride: tuple[float, ...]
    offset: tuple[float, ...]
    reason: str = ""
    ignore: float | None = None
    gives: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: int = 0
    padding: tuple[str, ...] = ()
    edited: bool = False
    threshold: float | None = None

    @property
    def megapixels_per_second(self) -> float:
        """Pixels of the finished tiles per second, in millions; an estimate while tiles are left."""
        share = self.tiles_done / max(1, self.tiles)
        return float(np.prod(self.shape)) * share / 1e6 / max(self.seconds, 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Labels (smallest integer type), probabilities (channels, *shape) if kept, and the report.

    Both are arrays of numpy, or of zarr in a store, where the order of axes is OME-Zarr's (t, c, z, y, x).

    The shape is the region's, or that of the part of the output that belongs to it, after the axes of a stack
    if there are such. Where each channel is decided by itself, labels are (channels, *shape). Where the
    output is values, they are in `probabilities` and there are no labels.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> result = ex.segment(np.zeros((32, 32), np.float32), nn.Conv2d(1, 2, 3).eval())
    >>> result.labels.shape, result.labels.dtype, result.probabilities is None
    ((30, 30), dtype('uint8'), True)
    """

    labels: Any
    probabilities: Any
    report: Report


def planned(task: Task, source: ImageSource, normalization: Normalization) -> Report:
    """Return what is to be said of one plane of a task, an image that is measured, before a tile is done."""
    plan, grid, settings = task.plan, task.analysis.grid, task.settings
    return Report(
        task.model.name, box_shape(settings.region or full_box(source.shape)), plan.exact, plan.method.name,
        plan.factor, task.analysis.context, plan.radius, plan.zor, len(plan), 0, len(plan.schedule.passes),
        plan.redundancy, 0, 0.0, str(task.device), normalization, torch.__version__, box_shape(task.labelled),
        tuple(map(float, grid.stride)), tuple(map(float, grid.offset)),
        "; ".join(map(str, task.analysis.refusals)), settings.ignore, task.gives,
        notes=(*task.model.card.notes, *notes_on(source)),
        left_out=sum(step.pixels or 0 for step in normalization.steps if isinstance(step, Fill)),
        padding=task.analysis.padding, threshold=task.decision.chosen_threshold,
    )  # fmt: skip


def summed(reports: Sequence[Report], stack: tuple[int, ...]) -> Report:
    """Return one report for all planes of a stack, which were computed alike."""
    first = reports[0]
    return replace(
        first,
        shape=(*stack, *first.shape),
        output_shape=(*stack, *first.output_shape),
        tiles=sum(report.tiles for report in reports),
        tiles_done=sum(report.tiles_done for report in reports),
        near_ties=sum(report.near_ties for report in reports),
        seconds=sum(report.seconds for report in reports),
        # What is odd about one plane may be usual in a stack.
        warnings=tuple(one for one in first.warnings if all(one in report.warnings for report in reports)),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        left_out=sum(report.left_out for report in reports),
    )
