"""What the journal of a store says, line by line: measurements, passes, finished tiles, reports.

Lines have checksums, so that what is wrong with one was wrong when it was written: it counts as lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from napari_exactile.geometry.interval import Interval
from napari_exactile.images.normalize.steps import Normalization, steps_as_json, steps_from_json
from napari_exactile.images.store.files import ABOUT
from napari_exactile.images.store.journal import Record
from napari_exactile.images.store.shards import Zone
from napari_exactile.run.engine.passes.pass_records import Statistics, known_passes, record_of

Plane = tuple[int, ...]
# Checksums of what the image was normalised by, and of what passes over it had found.
MadeBy = tuple[int, int]


def made_by(normalization: Normalization, passes: Sequence[Statistics]) -> MadeBy:
    """Return what labels depend on beside image, model and settings: tiles of one image must agree in it."""
    steps = steps_as_json(normalization.steps)
    return _checksum(steps), _checksum([record_of(number, one) for number, one in enumerate(passes)])


def _checksum(content: Any) -> int:
    return crc32(json.dumps(content).encode())


@dataclass(frozen=True, slots=True)
class TileRecord:
    """A finished tile: its `zone` in the labels (None: it has none), its near-ties, and what made it.

    Stores of earlier versions do not say the latter.
    """

    number: int
    zone: Zone | None
    near_ties: int
    made_by: MadeBy | None = None

    @classmethod
    def of(cls, record: Record) -> TileRecord:
        """Return what a line says; raises whatever comes of one that is wrong."""
        box = tuple(Interval(*map(int, side)) for side in record["box"])
        zone = Zone(_plane(record), box, int(record["crc"])) if box else None
        made = record.get("by")
        return cls(int(record["tile"]), zone, int(record["near_ties"]), made and (int(made[0]), int(made[1])))

    def as_record(self) -> Record:
        """Return the line."""
        box = [[side.start, side.stop] for side in self.zone.box] if self.zone else []
        crc = self.zone.checksum if self.zone else 0
        return {
            "tile": self.number, "box": box, "crc": crc, "near_ties": self.near_ties, "by": self.made_by,
        }  # fmt: skip


@dataclass(slots=True)
class StoreRecords:
    """All that a journal says of each plane; of what was written twice, the last counts.

    `report` is the checksum of the last report that a run has written, and `ended` whether nothing came after
    it. `spoilt` says why the labels are those of no image, if they are not; `wrong` counts lines that say
    nothing that is known.
    """

    tiles: dict[Plane, dict[int, TileRecord]] = field(default_factory=dict)
    steps: dict[Plane, Normalization] = field(default_factory=dict)
    passes: dict[Plane, tuple[Statistics, ...]] = field(default_factory=dict)
    seconds: dict[Plane, float] = field(default_factory=dict)
    report: int | None = None
    ended: bool = False
    spoilt: str = ""
    wrong: int = 0

    @classmethod
    def of(cls, records: Sequence[Record]) -> StoreRecords:
        """Return what these records say."""
        found = cls()
        for record in records:
            try:
                found._take(record)
            except Exception:  # a line can be wrong in every way
                found.wrong += 1
        return found

    @property
    def count(self) -> int:
        """Finished tiles of all planes."""
        return sum(map(len, self.tiles.values()))

    def keep_tiles(self, wanted: Callable[[Plane, TileRecord], bool]) -> int:
        """Forget the tiles that are not wanted; return how many."""
        before = self.count
        self.tiles = {
            plane: {n: one for n, one in tiles.items() if wanted(plane, one)}
            for plane, tiles in self.tiles.items()
        }
        return before - self.count

    def _take(self, record: Record) -> None:
        if ABOUT in record:
            return
        plane, seconds = _plane(record), float(record["seconds"])
        if "tile" in record:
            tile = TileRecord.of(record)
            self.tiles.setdefault(plane, {})[tile.number] = tile
        elif "steps" in record:
            self.steps[plane] = Normalization(steps_from_json(record["steps"]))
        elif "pass" in record:
            self.passes[plane] = known_passes([record], self.passes.get(plane, ()))
        elif "spoilt" in record:
            self.spoilt = str(record["spoilt"])
        elif "report" in record:
            self.report = int(record["report"])
        self.seconds[plane] = seconds
        self.ended = "report" in record


def _plane(record: Record) -> Plane:
    return tuple(map(int, record["plane"]))
