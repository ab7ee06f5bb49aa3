"""How far the run has come that a store belongs to, for whoever is about to continue or replace it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_exactile.geometry.words import part_of
from napari_exactile.images.store.files import about_of
from napari_exactile.images.store.journal import records_in
from napari_exactile.images.store.store import OWN, is_complete
from napari_exactile.run.store.records import StoreRecords
from napari_exactile.run.store.run_record import RunRecord
from napari_exactile.run.task.identity import seemingly_differing
from napari_exactile.run.task.origin import Origin
from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True)
class State:
    """`done` of the `tiles` of all planes; `run` is what the store says of it, None where that is damaged."""

    done: int
    tiles: int
    run: RunRecord | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left."""
        return self.done >= self.tiles

    def apart_from(self, task: Task) -> str:
        """Return in what it is another run than the task's, as far as that can be told without reading.

        Nothing where it may be the same.
        """
        return "" if self.run is None else seemingly_differing(self.run.identity, task)

    @property
    def source(self) -> str:
        """Which image and model it is of, such as "'slide' by unet"; "" where it does not say."""
        try:
            origin = Origin.of(self.run.origin if self.run else {})
        except ValueError:  # damaged, as whoever opens it says
            return ""
        return f"'{origin.image.name}' by {origin.model.name}" if origin.model.name else ""

    def __str__(self) -> str:
        return "finished labels" if self.complete else f"an unfinished run, {self.progress}"

    @property
    def progress(self) -> str:
        """How many of its tiles are done, in words."""
        return part_of(self.done, self.tiles, "tile")


def state_of(path: Path) -> State | None:
    """Return what its journal says of a store, which another run may be writing; None where there is none.

    Nothing is checked or changed. Raises ValueError for a damaged store, and OSError.
    """
    if not is_complete(path):
        return None
    records = records_in(path / OWN / "journal")
    about, _faults = about_of(path, records)
    done, tiles = StoreRecords.of(records).count, about.get("tiles")
    try:
        run = RunRecord.in_store(path, about)
    except ValueError:  # whoever opens it says why
        run = None
    return State(done, tiles if isinstance(tiles, int) else done, run)
