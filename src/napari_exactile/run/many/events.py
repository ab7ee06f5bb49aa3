"""What happens while many images are segmented; numbers count from 0 on, in the order of the images."""

from __future__ import annotations

from dataclasses import dataclass

from napari_exactile.run.engine.events import Event
from napari_exactile.run.many.rows import ImageRow


@dataclass(frozen=True, slots=True)
class MeasuringAll:
    """All images are being measured as one; `fraction` of that is done.

    >>> import napari_exactile as ex
    >>> ex.MeasuringAll(0.5).fraction
    0.5
    """

    fraction: float


@dataclass(frozen=True, slots=True)
class ImageStarted:
    """An image is next.

    >>> import napari_exactile as ex
    >>> ex.ImageStarted(0, "a.tif").name
    'a.tif'
    """

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class ImageStep:
    """Something has happened to an image, such as a finished tile.

    >>> import napari_exactile as ex
    >>> ex.ImageStep(0, ex.Ready(tiles=4, done=0)).event.tiles
    4
    """

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class ImageEnded:
    """An image is done, skipped, stopped or failed.

    >>> import napari_exactile as ex
    >>> ex.ImageEnded(0, ex.ImageRow(image="a.tif", output="a.ome.zarr", state="done")).row.state
    'done'
    """

    number: int
    row: ImageRow


ManyEvent = MeasuringAll | ImageStarted | ImageStep | ImageEnded
