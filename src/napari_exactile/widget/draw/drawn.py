"""A rectangle that the person draws on the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Shapes
from superqt.utils import qthrottled

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.widget.draw.own_layer import Frame, selection_kept

COLOR = "#56B4E9"
FINISHED = {"added", "changed", "removed"}
PLACED = "scale", "translate", "rotate", "shear", "affine"


class DrawnRectangle:
    """A Shapes layer called `name` to draw in, made when it is first asked for; the last shape counts.

    The layer is the person's, who may change, hide and delete it like any other: `on_change` is called after
    whatever changes the rectangle. `again` tells how a layer that is gone can be had back.
    """

    def __init__(self, viewer: ViewerModel, name: str, again: str, on_change: Callable[[], None]) -> None:
        self._viewer, self._name, self._again = viewer, name, again
        self._on_change = on_change
        self._layer: Shapes | None = None
        # A layer that is dragged tells of every move of the mouse.
        self._placed_soon = qthrottled(on_change, timeout=100, leading=False)

    @property
    def there(self) -> bool:
        """Whether there is a rectangle."""
        return self._layer in self._viewer.layers and bool(self._layer.nshapes)

    def ask(self, frame: Frame) -> None:
        """Let the person draw: select the layer with its rectangle tool at hand; does nothing in 3D."""
        if self._viewer.dims.ndisplay == 3:
            return
        layer = self._layer
        if layer is None or layer not in self._viewer.layers:
            layer = self._make(frame)
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        # In pixels of the image: of a large one, a line of one pixel would not be seen.
        layer.current_edge_width = frame.width(self._viewer, 2.0)

    def put(self, frame: Frame, box: Box) -> None:
        """Draw the rectangle around these pixels, as if the person had; in 2D."""
        layer = self._layer
        if layer is None or layer not in self._viewer.layers:
            with selection_kept(self._viewer):
                layer = self._make(frame)
        (top, bottom), (left, right) = ((side.start - 0.5, side.stop - 0.5) for side in box)
        layer.data = []
        layer.add_rectangles(np.array([[top, left], [top, right], [bottom, right], [bottom, left]]))

    def box(self, frame: Frame, shape: tuple[int, ...]) -> Box:
        """Return the pixels under the rectangle's bounding box, as far as they lie in an image of `shape`.

        Raises ValueError, in words for the person, where there is no rectangle or nothing under it.
        """
        self._check()
        assert self._layer is not None
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
        self._placed_soon.cancel()
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
            for name in PLACED:
                self._layer.events[name].disconnect(self._on_placed)
            self._viewer.layers.events.removed.disconnect(self._on_removed)
            self._layer = None

    def _check(self) -> None:
        if self.there:
            return
        if self._viewer.dims.ndisplay == 3:
            raise ValueError("A rectangle can be drawn in 2D only: switch to 2D")
        if self._layer not in self._viewer.layers:
            raise ValueError(f"There is no rectangle: {self._again}")
        raise ValueError(f"Draw a rectangle on the image, in the layer '{self._name}'")

    def _make(self, frame: Frame) -> Shapes:
        self.leave()
        self._layer = layer = Shapes(
            ndim=2, name=self._name, edge_color=COLOR, face_color="transparent", **frame.as_arguments()
        )
        layer.events.data.connect(self._on_data)
        for name in PLACED:
            layer.events[name].connect(self._on_placed)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.add_layer(layer)
        return layer

    def _on_data(self, event: Any) -> None:
        # While a shape is being drawn, its data change with every move of the mouse.
        if str(getattr(event, "action", "")).rsplit(".", maxsplit=1)[-1].lower() in FINISHED:
            self._on_change()

    def _on_placed(self, event: Any = None) -> None:
        self._placed_soon()

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._on_change()
