"""Which pixels of a layer are in sight: from the camera and the dims, for all kinds of layers alike."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.widget.form.world import data_at

if TYPE_CHECKING:
    from napari_exactile.geometry.tiling import Tiling
    from napari_exactile.widget.draw.own_layer import Frame


class NotInSightError(ValueError):
    """Nothing of a layer is in sight."""


def box_in_view(layer: Image | Labels, viewer: ViewerModel) -> Box:
    """Return the pixels of full resolution that the window shows of a layer, one interval per axis.

    Along axes that are not displayed it is the one plane in sight. A layer that is rotated or sheared gives
    the smallest box around what is seen. It asks neither for what napari has drawn last, which comes late,
    nor for the part of a multiscale layer that it has loaded, which is larger. Raises NotInSightError, in
    words for the person, where no pixel is in sight, and ValueError in 3D.
    """
    if viewer.dims.ndisplay == 3:
        raise ValueError("A 3D view shows no part of a plane: switch to 2D")
    seen = np.array([data_at(layer, viewer, corner) for corner in _corners(viewer)])
    displayed = displayed_axes(layer, viewer)
    shape = shape_of(layer)
    return tuple(
        _seen(layer, seen[:, axis], shape[axis], whole=axis in displayed) for axis in range(layer.ndim)
    )


def displayed_axes(layer: Image | Labels, viewer: ViewerModel) -> tuple[int, ...]:
    """Return which of the layer's axes are displayed; those of the viewer that it lacks are left out."""
    lacking = viewer.dims.ndim - layer.ndim
    return tuple(axis - lacking for axis in viewer.dims.displayed if axis >= lacking)


def shape_of(layer: Image | Labels) -> tuple[int, ...]:
    """Return the shape of a layer in full resolution, without the colours of an RGB image."""
    data: Any = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape[: layer.ndim])


def tile_in_view(frame: Frame, tiling: Tiling, viewer: ViewerModel) -> int:
    """Return the number of the tile under the cursor, or of the one nearest the centre of the view."""
    frame = frame.shown_in(viewer)
    if viewer.mouse_over_canvas:
        index = tiling.at(frame.pixel(viewer.cursor.position))
        if index is not None:
            return index
    sides = zip(frame.pixel(viewer.scene.camera.center), tiling.region, strict=True)
    return tiling.at(tuple(min(max(place, side.start), side.stop - 1) for place, side in sides)) or 0


def _corners(viewer: ViewerModel) -> Iterable[np.ndarray[Any, Any]]:
    """Yield the corners of the window in the world."""
    middle = np.array(viewer.scene.camera.center[-2:])
    half = np.array(viewer.canvas.viewbox_size(viewer.layers)) / viewer.scene.camera.zoom / 2
    for signs in product((-1, 1), repeat=2):
        corner = np.array(viewer.dims.point, float)
        corner[list(viewer.dims.displayed)] = middle + signs * half
        yield corner


def _seen(layer: Image | Labels, places: np.ndarray[Any, Any], length: int, *, whole: bool) -> Interval:
    # Pixel i is drawn from i - 0.5 to i + 0.5.
    low, high = float(places.min()), float(places.max())
    start, stop = (floor(low + 0.5), ceil(high + 0.5)) if whole else (round(low), round(low) + 1)
    start, stop = max(start, 0), min(stop, length)
    if start >= stop:
        raise NotInSightError(f"'{layer.name}' is not in sight: move it into view")
    return Interval(start, stop)
