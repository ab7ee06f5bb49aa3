"""Tiles of a volume: in a 3D view, the box of the current tile and its zone; in 2D, those of one plane."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.layer_paint import GREEN, PURPLE, replace_shapes
from napari_exactile.widget.draw.own_layer import Frame, OwnLayer
from napari_exactile.widget.draw.tile_shapes import in_image

LINE = 3.0
"""Width of a line in pixels of the screen."""


def planar(tiling: Tiling) -> Tiling:
    """Return the tiles of a volume as they lie in each of its planes."""
    return Tiling(
        tiling.shape[-2:], tiling.factor[-2:], tiling.zone[-2:], tiling.radius[-2:], tiling.region[-2:],
        tiling.padded_shape[-2:],
    )  # fmt: skip


def slab_at(tiling: Tiling, place: float) -> int:
    """Return which layer of zones a plane of a volume belongs to: the nearest one."""
    spans = tiling.spans(0)
    return next((i for i, span in enumerate(spans) if place < span.stop), len(spans) - 1)


def shows_last(viewer: ViewerModel, axes: int) -> bool:
    """Tell whether so many axes are displayed, and these are the last ones."""
    dims = viewer.dims
    return dims.ndisplay == axes and set(dims.displayed) == set(range(dims.ndim - axes, dims.ndim))


class VolumeBox:
    """Draws, in a 3D view, what the tile in the middle of the view reads, and its zone."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._own = OwnLayer(viewer, "Tiles: box", _empty, listed=False)

    def draw(self, frame: Frame, tiling: Tiling) -> None:
        """Draw the tile in the middle of the view, or move the box to another one."""
        tile = tiling.tile(self._current(frame, tiling))
        read = tuple(in_image([side], length)[0] for side, length in zip(tile.box, tiling.shape, strict=True))
        even, steps = frame.even(self._viewer)
        narrowest = min(zone * step for zone, step in zip(tiling.zone, steps, strict=True))
        width = min(even.width(self._viewer, LINE), narrowest / 16)
        paint = partial(_paint, boxes=(read, tile.zone), width=width, steps=steps)
        self._own.draw(even, (read, tile.zone, steps), paint)

    def hide(self) -> None:
        """Hide the box."""
        self._own.hide(erase=True)

    def remove(self) -> None:
        """Remove the box: in a viewer of planes it would be an axis too many."""
        self._own.remove()

    def _current(self, frame: Frame, tiling: Tiling) -> int:
        centre = frame.shown_in(self._viewer).pixel(self._viewer.scene.camera.center)
        sides = zip(centre, tiling.region, strict=True)
        near = tuple(min(max(place, side.start), side.stop - 1) for place, side in sides)
        return tiling.at(near) or 0


def edges(box: Box, steps: Sequence[float] = (1.0, 1.0, 1.0)) -> NDArray[np.float64]:
    """Return the twelve edges of a box, (12, 2, 3), between pixels, which are so many `steps` long."""
    low, high = (np.array([[s.start, s.stop] for s in box], float).T - 0.5) * steps
    lines = []
    for axis in range(3):
        for ends in product((0, 1), repeat=2):
            corner = np.insert(np.array(ends, float), axis, 0.0)
            other = np.insert(np.array(ends, float), axis, 1.0)
            lines.append([low + corner * (high - low), low + other * (high - low)])
    return np.array(lines)


def _paint(layer: Shapes, *, boxes: tuple[Box, ...], width: float, steps: Sequence[float]) -> None:
    lines = np.concatenate([edges(box, steps) for box in boxes])
    colours = [PURPLE] * 12 + [GREEN] * 12
    replace_shapes(layer, lines, "path", width, colours, "transparent")


def _empty(name: str, **frame: Any) -> Shapes:
    return Shapes(ndim=3, name=name, opacity=1.0, **frame)
