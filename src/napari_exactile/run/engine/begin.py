"""What a run is made of: an image and a model, as people give them, become planes and an analysis."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_exactile.images.about.opened import OpenedImage, Place
from napari_exactile.images.read.open import as_opened, opened
from napari_exactile.images.source import Planes, own_source, source_of, stack_of
from napari_exactile.models.load import Model, load_model
from napari_exactile.run.engine.local.job import Job
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.analyse import ModelLike, analysis_for
from napari_exactile.run.plan.settings import Settings


def place_of(image: Any, axes: str | None, along: str, sizes: Sequence[float] | None = None) -> Place:
    """Return where an image lies along some axes, as its file or the person says; `axes` are the image's."""
    if isinstance(image, OpenedImage) and sizes is None and axes in {None, image.axes}:
        return image.placed(along)
    return Place.of(along, sizes or getattr(image, "pixel_size", None))


def warn_of_scale(model: Model, sizes: Sequence[float] | None, stacklevel: int = 3) -> str:
    """Warn who called the function that calls this of pixels of another size; return the words, or ""."""
    if words := model.card.scale_warning(sizes):
        warnings.warn(words, stacklevel=stacklevel)
    return words


def pixel_size_of(image: Any, axes: str | None, job: Job) -> tuple[float, ...] | None:
    """Return the sizes of an opened image's pixels along the axes of its job, as far as its file says."""
    return place_of(image, axes, "zyx"[-len(job.source.shape) :]).pixel_size


def make_series(
    image: Any, model: ModelLike, axes: str | None, settings: Settings, name: str = "image",
    pixel_size: Sequence[float] | None = None,
) -> Series:  # fmt: skip
    """Return what `segment` runs, a job for each plane of a stack; nothing is read yet."""
    loaded, whole = load_model(model), opened(image)
    channels, space = loaded.card.channels, loaded.card.axes
    array, own, name = as_opened(whole, axes, name)
    source = own_source(array)
    planes = Planes.single(source) if source else stack_of(array, channels, own, name, space)
    planes = replace(planes, pixel_size=place_of(whole, axes, planes.axes, pixel_size).pixel_size)
    analysis = analysis_for(loaded, planes.sources[0].shape, settings)
    return Series(planes, loaded, analysis, settings)


def make_job(image: Any, model: ModelLike, axes: str | None, settings: Settings) -> Job:
    """Return the job that `segment` runs; nothing is read yet."""
    loaded = load_model(model)
    channels, space = loaded.card.channels, loaded.card.axes
    image, axes, name = as_opened(image, axes)
    source = own_source(image) or source_of(image, channels, axes, name, space)
    return Job(source, loaded, analysis_for(loaded, source.shape, settings), settings)
