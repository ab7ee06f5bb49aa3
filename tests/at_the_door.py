"""Meets what passes through the door of the engine: a test stops, breaks or changes it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from napari_exactile.geometry.tiling import Tile
from napari_exactile.run.engine.door import Computed
from napari_exactile.run.engine.events import Event, TileError, TileStarted
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.schedule.engines import ENGINES
from napari_exactile.run.plan.bands import Band
from napari_exactile.stopping import Cancelled, Check


def meet(
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[Tile, Check], object] = lambda tile, check: None,
    after: Callable[[Computed], Computed] = lambda computed: computed,
) -> None:
    """Call `before` for each tile that has been started, and give what is computed through `after`.

    What `before` raises is the failure of its tile, as if computing had raised it.
    """

    class Met(LocalEngine):
        def submit(self, band: Band, upcoming: Sequence[Band], check: Check) -> Iterator[Event | Computed]:
            for step in super().submit(band, upcoming, check):
                yield after(step) if isinstance(step, Computed) else step
                if isinstance(step, TileStarted):
                    _failing(self.task.plan.tiling.tile(step.index), before, check)

    monkeypatch.setitem(ENGINES, "local", Met)


def _failing(tile: Tile, before: Callable[[Tile, Check], object], check: Check) -> None:
    try:
        before(tile, check)
    except Cancelled:
        raise
    except Exception as error:
        raise TileError.of(tile, error) from error


def with_labels(computed: Computed, change: Callable[[Any], Any]) -> Computed:
    """Return what was computed with other labels."""
    return replace(
        computed, pieces=tuple(replace(piece, labels=change(piece.labels)) for piece in computed.pieces)
    )
