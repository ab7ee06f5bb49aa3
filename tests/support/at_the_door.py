"""Meets what passes through the door of the engine: a test stops, breaks or changes it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from napari_exactile.geometry.tiling import Tile
from napari_exactile.run.engine.door import Computed, Deliver, Piece
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
    holding: Callable[[Check], object] = nothing,
    after: Callable[[Piece], Piece] = lambda piece: piece,
) -> None:
    """Call `started` and `before` for each tile that is begun, and give what is delivered through `after`.

    `started` is called before anybody hears of the tile, `before` afterwards; what it raises is the failure
    of the tile, as if computing had raised it. `holding` is called before results of a tile are delivered.
    """
    engine: Any = ENGINES["local"]

    class Met(engine):
        def submit(
            self, band: Band, upcoming: Sequence[Band], deliver: Deliver, check: Check
        ) -> Iterator[Event | Computed]:
            def held(piece: Piece) -> object:
                holding(check)
                return deliver(after(piece))

            for step in super().submit(band, upcoming, held, check):
                if not isinstance(step, TileStarted):
                    yield step
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
