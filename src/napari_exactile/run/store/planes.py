"""The arrays of all planes in a store, and what is remembered of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, sides_of
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.store.image import StoredImage
from napari_exactile.images.store.store import OWN, LabelStore
from napari_exactile.run.engine.door import Known
from napari_exactile.run.engine.passes.pass_records import PassRecord, Statistics
from napari_exactile.run.engine.schedule.arrays import Remembered
from napari_exactile.run.store.known_planes import UNKNOWN, KnownPlane, maker
from napari_exactile.run.store.records import Line, Plane, Says, StepsRecord, TileRecord

KEPT = "kept"


class StoredPlanes:
    """The planes that are `known`, in order, in the arrays of a store; each has so many `tiles`.

    `seconds` are what they have taken so far.
    """

    def __init__(
        self, store: LabelStore, known: Mapping[Plane, KnownPlane], seconds: Mapping[Plane, float], tiles: int
    ) -> None:
        self.store = store
        self._planes = [
            _StoredPlane(store, plane, one, seconds.get(plane, 0.0), len(one.tiles) == tiles)
            for plane, one in known.items()
        ]

    @property
    def done(self) -> int:
        """Finished tiles that count, as far as that is known yet."""
        return sum(len(plane.remembered().near_ties) for plane in self._planes)

    @property
    def all_labels(self) -> Any:
        """Level 0 of the labels, if there are any."""
        return self._level_0("labels")

    @property
    def all_probabilities(self) -> Any:
        """Level 0 of the values or, if they are kept, of the probabilities."""
        return self._level_0("values", "probabilities")

    def _level_0(self, *names: str) -> Any:
        found = (self.store.images[name] for name in names if name in self.store.images)
        return next((image.levels[0] for image in found), None)

    def at(self, number: int) -> _StoredPlane:
        """Return the part of one plane."""
        return self._planes[number]

    def tidy(self) -> None:
        """Remove what was kept between passes over the image."""
        rmtree(kept_folder(self.store.path), ignore_errors=True)


def kept_folder(store: Path, plane: Plane = ()) -> Path:
    """Return where tensors lie that are kept between passes over a plane, or over all of them."""
    return store.joinpath(OWN, KEPT, *map(str, plane))


class _StoredPlane:
    """Arrays of one plane that lie in the store.

    Of the tiles that were finished before, those count that were made by what normalises the plane now, and
    by what passes over it have found now: at once where the journal has both, otherwise as soon as these are
    found anew. Where all tiles are there (`all_done`) and were made by the same, passes are not needed.
    """

    def __init__(
        self, store: LabelStore, plane: Plane, known: KnownPlane, seconds: float, all_done: bool
    ) -> None:
        self._store, self._plane, self._seconds = store, plane, seconds
        self._normalization, self._passes, self._surveys = known.normalization, known.passes, known.surveys
        self._tiles = dict(known.tiles)
        self._whole = all_done and len({one.made_by for one in self._tiles.values()}) == 1
        if known.normalization is not None and known.of != "journal" and self._tiles:
            self._append(StepsRecord(steps=known.normalization.steps), seconds)
        self._now = maker(self._normalization, self._passes, self._surveys)

    def remembered(self) -> Remembered:
        """Return what the journal says, and what has been done since."""
        near_ties = {number: one.near_ties for number, one in self._tiles.items() if self._counts(one)}
        folder = kept_folder(self._store.path, self._plane)
        return Remembered(near_ties, Known(self._normalization, self._passes, folder), self._seconds)

    def shard(self) -> tuple[int, ...]:
        """Return the shape of what holds whole shards of all images."""
        return self._store.shard

    def _counts(self, tile: TileRecord) -> bool:
        steps, passes = tile.made_by or (UNKNOWN, UNKNOWN)
        return steps == self._now[0] != UNKNOWN and (self._whole or passes == self._now[1] != UNKNOWN)

    def measured(self, normalization: Normalization, seconds: float) -> None:
        """Keep the statistics, so that the image is not measured again."""
        if self._normalization != normalization:
            self._append(StepsRecord(steps=normalization.steps), seconds)
            self._normalization = normalization
            self._now = maker(normalization, self._passes, self._surveys)

    def surveyed(self, number: int, values: Statistics, seconds: float) -> None:
        """Keep what a pass over the image has found, so that it is not done again."""
        self._append(PassRecord.said_of(number, values), seconds)
        self._passes = (*self._passes[:number], values)
        self._now = maker(self._normalization, self._passes, self._surveys)

    def labels(self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int) -> Any:
        """Return what writes to the store."""
        return _Writer(self._store.images["labels"], self._plane)

    def probabilities(self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> Any:
        """Return what writes values, or probabilities, to the store."""
        images = self._store.images
        return _Writer(images.get("values") or images["probabilities"], self._plane)

    def finished(self, tile: int, part: Box | None, near_ties: int, seconds: float) -> None:
        """Complete the levels of the zone, and then say so in the journal."""
        zone = self._store.finish(self._plane, part) if part else None
        record = TileRecord(
            number=tile,
            box=sides_of(part or ()),
            crc=zone.checksum if zone else 0,
            near_ties=near_ties,
            made_by=self._now,
        )
        self._append(record, seconds)
        self._tiles[tile] = record

    def _append(self, says: Says, seconds: float) -> None:
        self._store.journal.append(Line(self._plane, says, seconds).as_json())


@dataclass(frozen=True, slots=True)
class _Writer:
    """One plane of level 0 as an array of its own: zarr would read it into memory instead."""

    image: StoredImage
    plane: tuple[int, ...]

    def __setitem__(self, index: tuple[Any, ...], pixels: NDArray[Any]) -> None:
        self.image.put(0, self._whole(index), pixels)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        return self.image.get(0, self._whole(index))

    def _whole(self, index: tuple[Any, ...]) -> Any:
        """Return the index in all planes of (..., *slices) in this one."""
        return self.image.index(self.plane, index[1:])
