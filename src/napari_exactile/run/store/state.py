"""How far the run has come that a store belongs to, for whoever is about to continue or replace it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_exactile.geometry.words import part_of
from napari_exactile.images.store.files import about_of
from napari_exactile.images.store.journal import records_in
from napari_exactile.images.store.store import OWN, is_complete
from napari_exactile.run.store.records import StoreRecords


@dataclass(frozen=True, slots=True)
class State:
    """`done` of the `tiles` of all planes."""

    done: int
    tiles: int

    @property
    def complete(self) -> bool:
        """Whether nothing is left."""
        return self.done >= self.tiles

    def __str__(self) -> str:
        return (
            "finished labels"
            if self.complete
            else f"an unfinished run, {part_of(self.done, self.tiles, 'tile')}"
        )


def state_of(path: Path) -> State | None:
    """Return what its journal says of a store, which another run may be writing; None where there is none.

    Nothing is checked or changed. Raises ValueError for a damaged store, and OSError.
    """
    if not is_complete(path):
        return None
    records = records_in(path / OWN / "journal")
    about, _faults = about_of(path, records)
    done, tiles = StoreRecords.of(records).count, about.get("tiles")
    return State(done, tiles if isinstance(tiles, int) else done)
