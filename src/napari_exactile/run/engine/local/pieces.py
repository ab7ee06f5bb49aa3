"""Compute tiles in pieces as large as the memory allows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeVar

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile, split_zone
from napari_exactile.network.analysis import Runnable
from napari_exactile.network.declared import Declared
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event, TileError
from napari_exactile.run.plan.devices import free_memory, is_out_of_memory
from napari_exactile.run.plan.plan import Plan, largest_tile
from napari_exactile.stopping import Cancelled
from napari_exactile.torch_state import exact_arithmetic

SMALLEST = "not enough memory for even the smallest tile; close other programs, or use a larger machine"
R = TypeVar("R")
Expect = Callable[[Iterable[Box]], None]


class Pieces:
    """How small the pieces of one job's zones must be by now; they change no exact label.

    It belongs to the thread of the run.
    """

    def __init__(self, plan: Plan, analysis: Runnable, device: torch.device) -> None:
        self._plan, self._analysis, self._device = plan, analysis, device
        self._largest = plan.zor

    def compute(
        self, tile: Tile, upcoming: Sequence[Tile], compute: Callable[[Box], R], expect: Expect
    ) -> Generator[Event, None, list[R]]:
        """Return what `compute` gives for each piece of a tile, halving them until the memory is enough.

        `expect` hears which zones come next: those pieces, and after them those of the `upcoming` tiles.
        Raises TileError, and Cancelled as `compute` does.
        """
        while True:
            try:
                expect([piece for one in (tile, *upcoming) for piece in self._of(one)])
                with exact_arithmetic():
                    return [compute(piece) for piece in self._of(tile)]
            except Cancelled:
                raise
            except Exception as error:
                if not is_out_of_memory(error):
                    raise TileError.of(tile, error) from error
                self._halve(tile, error)
            yield events.TileHalved(self._largest)

    def _of(self, tile: Tile) -> tuple[Box, ...]:
        return split_zone(tile.zone, self._largest, self._plan.factor)

    def _halve(self, tile: Tile, error: BaseException) -> None:
        """Halve the pieces of an automatic tile; raise TileError for a typed one or where nothing is left."""
        halves = tuple(
            max(f, length // 2 // f * f) for length, f in zip(self._largest, self._plan.factor, strict=True)
        )
        if not self._plan.automatic:
            raise TileError(tile.index, tile.zone, self._what_fits()) from error
        if halves == self._largest:
            raise TileError(tile.index, tile.zone, SMALLEST) from error
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self._largest = halves

    def _what_fits(self) -> str:
        plan = self._plan
        if isinstance(self._analysis, Declared):
            return f"not enough memory for a tile of {max(plan.tile)} px; a smaller one may fit"
        memory = min(int(free_memory(self._device) * 0.8), plan.peak_bytes // 2)
        fits = largest_tile(self._analysis.bound, plan.radius, plan.method, memory)
        remedy = f"a tile of {fits} px would fit" if fits else "no tile would fit on this device"
        return f"not enough memory for a tile of {max(plan.tile)} px; {remedy}"
