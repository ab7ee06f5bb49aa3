"""The images that a series writes to a store: labels, beside them probabilities if kept, or values."""

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
from napari_exactile.images.store.shards import Layout
from napari_exactile.run.engine.local.job import Job
from napari_exactile.run.engine.schedule.series import Series


def images_of(series: Series, name: str, where: Place) -> dict[str, NewImage]:
    """Return what a store must hold, by the names that `LabelStore` knows; the first is called `name`.

    `where` is the place of the image along the axes of the series. Raises ValueError for a stack that
    OME-Zarr has no axes for.
    """
    if series.job.decision.kind == "values":
        return {"values": _numbers(series, name, where)}
    images = {"labels": _labels(series, name, where)}
    if series.settings.probabilities:
        images["probabilities"] = _numbers(series, f"{name} probabilities", where)
    return images


def _labels(series: Series, name: str, where: Place) -> NewImage:
    job, card = series.job, series.model.card
    channels = job.decision.channels if job.decision.leading else None
    layout = _layout(series, channels, np.min_scalar_type(job.unfinished), job.unfinished)
    names = ("no", "yes") if channels else card.class_names(job.classes)
    classes = tuple(map(Class, names, card.class_colors(job.classes)))
    scales = _multiscales(series, layout, name, where)
    return NewImage(layout, label_metadata(scales, classes, card.background))


def _numbers(series: Series, name: str, where: Place) -> NewImage:
    job, card = series.job, series.model.card
    layout = _layout(series, job.decision.channels, series.settings.number_type, nan)
    scales = _multiscales(series, layout, name, where)
    background = card.background if job.decision.kind == "classes" else None
    return NewImage(layout, image_metadata(scales, _probable(series), background))


def _probable(series: Series) -> tuple[Class, ...]:
    """Return what each channel is the probability of; nothing for values."""
    decision, card = series.job.decision, series.model.card
    if decision.kind == "values":
        return ()
    count = max(2, decision.channels)
    # Of one channel, the probability is that of yes, the last name.
    return tuple(map(Class, card.class_names(count), card.class_colors(count)))[-decision.channels :]


def _layout(series: Series, channels: int | None, dtype: Any, unfinished: float) -> Layout:
    """Return the layout of an image of so many channels, which come where OME-Zarr wants them."""
    job, leading, axes = series.job, list(series.planes.shape), series.planes.axes
    place = channel_place(axes)
    if channels is not None:
        leading.insert(place, channels)
        axes = f"{axes[:place]}c{axes[place:]}"
    return Layout(
        tuple(leading), tuple(len(side) for side in job.labelled), _zone(job), axes, str(np.dtype(dtype)),
        unfinished, None if channels is None else place,
    )  # fmt: skip


def _zone(job: Job) -> tuple[int, ...]:
    """Return the size of a full zone in labels."""
    pairs = zip(job.plan.zor, job.analysis.grid.stride, strict=True)
    return tuple(max(1, ceil(zone / stride)) for zone, stride in pairs)


def _multiscales(series: Series, layout: Layout, name: str, where: Place) -> dict[str, Any]:
    axes = _axes(series.job, layout, where.along(series.planes.axes, layout.axes))
    return multiscales(name, axes, len(layout.levels), len(layout.shape))


def _axes(job: Job, layout: Layout, image: Place) -> Axes:
    """Return where the labels lie, given where the image does along the same axes."""
    grid, before = job.analysis.grid, len(layout.leading)
    centre = (*(0.0,) * before, *grid.centre([side.start for side in job.labelled]))
    stride = (*(Fraction(1),) * before, *grid.stride)
    scale = tuple(float(s * Fraction(n)) for s, n in zip(stride, image.scale, strict=True))
    moved = zip(image.translation, image.scale, centre, strict=True)
    return Axes(layout.axes, scale, tuple(start + size * c for start, size, c in moved), image.measured)
