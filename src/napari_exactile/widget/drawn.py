"""A rectangle that the person draws on the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Shapes

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.widget.own_layer import Frame

NAME = "Preview: rectangle"
HOW = f"Draw a rectangle on the image, in the layer '{NAME}'"
FINISHED = {"added", "changed", "removed"}


class DrawnRectangle:
    """A Shapes layer to draw in, made when it is first asked for; the last shape counts."""

    def __init__(self, viewer: ViewerModel, on_change: Callable[[], None]) -> None:
        self._viewer, self._on_change = viewer, on_change
        self._layer: Shapes | None = None

    def ask(self, frame: Frame) -> None:
        """Let the person draw: select the layer with its rectangle tool at hand."""
        if self._layer not in self._viewer.layers:
            self._layer = Shapes(
                ndim=2, name=NAME, edge_color="#56B4E9", face_color="transparent", **frame.as_arguments()
            )
            self._layer.events.data.connect(self._on_data)
            self._viewer.add_layer(self._layer)
        self._viewer.layers.selection.active = self._layer
        self._layer.mode = "add_rectangle"

    def box(self, frame: Frame, shape: tuple[int, ...]) -> Box:
        """Return the pixels under the rectangle's bounding box, as far as they lie in an image of `shape`.

        Raises ValueError, in words for the person, where there is no rectangle or nothing under it.
        """
        if self._layer not in self._viewer.layers or not self._layer.nshapes:
            raise ValueError(HOW)
        corners = np.asarray(self._layer.data[-1])[:, -2:]
        world = [self._layer.data_to_world(corner) for corner in corners]
        sides = np.array([frame.position(point) for point in world])
        box = []
        for low, high, length in zip(sides.min(axis=0), sides.max(axis=0), shape, strict=True):
            start, stop = max(0, round(low)), min(length, round(high))
            if stop <= 0 or start >= length:
                raise ValueError("The rectangle lies outside the image: draw it on the image")
            if start >= stop:
                raise ValueError("The rectangle is empty: draw one that holds at least one pixel")
            box.append(Interval(start, stop))
        return tuple(box)

    def leave(self) -> None:
        """Hear no more of the layer; it stays, as it is the person's."""
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
            self._layer = None

    def _on_data(self, event: Any) -> None:
        # While a shape is being drawn, its data change with every move of the mouse.
        if str(getattr(event, "action", "")).rsplit(".", maxsplit=1)[-1].lower() in FINISHED:
            self._on_change()
