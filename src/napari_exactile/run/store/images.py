"""The images that a task writes to a store: labels, beside them probabilities if kept, or values."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, nan
from typing import Any

import numpy as np

from napari_exactile.images.about.opened import Place
from napari_exactile.images.store.folder import NewImage
from napari_exactile.images.store.ome_zarr import (
    Axes,
    Class,
    channel_place,
    image_metadata,
    label_metadata,
    multiscales,
)
from napari_exactile.images.store.shards import StoreLayout
from napari_exactile.run.task.task import Task


def images_of(task: Task, name: str, where: Place) -> dict[str, NewImage]:
    """Return what a store must hold, by the names that `LabelStore` knows; the first is called `name`.

    `where` is the place of the image along the axes of the planes. Raises ValueError for a stack that
    OME-Zarr has no axes for.
    """
    if not task.decision.labels:
        return {"values": _numbers(task, name, where)}
    images = {"labels": _labels(task, name, where)}
    if task.settings.probabilities:
        images["probabilities"] = _numbers(task, f"{name} probabilities", where)
    return images


def main_image(task: Task, name: str, where: Place) -> NewImage:
    """Return the labels alone, or the values where there are none; see `images_of`."""
    return (_labels if task.decision.labels else _numbers)(task, name, where)


def _labels(task: Task, name: str, where: Place) -> NewImage:
    card = task.model.card
    channels = task.decision.channels if task.decision.leading else None
    layout = _layout(task, channels, np.min_scalar_type(task.unfinished), task.unfinished)
    names = ("no", "yes") if channels else card.class_names(task.classes)
    classes = tuple(map(Class, names, card.class_colors(task.classes)))
    scales = _multiscales(task, layout, name, where)
    return NewImage(layout, label_metadata(scales, classes, card.background))


def _numbers(task: Task, name: str, where: Place) -> NewImage:
    card = task.model.card
    layout = _layout(task, task.decision.channels, task.settings.number_type, nan)
    scales = _multiscales(task, layout, name, where)
    background = task.decision.background(card)
    return NewImage(layout, image_metadata(scales, _probable(task), background))


def _probable(task: Task) -> tuple[Class, ...]:
    """Return what each channel is the probability of; nothing for values."""
    decision, card = task.decision, task.model.card
    if not decision.labels:
        return ()
    count = max(2, decision.channels)
    # Of one channel, the probability is that of yes, the last name.
    return tuple(map(Class, card.class_names(count), card.class_colors(count)))[-decision.channels :]


def _layout(task: Task, channels: int | None, dtype: Any, unfinished: float) -> StoreLayout:
    """Return the layout of an image of so many channels, which come where OME-Zarr wants them."""
    leading, axes = list(task.planes.shape), task.planes.axes
    place = channel_place(axes)
    if channels is not None:
        leading.insert(place, channels)
        axes = f"{axes[:place]}c{axes[place:]}"
    return StoreLayout(
        tuple(leading), tuple(len(side) for side in task.labelled), _zone(task), axes, str(np.dtype(dtype)),
        unfinished, None if channels is None else place,
    )  # fmt: skip


def _zone(task: Task) -> tuple[int, ...]:
    """Return the size of a full zone in labels."""
    pairs = zip(task.plan.zor, task.analysis.grid.stride, strict=True)
    return tuple(max(1, ceil(zone / stride)) for zone, stride in pairs)


def _multiscales(task: Task, layout: StoreLayout, name: str, where: Place) -> dict[str, Any]:
    axes = _axes(task, layout, where.along(task.planes.axes, layout.axes))
    return multiscales(name, axes, len(layout.levels), len(layout.shape))


def _axes(task: Task, layout: StoreLayout, image: Place) -> Axes:
    """Return where the labels lie, given where the image does along the same axes."""
    grid, before = task.analysis.grid, len(layout.leading)
    centre = (*(0.0,) * before, *grid.centre([side.start for side in task.labelled]))
    stride = (*(Fraction(1),) * before, *grid.stride)
    scale = tuple(float(s * Fraction(n)) for s, n in zip(stride, image.scale, strict=True))
    moved = zip(image.translation, image.scale, centre, strict=True)
    return Axes(layout.axes, scale, tuple(start + size * c for start, size, c in moved), image.measured)
