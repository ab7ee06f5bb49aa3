"""An image and a model, as people give them, become a task."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from napari_exactile.images.about.opened import OpenedImage, Place
from napari_exactile.images.grey import Grey
from napari_exactile.images.planes import Planes, source_of, stack_of
from napari_exactile.images.read.open import as_opened, opened
from napari_exactile.images.source import ImageSource, own_source
from napari_exactile.models.load import Model, load_model
from napari_exactile.run.plan import given
from napari_exactile.run.plan.analyse import ModelLike, analysis_for
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.task import Task


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


def make_task(
    image: Any, model: ModelLike, settings: Settings, axes: str | None = None, name: str = "image",
    pixel_size: Sequence[float] | None = None, grey: Grey | None = None,
    plane: Sequence[int] | int | None = None,
) -> Task:  # fmt: skip
    """Return what `segment` runs for an image, of a stack for each plane; no pixel is read.

    `image`, `axes`, `pixel_size`, `grey` and `plane` are as `segment` takes them. Raises what `Task.of` does,
    and ValueError for images that cannot be used.
    """
    loaded, whole = load_model(model), opened(image)
    channels, space = loaded.card.channels, loaded.card.axes
    array, own, name = as_opened(whole, axes, name)
    source = _own_source(array, grey)
    planes = Planes.single(source) if source else stack_of(array, channels, own, name, space, grey)
    planes = planes if plane is None else planes.only(_index(plane))
    place = place_of(whole, axes, planes.axes, pixel_size)
    planes = replace(planes, pixel_size=place.pixel_size)
    analysis = analysis_for(loaded, planes.sources[0].shape, settings)
    return Task.of(planes, loaded, analysis, settings, place)


def _index(plane: Any) -> tuple[int, ...]:
    words = f"a plane is a number from 0 on for each axis of the stack, such as 3 or (3, 0), not {plane!r}"
    try:
        return given.shape(plane if isinstance(plane, Iterable) else [plane])
    except ValueError:
        raise ValueError(words) from None


def image_task(
    image: Any, model: ModelLike, settings: Settings, axes: str | None = None, grey: Grey | None = None
) -> Task:
    """Return the task for one image: axes before those that the model takes are channels, never a stack."""
    loaded, whole = load_model(model), opened(image)
    array, own, name = as_opened(whole, axes)
    channels, space = loaded.card.channels, loaded.card.axes
    source = _own_source(array, grey) or source_of(array, channels, own, name, space, grey)
    planes = Planes.single(source)
    place = place_of(whole, axes, planes.axes)
    planes = replace(planes, pixel_size=place.pixel_size)
    return Task.of(planes, loaded, analysis_for(loaded, source.shape, settings), settings, place)


def _own_source(image: Any, grey: Grey | None) -> ImageSource | None:
    """Return what somebody has written to read an image; raise ValueError where that should become grey."""
    source = own_source(image)
    if source is not None and grey is not None:
        raise ValueError("grey is made of arrays and files: let the source's read() give one channel")
    return source
