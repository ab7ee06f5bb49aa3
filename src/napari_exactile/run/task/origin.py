"""Where the image and the model of a run came from, so that both can be opened again later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from napari_exactile.images.about.chosen import Wanted
from napari_exactile.images.about.opened import file_of, opened_files
from napari_exactile.images.grey import Grey
from napari_exactile.images.planes import Planes
from napari_exactile.images.view import View
from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.record import Record
from napari_exactile.run.task.task import Task


class PartOrigin(Record, frozen=True, kw_only=True):
    """The file that an array reads, and which part of it: a place, or None for all, along each axis.

    What reads something else of a file, such as every second pixel, has no file. Of several images in a file,
    `series` chooses one.
    """

    path: str | None = None
    part: tuple[int | None, ...] = ()
    series: Wanted | UnsetType = UNSET
    allow_missing: bool | UnsetType = UNSET


class ImageOrigin(Record, frozen=True, kw_only=True):
    """An image's name, file and axes, as far as they are known.

    The axes are those of the array, or of the several arrays, that hold the image; `plane` is the only one of
    a stack that was segmented, if it was one; `grey` is what was made of its colours. Files are named
    by their whole path.
    """

    name: str = "image"
    path: str | None = None
    axes: str | None = None
    arrays: tuple[PartOrigin, ...] = ()
    plane: tuple[int, ...] = ()
    dtype: str | None = None
    grey: Grey | UnsetType = UNSET

    @property
    def parts(self) -> tuple[PartOrigin, ...]:
        """The arrays, also where an earlier version has said the file of one only."""
        return self.arrays or (PartOrigin(path=self.path),)

    def taken_as(self, other: ImageOrigin) -> bool:
        """Tell whether two images were taken apart in the same way, whatever their names and files are."""
        ways = (
            (one.axes, one.plane, one.dtype, one.grey, [array.part for array in one.arrays])
            for one in (self, other)
        )
        return next(ways) == next(ways)


class ModelOrigin(Record, frozen=True, kw_only=True):
    """The name and the source of a model; None where it came from nowhere that it could be had again."""

    name: str = ""
    title: str = ""
    source: str | None = None


class Origin(Record, frozen=True, kw_only=True):
    """Where image and model came from."""

    image: ImageOrigin = ImageOrigin()
    model: ModelOrigin = ModelOrigin()


def origin_of(task: Task) -> Origin:
    """Return where the image and the model of a task came from."""
    return Origin(image=_image(task.planes), model=_model(task.model.card))


def _image(planes: Planes) -> ImageOrigin:
    source: Any = planes.whole
    layers = getattr(source, "sources", (source,))
    arrays = tuple(_part(layer.array) for layer in layers if hasattr(layer, "array"))
    return ImageOrigin(
        name=getattr(source, "name", "image"),
        path=arrays[0].path if len(arrays) == 1 else None,
        axes=_axes(planes.axes, getattr(source, "channel_axis", None)),
        arrays=arrays,
        plane=tuple(getattr(layers[0], "plane", ())),
        dtype=str(layers[0].array.dtype) if arrays else None,
        grey=getattr(source, "grey", None) or UNSET,
    )


def _part(array: Any) -> PartOrigin:
    if not isinstance(array, View):
        file, known = file_of(array), opened_files(array)
        part = PartOrigin(path=None if file is None else str(file), part=(None,) * array.ndim)
        if known is None or not known.versions:  # an array in a folder is an image by itself
            return part
        return replace(part, series=known.series, allow_missing=bool(known.missing))
    whole, own = _part(array.array), iter(array.parts)
    parts = [next(own) if place is None else place for place in whole.part]
    is_file = not any(isinstance(part, slice) and part != slice(None) for part in parts)
    path = whole.path if is_file else None
    return replace(whole, path=path, part=tuple(part if isinstance(part, int) else None for part in parts))


def _axes(axes: str, channel: int | None) -> str:
    """Return the axes of the array that holds the image, channels included.

    >>> _axes("yx", -1), _axes("tyx", 1), _axes("yx", None)
    ('yxc', 'tcyx', 'yx')
    """
    if channel is None:
        return axes
    place = channel % (len(axes) + 1)
    return f"{axes[:place]}c{axes[place:]}"


def _model(card: ModelCard) -> ModelOrigin:
    source = card.name if BUNDLED.get(card.name) is card else card.source
    if source and Path(source).exists():
        source = str(Path(source).resolve())
    return ModelOrigin(name=card.name, title=card.title, source=source or None)
