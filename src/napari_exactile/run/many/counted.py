"""What is counted in labels: pixels of each class, their size, and objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.geometry.interval import Interval
from napari_exactile.images.making import Making
from napari_exactile.images.objects.components import label_objects
from napari_exactile.images.objects.numbers import numbers_on_disk
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.file.records import Around
from napari_exactile.stopping import Check

SIDE = 2048
UNITS = {1: "um", 2: "um2", 3: "um3"}


def counts(series: Series, check: Check) -> dict[str, Any]:
    """Return pixels and sizes of each class of complete labels; nothing where a pixel has no single one."""
    task = series.task
    if not task.decision.one_label:
        return {}
    found = np.zeros(task.classes + 1, np.int64)
    for part in _parts(_asked(series), check):
        found += np.bincount(part.ravel(), minlength=len(found))[: len(found)]
    names = task.model.card.class_names(task.classes)
    pixels = dict(zip(names, found[: task.classes].tolist(), strict=True))
    size = pixel_size(series)
    space = len(task.plan.radius)
    if size is None or len(size) != space:
        return {"pixels": pixels}
    sizes = {name: count * prod(size) for name, count in pixels.items()}
    return {"pixels": pixels, "sizes": sizes, "unit": UNITS[space]}


def pixel_size(series: Series) -> tuple[float, ...] | None:
    """Return the size of a label in micrometres, along the axes of space that have one."""
    size = series.task.planes.pixel_size
    return size and tuple(series.task.analysis.grid.pixel_size(size)[-len(series.task.plan.radius) :])


def objects(series: Series, around: Around, folder: Path, check: Check) -> dict[str, int] | None:
    """Return how many objects each class has; None where a pixel has no single class."""
    task = series.task
    if not task.decision.one_label:
        return None
    card, axes = task.model.card, task.planes.axes
    with _room(series.labels, axes, folder) as numbers:
        finding = Making(
            label_objects(
                series.labels, card.background, connectivity=around.connectivity or 1,
                min_size=around.min_size or 0, axes=axes, out=numbers,
            )
        )  # fmt: skip
        for _fraction in finding:
            check()
    names = card.class_names(task.classes)
    found = np.bincount(finding.made.values, minlength=task.classes)
    return {name: int(found[n]) for n, name in enumerate(names) if n != card.background}


def _room(labels: Any, axes: str, folder: Path) -> AbstractContextManager[Any]:
    """Return where the numbers of objects are written: on disk where the labels are."""
    if isinstance(labels, np.ndarray):
        return nullcontext()
    return numbers_on_disk(labels.shape, axes, folder)


def _asked(series: Series) -> Any:
    """Return the labels of what was asked for: those of other planes of a stack are none."""
    indices = series.task.planes.indices
    return series.labels[indices[0]] if len(indices) == 1 and indices[0] else series.labels


def _parts(labels: Any, check: Check) -> Iterator[Any]:
    """Yield all labels, a part of a plane at a time."""
    sides = [SIDE if axis >= len(labels.shape) - 2 else 1 for axis in range(len(labels.shape))]
    starts = [range(0, length, side) for length, side in zip(labels.shape, sides, strict=True)]
    for corner in product(*starts):
        check()
        box = [Interval(start, start + side) for start, side in zip(corner, sides, strict=True)]
        yield np.asarray(labels[tuple(slice(one.start, one.stop) for one in box)])
