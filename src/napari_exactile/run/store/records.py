"""What the journal of a store says, line by line: measurements, passes, finished tiles, reports.

Lines have checksums, so that what is wrong with one was wrong when it was written: it counts as lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from napari_exactile.geometry.interval import box_of
from napari_exactile.images.normalize.steps import Known, Normalization
from napari_exactile.images.store.files import ABOUT
from napari_exactile.images.store.shards import Zone
from napari_exactile.record import Record, Side, as_json
from napari_exactile.run.engine.passes.pass_records import PassRecord, Statistics, known_passes

Plane = tuple[int, ...]
# Checksums of what the image was normalised by, and of what passes over it had found.
MadeBy = tuple[int, int]


def made_by(normalization: Normalization, passes: Sequence[Statistics]) -> MadeBy:
    """Return what labels depend on beside image, model and settings: tiles of one image must agree in it."""
    found = [PassRecord.said_of(number, one) for number, one in enumerate(passes)]
    return _checksum(normalization.steps), _checksum(found)


def _checksum(content: Any) -> int:
    return crc32(json.dumps(as_json(content)).encode())


class TileRecord(Record, frozen=True, kw_only=True, rename={"number": "tile", "made_by": "by"}):
    """A finished tile: its box in the labels (none if it has no zone), their checksum, and its near-ties.

    Stores of earlier versions do not say what made it. Raises ValueError for what is no box.
    """

    number: int
    box: tuple[Side, ...]
    crc: int
    near_ties: int
    made_by: MadeBy | None = None

    def __post_init__(self) -> None:
        box_of(self.box)

    def zone(self, plane: Plane) -> Zone | None:
        """Return its zone in the labels of its plane; None where it has none."""
        return Zone(plane, box_of(self.box), self.crc) if self.box else None


class StepsRecord(Record, frozen=True, kw_only=True):
    """What a plane was normalised by."""

    steps: tuple[Known, ...]


class SpoiltRecord(Record, frozen=True, kw_only=True):
    """Why the labels are those of no image."""

    spoilt: str


class WrittenReport(Record, frozen=True, kw_only=True):
    """The checksum of the report that ends a run."""

    report: int


Says = TileRecord | StepsRecord | PassRecord | SpoiltRecord | WrittenReport
# By what a line has that is of this kind.
KINDS: dict[str, type[Says]] = {
    "tile": TileRecord, "steps": StepsRecord, "pass": PassRecord, "spoilt": SpoiltRecord,
    "report": WrittenReport,
}  # fmt: skip


class _Heading(Record, frozen=True, kw_only=True):
    plane: Plane
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of a run says of a plane, and the seconds that the plane has taken by then.

    Of lines of later versions, it may be something that is not known here: None.
    """

    plane: Plane
    says: Says | None
    seconds: float

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Line:
        """Return what a line of the journal says; raises ValueError for one that is wrong."""
        heading = _Heading.of(content)
        kind = next((kind for name, kind in KINDS.items() if name in content), None)
        return cls(heading.plane, kind.of(content) if kind else None, heading.seconds)

    def as_json(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        says = self.says.as_json() if self.says else {}
        return {"plane": list(self.plane)} | says | {"seconds": round(self.seconds, 3)}


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
    def of(cls, records: Sequence[Mapping[str, Any]]) -> StoreRecords:
        """Return what these records say."""
        found = cls()
        for content in records:
            if ABOUT in content:
                continue
            try:
                found._take(Line.of(content))
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

    def keep_steps(self, fits: Callable[[Normalization], bool]) -> int:
        """Forget what planes were normalised by where it does not fit the image; return how often."""
        before = len(self.steps)
        self.steps = {plane: steps for plane, steps in self.steps.items() if fits(steps)}
        return before - len(self.steps)

    def _take(self, line: Line) -> None:
        plane = line.plane
        match line.says:
            case TileRecord() as tile:
                self.tiles.setdefault(plane, {})[tile.number] = tile
            case StepsRecord(steps=steps):
                self.steps[plane] = Normalization(steps)
            case PassRecord() as one:
                self.passes[plane] = known_passes([one], self.passes.get(plane, ()))
            case SpoiltRecord(spoilt=why):
                self.spoilt = why
            case WrittenReport(report=checksum):
                self.report = checksum
        self.seconds[plane] = line.seconds
        self.ended = isinstance(line.says, WrittenReport)
