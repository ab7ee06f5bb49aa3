"""What the overlay shows of a run's tiles, and when labels that are in sight are drawn anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari.components import ViewerModel

from napari_exactile.geometry.interval import overlap
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.planes import region_in_view
from napari_exactile.widget.draw.tile_shapes import TileStatus

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.job import Job
    from napari_exactile.widget.run.labels import RunLabels


class ShownTiles:
    """The tiles of the plane at work; several that have finished are shown in one redraw.

    There may be no `overlay` to show them: labels are drawn all the same.
    All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel, overlay: TilingOverlay, labels: RunLabels) -> None:
        self._viewer, self._labels = viewer, labels
        self.overlay: TilingOverlay | None = overlay
        self._under_way: dict[int, TileStatus] = {}
        self._fresh: list[int] = []
        self._glimpsed: list[int] = []

    def begin(self, job: Job | None) -> None:
        """Show the tiles of a plane anew: what is done of them, and that all others are waiting."""
        self._fresh, self._glimpsed, self._under_way = [], [], {}
        if self.overlay is not None:
            self.overlay.start_status()
            self.overlay.set_status(job.done if job else (), TileStatus.DONE)

    def heard(self, event: Event) -> None:
        """Take in an event, for the next `show`."""
        match event:
            case events.PlaneStarted():
                self.begin(None)
            case events.TileStarted(index):
                self._under_way[index] = TileStatus.WAITING
            case events.TileShown(index):
                self._glimpsed.append(index)
            case events.TileFinished(index):
                self._under_way.pop(index, None)
                self._fresh.append(index)

    def show(self, job: Job | None, under_way: TileStatus) -> None:
        """Show which tiles are new, with their labels, and which are `under_way`: of a walk, a whole row."""
        if job is None:
            return
        fresh, self._fresh = self._fresh, []
        changes = dict.fromkeys(fresh, TileStatus.DONE)
        changes |= {index: under_way for index, shown in self._under_way.items() if shown is not under_way}
        self._under_way = dict.fromkeys(self._under_way, under_way)
        if self.overlay is not None and changes:
            self.overlay.update_status(changes)
        drawn, self._glimpsed = [*fresh, *self._glimpsed], []
        if drawn and self._in_sight(job.task.plan.tiling, drawn):
            self._labels.redraw()

    def clear(self) -> None:
        """Show no status any more: all tiles are done."""
        if self.overlay is not None:
            self.overlay.clear_status()

    def _in_sight(self, tiling: Tiling, tiles: Iterable[int]) -> bool:
        """Tell whether one of these tiles can be seen; where that is hard to say, it can."""
        if self._viewer.dims.ndisplay == 3 or not self._labels.plane.is_flat:
            return True
        try:
            view = region_in_view(self._labels.plane, self._viewer)
        except ValueError:
            return False
        return any(overlap(tiling.tile(index).zone, view) for index in tiles)
