"""The settings file of a task: what somebody chose whose choice it is."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from napari_exactile.images.about.opened import opened_files
from napari_exactile.images.planes import Planes
from napari_exactile.run.file.records import Around
from napari_exactile.run.task.chosen import ModelChoice, SettingsFile
from napari_exactile.run.task.origin import PartOrigin, origin_of
from napari_exactile.run.task.task import Task


def chosen_by(task: Task) -> SettingsFile:
    """Return what was chosen for a task; all files of its model are read, once, and no pixel.

    Axes are left out where the image has only those that the model takes, so that they suit other images.
    What is in no file, such as a model that code made, is left out too, and so are pixel sizes.
    """
    return SettingsFile(task.settings, ModelChoice.of(task.model), _around(task))


def _around(task: Task) -> Around:
    image = origin_of(task).image
    first = image.arrays[0] if len(image.arrays) == 1 else PartOrigin()
    axes = image.axes or ""
    plain = axes == task.planes.axes and not task.planes.shape
    return Around(
        axes=None if plain or len(image.arrays) != 1 else axes,
        plane=image.plane or None,
        series=None if first.series is UNSET or not _is_one_of_several(task.planes) else first.series,
        allow_missing=first.allow_missing is True,
        grey=None if image.grey is UNSET else image.grey,
    )


def _is_one_of_several(planes: Planes) -> bool:
    """Tell whether the file of an image holds others."""
    array: Any = getattr(planes.whole, "array", None)
    known = opened_files(getattr(array, "array", array))
    return known is not None and known.images is not None and known.images.several
