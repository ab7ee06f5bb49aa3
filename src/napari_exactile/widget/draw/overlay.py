"""The tiling drawn on the image: its zones, the context of one tile, and how far each tile has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from superqt.utils import qthrottled

from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.in_view import tile_in_view
from napari_exactile.widget.draw.layer_paint import (
    ALL_CONTEXTS_LINE,
    CONTEXT_LINE,
    MOST_CONTEXTS,
    STATUS_LINE,
    ZONE_LINE,
    empty_mesh,
    empty_shapes,
    paint_context,
    paint_contexts,
    paint_status,
    paint_zones,
)
from napari_exactile.widget.draw.own_layer import Frame, OwnLayer
from napari_exactile.widget.draw.tile_shapes import TileStatus, tile_boxes
from napari_exactile.widget.draw.tile_states import TileStates
from napari_exactile.widget.draw.volume import VolumeBox, planar, shows_last, slab_at
from napari_exactile.widget.form.settled import Settled

__all__ = ["Frame", "TileStatus", "TilingOverlay"]


class TilingOverlay:
    """Draws a tiling over an image, in layers of its own that neither steal the selection nor move the view.

    The layers are two-dimensional: napari shows them in every plane of a stack. They are drawn only while
    the last two axes, and no others, are displayed: in a 3D view, or with the axes rolled, they are empty.
    Layers that a person deletes come back with the next `show`. What follows napari's events waits while
    napari adds or removes layers. All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel, settled: Settled | None = None) -> None:
        self._viewer, self._settled = viewer, settled or Settled(viewer)
        self._frame = Frame()
        self._tiling: Tiling | None = None
        self._whole_frame = self._frame
        self._whole: Tiling | None = None
        self._slab_shown: int | None = None
        self._box = VolumeBox(viewer)
        self._states = TileStates()
        self._current: int | None = None
        self._shown, self._visible, self._all_radii = False, True, False
        self._context_radius: tuple[int, ...] | None = None
        own = partial(OwnLayer, viewer, listed=False)
        self._context = own("Tiles: context", empty_shapes)
        self._contexts = own("Tiles: all contexts", empty_shapes, below=self._context)
        self._zones = own("Tiles: zones", empty_shapes, below=self._context)
        self._statuses = own("Tiles: status", empty_mesh, below=self._zones)
        self._layers = (self._zones, self._contexts, self._context, self._statuses)
        self._follow_soon = qthrottled(self._follow, timeout=40)
        self._grow_soon = qthrottled(self._grow, timeout=100, leading=False)
        self._restyle_soon = qthrottled(self._restyle, timeout=150)
        self._update_status_soon = qthrottled(self._update_status, timeout=100)
        for emitter, callback in self._connections():
            emitter.connect(callback)

    def show(self, frame: Frame, tiling: Tiling) -> None:
        """Draw the zones of a tiling of (y, x), or of (z, y, x) as they lie in the plane in view.

        `frame` has as many axes. Another tiling than before clears the status.
        """
        if len(tiling.shape) not in {2, 3}:
            raise ValueError(f"only tilings of two or three axes can be drawn, not of {len(tiling.shape)}")
        if (frame, tiling) != (self._whole_frame, self._whole):
            self._states.clear()
        self._whole_frame, self._whole = frame, tiling
        self._frame, self._tiling, self._shown = frame.flat, planar(tiling), True
        self._refresh()

    def hide(self) -> None:
        """Hide every layer; the tiling is remembered, and the status of its tiles goes on changing."""
        self._shown = False
        self._refresh()

    def forget(self) -> None:
        """Hide every layer once napari is done, and forget the tiling: its image is gone."""
        self._shown = False
        self._states.clear()
        self._whole_frame, self._whole = self._frame, self._tiling = Frame(), None
        self._settled.call(self._refresh)

    @property
    def visible(self) -> bool:
        """Whether the tiling is to be seen while it is shown: the person's one switch."""
        return self._visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        self._visible = visible
        self._refresh()

    @property
    def all_radii(self) -> bool:
        """Whether the contexts of all tiles are drawn, up to 100 tiles, beside that of the current one."""
        return self._all_radii

    @all_radii.setter
    def all_radii(self, all_radii: bool) -> None:
        self._all_radii = all_radii
        self._refresh()

    @property
    def context_radius(self) -> tuple[int, ...] | None:
        """Another context than the tiling's, drawn around the current tile; None: the tiling's own."""
        return self._context_radius

    @context_radius.setter
    def context_radius(self, radius: tuple[int, ...] | None) -> None:
        if radius != self._context_radius:
            self._context_radius = radius
            self._grow_soon()

    @property
    def current(self) -> int | None:
        """The number of the tile whose context is drawn; None before the first `show`."""
        return self._current

    def start_status(self) -> None:
        """Begin to show how far each tile has come: all are waiting."""
        if self._tiling is not None:
            self._states.begin(len(self._whole or ()))
            self._refresh()

    def set_status(self, indices: Iterable[int], status: TileStatus) -> None:
        """Change some tiles' status; ignored before `start_status` and for tiles that do not exist."""
        self.update_status(dict.fromkeys(indices, status))

    def update_status(self, changes: Mapping[int, TileStatus]) -> None:
        """Change several tiles' status at once: one redraw."""
        if self._states.known:
            self._states.update(changes)
            self._update_status_soon()

    def clear_status(self) -> None:
        """Show no status any more."""
        self._states.clear()
        self._statuses.hide()

    def close(self) -> None:
        """Let go of the viewer: hear no more events, leave the layers hidden for the next overlay there."""
        for emitter, callback in self._connections():
            emitter.disconnect(callback)
        self._settled.leave()
        for throttled in (self._follow_soon, self._grow_soon, self._restyle_soon, self._update_status_soon):
            throttled.cancel()
        self._shown = False
        self._states.clear()
        for own in self._layers:
            own.release()
        self._box.remove()

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        viewer, camera, dims = self._viewer, self._viewer.scene.camera, self._viewer.dims
        return [
            (viewer.cursor.events.position, self._on_move),
            (viewer.events.mouse_over_canvas, self._on_move),
            (camera.events.center, self._on_move),
            (camera.events.zoom, self._on_zoom),
            (dims.events.order, self._on_axes),
            (dims.events.ndisplay, self._on_axes),
            (dims.events.ndim, self._on_axes),
            (dims.events.current_step, self._on_step),
        ]

    def _on_axes(self, event: Any = None) -> None:
        self._settled.call(self._refresh)

    def _on_step(self, event: Any = None) -> None:
        self._settled.call(self._follow_slab)

    def _follow_slab(self) -> None:
        if self._slab is not None and self._slab != self._slab_shown:
            self._update_status_soon()

    @property
    def _slab(self) -> int | None:
        """The layer of zones that the plane in view belongs to; None for tilings of planes."""
        if self._whole is None or len(self._whole.shape) < 3 or len(self._viewer.dims.point) < 3:
            return None
        frame = self._whole_frame.shown_in(self._viewer)
        return slab_at(self._whole, frame.pixel(self._viewer.dims.point)[0])

    def _on_move(self, event: Any = None) -> None:
        self._settled.call(self._follow_soon)

    def _on_zoom(self, event: Any = None) -> None:
        self._settled.call(self._restyle_soon)

    def _drawn_tiling(self) -> Tiling | None:
        """Return the tiling if it is to be seen now."""
        return self._tiling if self._shown and self._visible and shows_last(self._viewer, 2) else None

    def _refresh(self) -> None:
        """Draw or hide everything, making the layers that are missing."""
        if self._whole is None or len(self._whole.shape) < 3:
            self._box.remove()
        if (tiling := self._drawn_tiling()) is None:
            # Shapes start half a pixel before the first plane, so in a stack with rolled axes their extent
            # alone would shift the slider and skip planes: empty them.
            for own in self._layers:
                own.hide(erase=not shows_last(self._viewer, 2))
            self._refresh_box()
            return
        self._box.hide()
        self._draw_zones(tiling)
        self._draw_context(tiling)
        self._draw_contexts(tiling)
        self._draw_status(tiling)
        self._restyle()

    def _refresh_box(self) -> None:
        """In a 3D view of a volume, draw the box of one tile."""
        if self._shown and self._visible and self._whole is not None and self._is_volume():
            self._box.draw(self._whole_frame, self._whole)
        else:
            self._box.hide()

    def _is_volume(self) -> bool:
        return shows_last(self._viewer, 3) and len(self._whole_frame.scale) == 3

    def _draw_zones(self, tiling: Tiling) -> None:
        paint = partial(paint_zones, tiling=tiling, width=self._width(ZONE_LINE))
        self._zones.draw(self._frame, tiling, paint)

    def _draw_contexts(self, tiling: Tiling) -> None:
        if not self._all_radii or len(tiling) > MOST_CONTEXTS:
            self._contexts.hide()
            return
        paint = partial(paint_contexts, tiling=tiling, width=self._width(ALL_CONTEXTS_LINE))
        self._contexts.draw(self._frame, tiling, paint)

    def _draw_context(self, tiling: Tiling) -> None:
        """Draw one zone and its context, relative to the zone: away from the edges only the frame moves."""
        self._current = tile_in_view(self._frame, tiling, self._viewer)
        start, boxes = tile_boxes(tiling, self._current, self._context_radius or tiling.radius)
        paint = partial(paint_context, boxes=boxes, width=self._width(CONTEXT_LINE))
        self._context.draw(self._frame.shifted(start), boxes, paint)

    def _draw_status(self, tiling: Tiling) -> None:
        if not self._states.known:
            self._statuses.hide()
            return
        self._slab_shown, width = self._slab, self._width(STATUS_LINE)
        # Tiles are numbered along z first, so those of one layer of zones follow each other.
        first = (self._slab_shown or 0) * len(tiling)
        status = self._states.part(first, len(tiling))
        paint = partial(paint_status, tiling=tiling, status=status, width=width)
        self._statuses.draw(self._frame, (tiling, first, self._states.version, width), paint)

    def _width(self, pixels: float) -> float:
        """Return a line width in pixels of the image, less where the zones are small on the screen."""
        narrowest = min(self._tiling.zone) if self._tiling else np.inf
        return min(self._frame.width(self._viewer, pixels), pixels * narrowest / 16)

    def _follow(self) -> None:
        """Move the context to the current tile, unless a person deleted it."""
        if self._is_volume():
            self._refresh_box()
        if (tiling := self._drawn_tiling()) is None or self._context.layer is None:
            return
        if tile_in_view(self._frame, tiling, self._viewer) != self._current:
            self._draw_context(tiling)

    def _grow(self) -> None:
        """Draw the current tile anew with another context, unless a person deleted it."""
        if (tiling := self._drawn_tiling()) is not None and self._context.layer is not None:
            self._draw_context(tiling)

    def _restyle(self) -> None:
        """Keep the lines as wide on the screen as they were before the zoom changed."""
        if (tiling := self._drawn_tiling()) is None:
            return
        self._zones.restyle(self._width(ZONE_LINE))
        self._contexts.restyle(self._width(ALL_CONTEXTS_LINE))
        self._context.restyle(self._width(CONTEXT_LINE))
        if self._statuses.layer is not None:
            self._draw_status(tiling)

    def _update_status(self) -> None:
        if (tiling := self._drawn_tiling()) is not None and self._statuses.layer is not None:
            self._draw_status(tiling)
