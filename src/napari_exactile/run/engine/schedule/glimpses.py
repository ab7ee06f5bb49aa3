"""Tiles that are shown before their bands are computed, so that nobody has to wait for labels in view."""

from __future__ import annotations

from collections.abc import Iterator

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile
from napari_exactile.network.analysis import require_derived
from napari_exactile.network.cost.arithmetic import work_trimmed
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.door import Engine
from napari_exactile.run.engine.events import Event, TileShown
from napari_exactile.run.engine.schedule.results import PlaneResults
from napari_exactile.run.task.task import Task

# What a glimpse may take of the work on its band.
SHARE = 0.1


class Glimpses:
    """Of what is walked, one tile of each view in which nothing is done yet: that in its middle.

    It is computed by itself, given to the control's `show`, and never kept: its band gives it anew, so that
    results do not depend on where somebody looked.
    """

    def __init__(self, task: Task, engine: Engine, results: PlaneResults, control: Control) -> None:
        self._task, self._engine, self._results, self._control = task, engine, results, control
        self._seen: set[int] = set()

    def tell(self) -> Iterator[Event]:
        """Show a tile, where one is wanted."""
        show, tile = self._control.show, self._wanted()
        if show is None or tile is None or not self._cheap(tile):
            return
        if piece := self._engine.glimpse(tile, self._control.check):
            show(piece.box, piece.labels, piece.numbers)
            yield TileShown(tile.index, tile.zone)

    def _wanted(self) -> Tile | None:
        """Return the tile that comes first, unless something is there already of those that do."""
        if self._control.show is None or self._task.plan.walked is None:
            return None
        first = None
        for index in self._control.order():
            if index in self._results.done or index in self._seen:
                return None
            first = index if first is None else first
        if first is None:
            return None
        self._seen.add(first)
        return self._task.plan.tiling.tile(first)

    def _cheap(self, tile: Tile) -> bool:
        """Tell whether a tile by itself takes little of the work on its band."""
        tiling, walked = self._task.plan.tiling, self._task.plan.walked
        assert walked is not None, "nothing is wanted otherwise"
        band = walked.bands(tiling).tile(self._results.bands.of_tile(tile.index)).zone
        return self._work(tile.zone) <= SHARE * self._work(band)

    def _work(self, box: Box) -> float:
        return work_trimmed(require_derived(self._task.analysis).bound, [[side] for side in box])
