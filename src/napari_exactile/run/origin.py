"""Where the image and the model of a run came from, so that both can be opened again later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_exactile.images.opened import file_of
from napari_exactile.images.source import Planes
from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.run.series import Series

Origin = dict[str, dict[str, Any]]


def origin_of(series: Series) -> Origin:
    """Return the image's name, file and axes and the model's name and source; None where it is not known.

    All values fit into JSON. Files are named by their whole path.
    """
    return {"image": _image(series.planes), "model": _model(series.model.card)}


def _image(planes: Planes) -> dict[str, Any]:
    source: Any = planes.whole
    array = getattr(source, "array", None)
    path = None if array is None else file_of(array)
    return {
        "name": getattr(source, "name", "image"),
        "path": None if path is None else str(path),
        "axes": _axes(planes.axes, getattr(source, "channel_axis", None)),
        "dtype": _dtype(source),
    }


def _axes(axes: str, channel: int | None) -> str:
    """Return the axes of the array that holds the image, channels included.

    >>> _axes("yx", -1), _axes("tyx", 1), _axes("yx", None)
    ('yxc', 'tcyx', 'yx')
    """
    if channel is None:
        return axes
    place = channel % (len(axes) + 1)
    return f"{axes[:place]}c{axes[place:]}"


def _dtype(source: Any) -> str | None:
    """Return the type of the pixels; several images that hold the channels are of one type."""
    first = getattr(source, "sources", (source,))[0]
    array = getattr(first, "array", None)
    return None if array is None else str(array.dtype)


def _model(card: ModelCard) -> dict[str, Any]:
    source = card.name if BUNDLED.get(card.name) is card else card.source
    if source and Path(source).exists():
        source = str(Path(source).resolve())
    return {"name": card.name, "title": card.title, "source": source or None}
