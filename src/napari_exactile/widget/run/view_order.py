"""The order of a run's tiles: those that the person looks at come first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from superqt.utils import qthrottled

from napari_exactile.geometry.interval import Box
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.widget.draw.in_view import box_in_view, displayed_axes
from napari_exactile.widget.draw.planes import Plane

LOOK_MS = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What was in sight at one moment: a plane's place in the stack, and the pixels of it."""

    index: tuple[int, ...]
    box: Box


class ViewOrder:
    """The order of a run (see `Control`): the tiles in view, those nearest to the middle of the view first.

    Of a stack, only the plane in view has an order. There is none in 3D, nor where the image is out of
    sight; all other tiles follow in their own order in any case. `follow` and `leave` belong to the GUI
    thread, the call to the thread of the run: only one small frozen value passes from one to the other.
    """

    def __init__(self, viewer: ViewerModel, plane: Plane, series: Callable[[], Series | None]) -> None:
        self._viewer, self._plane, self._series = viewer, plane, series
        self._seen: Seen | None = None
        self._known: tuple[Seen | None, tuple[int, ...]] = None, ()
        self._look_soon = qthrottled(self._look, timeout=LOOK_MS)

    def __call__(self) -> tuple[int, ...]:
        """Return the numbers of the tiles in view; they are found once for each view."""
        seen, series = self._seen, self._series()
        if seen is None or series is None or seen.index != series.index:
            return ()
        if seen is not self._known[0]:
            self._known = seen, series.task.plan.tiling.nearest(seen.box)
        return self._known[1]

    def follow(self) -> None:
        """Follow the view from now on."""
        self._look()
        for emitter in self._emitters():
            emitter.connect(self._on_view)

    def leave(self) -> None:
        """Let go of the viewer; there is no order any more."""
        for emitter in self._emitters():
            emitter.disconnect(self._on_view)
        self._look_soon.cancel()
        self._seen = None

    def _emitters(self) -> tuple[Any, ...]:
        camera, dims = self._viewer.scene.camera.events, self._viewer.dims.events
        size = self._viewer.canvas.events.size
        return camera.center, camera.zoom, dims.current_step, dims.order, dims.ndisplay, size

    def _on_view(self, event: Any = None) -> None:
        self._look_soon()

    def _look(self) -> None:
        seen = self._in_sight()
        if seen != self._seen:
            self._seen = seen

    def _in_sight(self) -> Seen | None:
        plane = self._plane
        try:
            box = box_in_view(plane.layer, self._viewer)
        except ValueError:
            return None
        if set(plane.stack) & set(displayed_axes(plane.layer, self._viewer)):
            return None
        return Seen(
            tuple(box[axis].start for axis in plane.stack), tuple(box[axis] for axis in plane.spatial)
        )
