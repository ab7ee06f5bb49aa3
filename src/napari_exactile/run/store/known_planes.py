"""What earlier runs found out about each plane of a store: from its journal, or else from its report.

Labels of one image must not be made by two normalisations, nor by two results of a pass over it. Tiles say by
checksums what made them, so that what was lost and is measured again can be told to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from napari_exactile.images.normalize.statistics import is_missing
from napari_exactile.images.normalize.steps import (
    Known,
    Normalization,
    Percentiles,
    Step,
    ZScore,
)
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.store.records import MadeBy, Plane, StoreRecords, TileRecord, made_by
from napari_exactile.run.words.report_record import ReportRecord

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Asked:
    """What normalises the planes of a store: the steps asked for, the value left out, all as one or not."""

    steps: tuple[Step, ...]
    ignore: float | None = None
    together: bool = False

    @property
    def unmeasured(self) -> Normalization | None:
        """What it comes to for every image, if nothing of it is measured."""
        if is_missing(self.ignore) or any(isinstance(step, ZScore | Percentiles) for step in self.steps):
            return None
        return Normalization(tuple(step for step in self.steps if isinstance(step, Known)))


@dataclass(frozen=True, slots=True)
class ReportSays:
    """What the report of a store says that each plane was normalised by; `sound` if it is as written."""

    measured: Mapping[Plane, Normalization]
    sound: bool

    @classmethod
    def of(cls, report: ReportRecord | None, sound: bool) -> ReportSays:
        """Return what it says, if there is one."""
        if report is None:
            return cls({}, False)
        return cls({one.plane: Normalization(one.steps) for one in report.normalization.measured}, sound)

    def only(self, fits: Callable[[Normalization], bool]) -> ReportSays:
        """Return the same without what does not fit the image."""
        measured = {plane: found for plane, found in self.measured.items() if fits(found)}
        return ReportSays(measured, self.sound)


@dataclass(frozen=True, slots=True)
class KnownPlane:
    """What is known of a plane: what normalises it, what passes over it have found, and its finished tiles.

    `of` says where the normalisation is known from: "journal", "settings" or "report", "" where it must be
    measured. All `tiles` say what made them, as far as that is known.
    """

    normalization: Normalization | None
    of: str
    passes: tuple[Statistics, ...]
    surveys: int
    tiles: Mapping[int, TileRecord]

    @property
    def stale(self) -> set[int]:
        """The tiles that were made by something else than what is known by now."""
        now = maker(self.normalization, self.passes, self.surveys)
        return {number for number, one in self.tiles.items() if one.made_by and _differs(one.made_by, now)}

    def could_be(self, normalization: Normalization) -> bool:
        """Tell whether no tile was made by another normalisation than this, as far as they say."""
        steps, _ = made_by(normalization, ())
        return all(not one.made_by or one.made_by[0] in {UNKNOWN, steps} for one in self.tiles.values())

    def without(self, numbers: Iterable[int]) -> KnownPlane:
        """Return the same without some of the tiles."""
        gone = set(numbers)
        return replace(self, tiles={n: tile for n, tile in self.tiles.items() if n not in gone})


def maker(normalization: Normalization | None, passes: Sequence[Statistics], surveys: int) -> MadeBy:
    """Return what makes labels, UNKNOWN where it must be found out: there are so many passes (`surveys`)."""
    steps, found = made_by(normalization or Normalization(), passes)
    return UNKNOWN if normalization is None else steps, UNKNOWN if len(passes) < surveys else found


def _differs(made: MadeBy, now: MadeBy) -> bool:
    return any(UNKNOWN not in pair and pair[0] != pair[1] for pair in zip(made, now, strict=True))


def known_plane(
    plane: Plane, records: StoreRecords, asked: Asked, report: ReportSays, surveys: int
) -> KnownPlane:
    """Return what is known of a plane without measuring it."""
    tiles, passes = records.tiles.get(plane, {}), records.passes.get(plane, ())
    normalization, of = _normalization(plane, records, asked, report)
    # What tiles were made by that do not say it: a report that may be damaged must be confirmed by measuring.
    before = maker(normalization or report.measured.get(plane), passes, surveys)
    told = {number: structs.replace(one, made_by=one.made_by or before) for number, one in tiles.items()}
    return KnownPlane(normalization, of, passes, surveys, told)


def _normalization(
    plane: Plane, records: StoreRecords, asked: Asked, report: ReportSays
) -> tuple[Normalization | None, str]:
    """Return what a plane was normalised by, and where that is known from."""
    own = records.steps.get(plane)
    if own is None and asked.together:
        own = next(iter(records.steps.values()), None)
    if own is not None:
        return own, "journal"
    if plane not in records.tiles:
        return None, ""  # it is not begun: its pixels must be looked at, whatever is asked for
    if asked.unmeasured is not None:
        return asked.unmeasured, "settings"
    said = report.measured.get(plane)
    if said is not None and (report.sound or _made(records.tiles.get(plane, {}), said)):
        return said, "report"
    return None, ""


def _made(tiles: Mapping[int, TileRecord], normalization: Normalization) -> bool:
    """Tell whether all tiles say that they were made by this."""
    steps, _ = made_by(normalization, ())
    return bool(tiles) and all(one.made_by is not None and one.made_by[0] == steps for one in tiles.values())
