"""Which part of the image is segmented: all of it, what is in sight, or what lies under a rectangle."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from napari.components import ViewerModel
from superqt.utils import qthrottled

from napari_exactile.geometry.interval import Box, full_box
from napari_exactile.widget.choose.fields import DRAW, DRAWN, VIEW, WHOLE, Fields
from napari_exactile.widget.draw.drawn import DrawnRectangle
from napari_exactile.widget.draw.own_layer import Frame
from napari_exactile.widget.draw.planes import Plane, region_in_view

NAME = "Region: rectangle"


class RegionChooser:
    """What the person has chosen under "Segment"; `on_change` is called when what it means has changed.

    `view_moved` is to be called whenever the view has. All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel, fields: Fields, on_change: Callable[[], None]) -> None:
        self._viewer, self._fields, self._on_change = viewer, fields, on_change
        self._drawn = DrawnRectangle(viewer, NAME, f"press {DRAW}", lambda: self._changed(DRAWN))
        self.view_moved = qthrottled(lambda: self._changed(VIEW), timeout=300, leading=False)
        self._gone = False
        fields.widget.destroyed.connect(self._stop)
        fields.region.changed.connect(self._on_kind)
        fields.draw.changed.connect(self._ask)

    def box(self, plane: Plane) -> Box | None:
        """Return the pixels to segment, of all planes of a volume; None for the whole image.

        Raises ValueError, in words for the person, where there are none.
        """
        kind = self._fields.region.value
        if kind == VIEW:
            return region_in_view(plane, self._viewer)
        if kind != DRAWN:
            return None
        if not plane.is_flat:
            raise ValueError("A rectangle can be segmented where y and x are the last axes: they are not")
        box = self._drawn.box(_frame(plane.layer), plane.shape[-2:])
        return (*full_box(plane.shape[:-2]), *box)

    def put(self, box: Box | None) -> None:
        """Choose a rectangle around these pixels, or the whole image for None."""
        layer = self._fields.image.value
        if box is not None and layer is not None:
            with suppress(ValueError):  # `box` says it
                self._drawn.put(_frame(layer), box[-2:])
        self._fields.region.value = WHOLE if box is None else DRAWN

    def leave(self) -> None:
        """Let go of the viewer."""
        self._stop()
        self._drawn.leave()

    def _stop(self) -> None:
        self._gone = True
        self.view_moved.cancel()

    def _changed(self, kind: str) -> None:
        # A throttled call can come late, when the fields are already gone.
        if not self._gone and self._fields.region.value == kind:
            self._on_change()

    def _on_kind(self, kind: str) -> None:
        self._fields.draw.visible = kind == DRAWN
        if kind == DRAWN and not self._drawn.there:
            self._ask()

    def _ask(self, _clicked: Any = None) -> None:
        if self._fields.image.value is not None:
            with suppress(ValueError):  # `box` says it
                self._drawn.ask(_frame(self._fields.image.value))
        self._changed(DRAWN)


def _frame(layer: Any) -> Frame:
    try:
        return Frame.of(layer)
    except ValueError as error:
        raise ValueError(
            f"'{layer.name}' is rotated or sheared, so no rectangle can be drawn on its pixels: choose the "
            "whole image or the current view"
        ) from error
