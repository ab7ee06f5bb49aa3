"""The image of a store, opened again as its run had it: the same files, axes, channels and plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import UNSET

from napari_exactile.images.about.chosen import NoSuchImageError
from napari_exactile.images.grey import Grey
from napari_exactile.images.planes import Planes, check_channels, stack_of
from napari_exactile.images.read.open import as_opened
from napari_exactile.images.source import LayeredSource, as_array, own_source
from napari_exactile.images.view import View
from napari_exactile.models.card import ModelCard
from napari_exactile.run.task.origin import ImageOrigin, PartOrigin

Part = Sequence[int | None]


def planes_again(
    whose: str | Path, image: Any, axes: str | None, origin: ImageOrigin, card: ModelCard
) -> Planes:
    """Return the planes that a run had with a model of this `card`, by what `origin_of` said of its image.

    `image` replaces the files, and may be what lay in them or only what the run took of it; `axes` names the
    axes of all that it is. Raises ValueError where the image is not known, is not there any more or does not
    fit, saying what to do.
    """
    if own := own_source(image):
        return Planes.single(own)
    parts = origin.parts
    if image is None and axes is not None:
        image = _path(whose, parts[0].path)
    if image is None:
        arrays = [_taken(_again(_path(whose, one.path), one)[0], one.part) for one in parts]
        axes = origin.axes
    else:
        arrays, axes = _named(image, axes, parts, origin.axes)
    grey = None if origin.grey is UNSET or "c" not in (axes or "") else origin.grey
    try:
        planes = _planes(arrays, axes, card, grey)
    except ValueError as error:
        raise ValueError(f"the image of {whose} is not as its run took it: {error}") from error
    return _only(planes, origin.plane)


def _path(whose: str | Path, path: str | None) -> str:
    if not path:
        raise ValueError(f"{whose} does not say which file its image is: name the image")
    if not Path(path).exists():
        raise ValueError(f"the image of {whose} is not at {path} any more: name the image")
    return path


def _again(image: Any, of_run: PartOrigin, axes: str | None = None) -> tuple[Any, str | None, str]:
    """Open a file as that of the run was: the same one of several images, and what was missing."""
    if not isinstance(image, str | Path):
        return as_opened(image, axes)
    series = None if of_run.series is UNSET else of_run.series
    missing = of_run.allow_missing is True
    try:
        return as_opened(image, axes, series=series, allow_missing=missing)
    except NoSuchImageError:  # the one image may have been written to a file of its own
        return as_opened(image, axes, allow_missing=missing)


def _named(
    image: Any, axes: str | None, of_run: Sequence[PartOrigin], known: str | None
) -> tuple[list[Any], str | None]:
    """Return the arrays of an image that somebody names, and their axes: what the run took of it, if it fits.

    `known` are the axes that the run's had.
    """
    opened, own, _name = _again(image, of_run[0], axes)
    whole, parts = as_array(opened), [one.part for one in of_run]
    if axes is not None or known is None:
        return [whole], own
    if all(len(part) == whole.ndim for part in parts):
        return [_taken(whole, part) for part in parts], known
    return [whole], known if len(known) == whole.ndim and len(parts) == 1 else own


def _taken(array: Any, part: Part) -> Any:
    """Return the places of an array along some of its axes."""
    if all(place is None for place in part):
        return array
    return View(array, tuple(slice(None) if place is None else place for place in part))


def _planes(arrays: Sequence[Any], axes: str | None, card: ModelCard, grey: Grey | None) -> Planes:
    """Return the planes of an array, which may be read as grey, or of several that hold a channel each."""
    if len(arrays) == 1:
        return stack_of(arrays[0], card.channels, axes, space=card.axes, grey=grey)
    each: list[Any] = [stack_of(array, 1, axes, space=card.axes) for array in arrays]
    sources = tuple(map(LayeredSource, zip(*(planes.sources for planes in each), strict=True)))
    check_channels(len(arrays), card.channels, "image")
    first: Planes = each[0]
    return replace(first, sources=sources, whole=LayeredSource(tuple(planes.whole for planes in each)))


def _only(planes: Planes, index: tuple[int, ...]) -> Planes:
    """Return the only plane that the run had of a stack, where it was one; it may have come by itself."""
    if not index:
        return planes
    if not planes.shape:
        return replace(planes, indices=(index,))
    if index not in planes.indices:
        return planes  # another stack: what differs will be said
    return planes.only(index)
