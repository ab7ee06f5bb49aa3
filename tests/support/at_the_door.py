"""Meets what passes through the door of the engine: a test stops, breaks or changes it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from napari_exactile.geometry.tiling import Tile
from napari_exactile.run.engine.door import Computed
from napari_exactile.run.engine.events import Event, TileError, TileStarted
from napari_exactile.run.engine.schedule.engines import ENGINES
from napari_exactile.run.plan.bands import Band
from napari_exactile.stopping import Cancelled, Check


def nothing(*_anything: object) -> None:
    """Do nothing."""


def meet(
    monkeypatch: pytest.MonkeyPatch,
    *,
    started: Callable[[int], object] = nothing,
    before: Callable[[Tile, Check], object] = nothing,
    after: Callable[[Computed], Computed] = lambda computed: computed,
) -> None:
    """Call `started` and `before` for each tile that is begun, and give what is computed through `after`.

    `started` is called before anybody hears of the tile, `before` afterwards; what it raises is the failure
    of the tile, as if computing had raised it.
    """
    engine: Any = ENGINES["local"]

    class Met(engine):
        def submit(self, band: Band, upcoming: Sequence[Band], check: Check) -> Iterator[Event | Computed]:
            for step in super().submit(band, upcoming, check):
                if not isinstance(step, TileStarted):
                    yield after(step) if isinstance(step, Computed) else step
                    continue
                started(step.index)
                yield step
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
