"""Label images of OME-Zarr: our own stores, and those that lie beside an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.images.about.opened import Place
from napari_exactile.images.read.zarr_members import levels_of, ome_of
from napari_exactile.images.read.zarr_place import axes_of, place_of

Color = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class OpenedLabels:
    """A label image in a file: its levels, the largest first, and what the file says of its labels.

    `axes` are the names of the axes, `colors` has red, green, blue and alpha from 0 to 1, `properties` has
    for each label what is known of it, such as {"class": "colony"}.
    """

    name: str
    levels: tuple[Any, ...]
    axes: tuple[str, ...]
    place: Place
    colors: Mapping[int, Color] = field(default_factory=dict)
    properties: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


def open_labels(path: Path) -> list[OpenedLabels]:
    """Open the label images in a zarr folder: that one itself, or those that its group `labels` names.

    None where there are none; those that cannot be understood are left out. No label is read.
    """
    import zarr

    try:
        group: Any = zarr.open_group(path, mode="r")
        own = "image-label" in ome_of(group)
        found = [(path.name, group)] if own else [(name, group[f"labels/{name}"]) for name in _names(group)]
    except Exception:  # a codec or a file that is no zarr can raise anything: there are no labels
        return []
    opened = (_opened(name, labels) for name, labels in found)
    return [labels for labels in opened if labels is not None]


def _names(group: Any) -> list[str]:
    """Return the label images that an image's group says it has, and has."""
    import zarr

    labels = group.get("labels")
    if not isinstance(labels, zarr.Group):
        return []
    named = ome_of(labels).get("labels")
    names = named if isinstance(named, Sequence) else sorted(name for name, _member in labels.groups())
    return [str(name) for name in names if isinstance(labels.get(str(name)), zarr.Group)]


def _opened(name: str, group: Any) -> OpenedLabels | None:
    about = ome_of(group)
    try:
        image = about["multiscales"][0]
        axes, levels = axes_of(image), levels_of(group, image)
        if np.dtype(levels[0].dtype).kind not in "ui" or len(axes) != levels[0].ndim:
            return None
        said = about.get("image-label") or {}
        names = tuple(str(axis["name"]) for axis in axes)
        return OpenedLabels(
            name, tuple(levels), names, place_of(image, axes), _colors(said), _properties(said)
        )
    except Exception:  # what a file says of its labels can be wrong in every way
        return None


def _colors(said: Mapping[str, Any]) -> dict[int, Color]:
    colors: dict[int, Color] = {}
    for entry in said.get("colors") or ():
        red, green, blue, alpha = (min(max(float(part) / 255, 0.0), 1.0) for part in entry["rgba"])
        colors[int(entry["label-value"])] = red, green, blue, alpha
    return colors


def _properties(said: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    entries = [dict(entry) for entry in said.get("properties") or ()]
    return {int(entry.pop("label-value")): entry for entry in entries}
