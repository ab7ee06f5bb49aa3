"""Where the image and the model of a run came from, so that both can be opened again later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_exactile.images.about.opened import file_of, opened_files
from napari_exactile.images.planes import Planes
from napari_exactile.images.view import View
from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.run.task.task import Task

Origin = dict[str, dict[str, Any]]


def origin_of(task: Task) -> Origin:
    """Return the image's name, file and axes and the model's name and source; None where it is not known.

    All values fit into JSON. Files are named by their whole path. The axes are those of the array, or of the
    several arrays, that hold the image; `plane` is the only one of a stack that was segmented, if it was one.
    """
    return {"image": _image(task.planes), "model": _model(task.model.card)}


def without_files(origin: Mapping[str, Any]) -> Any:
    """Return how an image was taken apart, whatever its names and files are; None where that is not said."""
    try:
        image, sources = origin["image"], [origin["image"].get("path"), origin["model"].get("source")]
        parts = [(part["part"], isinstance(part["path"], str | None)) for part in image["arrays"]]
        texts = [isinstance(source, str | None) for source in sources]
        return [image["axes"], image["plane"], image["dtype"], parts, texts]
    except (KeyError, TypeError, AttributeError):
        return None


def _image(planes: Planes) -> dict[str, Any]:
    source: Any = planes.whole
    layers = getattr(source, "sources", (source,))
    arrays = [_part(layer.array) for layer in layers if hasattr(layer, "array")]
    return {
        "name": getattr(source, "name", "image"),
        "path": arrays[0]["path"] if len(arrays) == 1 else None,
        "axes": _axes(planes.axes, getattr(source, "channel_axis", None)),
        "arrays": arrays,
        "plane": list(getattr(layers[0], "plane", ())),
        "dtype": str(layers[0].array.dtype) if arrays else None,
    }


def _part(array: Any) -> dict[str, Any]:
    """Return the file that an array reads, and which part of it: a place, or None for all, along each axis.

    What reads something else of a file, such as every second pixel, has no file. Of several images in a file,
    `series` chooses one.
    """
    if not isinstance(array, View):
        path, known = file_of(array), opened_files(array)
        part = {"path": path and str(path), "part": [None] * array.ndim}
        if known is None or not known.versions:  # an array in a folder is an image by itself
            return part
        return part | {"series": known.series, "allow_missing": bool(known.missing)}
    whole, own = _part(array.array), iter(array.parts)
    parts = [next(own) if place is None else place for place in whole["part"]]
    path = None if any(isinstance(part, slice) and part != slice(None) for part in parts) else whole["path"]
    return whole | {"path": path, "part": [part if isinstance(part, int) else None for part in parts]}


def _axes(axes: str, channel: int | None) -> str:
    """Return the axes of the array that holds the image, channels included.

    >>> _axes("yx", -1), _axes("tyx", 1), _axes("yx", None)
    ('yxc', 'tcyx', 'yx')
    """
    if channel is None:
        return axes
    place = channel % (len(axes) + 1)
    return f"{axes[:place]}c{axes[place:]}"


def _model(card: ModelCard) -> dict[str, Any]:
    source = card.name if BUNDLED.get(card.name) is card else card.source
    if source and Path(source).exists():
        source = str(Path(source).resolve())
    return {"name": card.name, "title": card.title, "source": source or None}
