"""When tiles are drawn, and on which image: as soon as there is a plan, and as long as the panel is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image
from superqt.utils import qthrottled

from napari_exactile.widget.choose.fields import Fields
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.own_layer import Frame, follow_units, raise_over

if TYPE_CHECKING:
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.widget.draw.planes import Plane


class ShownTiling:
    """Draws what `tiled` gives, a plane and a plan, or hides it where that is None.

    `draw_soon` draws after new figures are painted, as drawing the zones takes longer than computing them.
    All methods belong to the GUI thread.
    """

    def __init__(
        self, viewer: ViewerModel, overlay: TilingOverlay, fields: Fields,
        tiled: Callable[[], tuple[Plane, Plan] | None],
    ) -> None:  # fmt: skip
        self._viewer, self._overlay, self._fields, self._tiled = viewer, overlay, fields, tiled
        self._drawn_on: Image | None = None
        self.draw_soon = qthrottled(self._draw, timeout=100, leading=False)
        self._gone = False
        fields.widget.destroyed.connect(self._stop)
        for switch in (fields.tiling, fields.all_contexts):
            switch.changed.connect(self._apply_switches)
        self._apply_switches()

    def draw(self) -> None:
        """Draw at once."""
        self.draw_soon.cancel()
        self._draw()

    def forget_gone(self) -> None:
        """Hide the tiles of an image that is not in the viewer any more."""
        if self._drawn_on is not None and self._drawn_on not in self._viewer.layers:
            self._drawn_on = None
            self._overlay.forget()
            self.draw_soon()

    def _stop(self) -> None:
        self._gone = True
        self.draw_soon.cancel()

    def _draw(self) -> None:
        if self._gone:
            return  # a throttled call can come late
        tiled = self._tiled()
        if tiled is None or tiled[0].layer not in self._viewer.layers:
            self._overlay.hide()
        else:
            self._show(*tiled)
        follow_units(self._viewer)

    def _show(self, plane: Plane, plan: Plan) -> None:
        try:
            if not plane.is_flat:
                raise ValueError("tiles are drawn where y and x are the last axes, and here they are not")
            frame = Frame.of(plane.layer, len(plane.shape))
        except ValueError as error:
            words = str(error)
            self._fields.tile_note.say(f"{words[0].upper()}{words[1:]}.", warning=True)
            self._overlay.hide()
            return
        if self._drawn_on is not plane.layer:
            self._drawn_on = plane.layer
            raise_over(self._viewer, plane.layer)
        self._overlay.show(frame, plan.tiling)

    def _apply_switches(self, _value: Any = None) -> None:
        self._overlay.visible = self._fields.tiling.value
        self._overlay.all_radii = self._fields.all_contexts.value
