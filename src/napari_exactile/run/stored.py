"""A series whose labels are kept in a store on disk: begun there, or continued where it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.images.layout import Zone, zone_of
from napari_exactile.images.normalization import Normalization, steps_as_json, steps_from_json
from napari_exactile.images.opened import Place
from napari_exactile.images.store import OWN, LabelStore, check_room, clear, is_complete, telling_gone
from napari_exactile.images.store_folder import free_bytes
from napari_exactile.images.stored_image import StoredImage
from napari_exactile.network.passes import Schedule
from napari_exactile.run.arrays import Remembered
from napari_exactile.run.identity import differing, identity, settings_as_json
from napari_exactile.run.known_passes import Values, known_passes, record_of
from napari_exactile.run.origin import origin_of
from napari_exactile.run.plan import Plan
from napari_exactile.run.planned import as_begun
from napari_exactile.run.report_file import ReportFile, reported
from napari_exactile.run.series import Series
from napari_exactile.run.stored_images import images_of

FORMAT = 3
KEPT = "kept"


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series that writes to a store, with the number of tiles that were done when it was opened.

    `report` is written when the run ends; before that, its `checking` may compare random windows.
    """

    series: Series
    store: LabelStore
    done_before: int
    report: ReportFile


@contextmanager
def stored(
    series: Series, path: Path, overwrite: bool = False, where: Place | None = None
) -> Iterator[StoredSeries]:
    """Yield the same series with its results in a store, which nobody else can write meanwhile.

    A store that is there is continued, or replaced where `overwrite` says so; its finished zones are checked
    first. `where` is the place of the image along the axes of the series, and so says where a new store lies.
    Raises ValueError where the store holds something else than this series would give, saying what differs,
    or cannot hold its axes, ChangedError where the image's file is not what was opened, InUseError where
    another run is writing the store, StoreGoneError where it is removed meanwhile, and OSError where the disk
    has no room.
    """
    found = identity(series)
    if overwrite and is_complete(path):
        clear(path)
    store = LabelStore(path) if is_complete(path) else _created(series, path, found, where)
    try:
        _refuse_different(store, found)
        kept = _StoredPlanes(store, series.planes.indices)
        left = 1 - kept.done / series.tiles
        check_room(path, int(left * store.nbytes))
        plan = plan_of(series, store)
        own = Series(series.planes, series.model, series.analysis, series.settings, kept, plan)
        with telling_gone(path), reported(store, own) as report:
            yield StoredSeries(own, store, kept.done, report)
        if own.complete:
            own.job.forget()
            kept.tidy()
    finally:
        store.close()


def _refuse_different(store: LabelStore, found: dict[str, Any]) -> None:
    if store.about.get("format") != FORMAT:
        raise ValueError(f"{store.path} was written by another version of napari-exactile")
    if different := differing(store.about["identity"], found):
        raise ValueError(
            f"{store.path} was begun with another {different}: choose another name for the labels, or "
            "begin anew and overwrite it"
        )


def _created(series: Series, path: Path, found: dict[str, Any], where: Place | None) -> LabelStore:
    job, card = series.job, series.model.card
    images = images_of(series, path.name.split(".")[0], where or Place.of(series.planes.axes))
    room = max(0, free_bytes(path) - sum(image.layout.nbytes for image in images.values()))
    about = {
        "format": FORMAT,
        "identity": found,
        "settings": settings_as_json(series.settings),
        "origin": origin_of(series),
        "zone": list(job.plan.zor),
        "kept": sorted(_schedule(series, room).kept),
        "tiles": series.tiles,
        "channel names": list(card.class_names(job.decision.channels)) if job.decision.leading else [],
    }
    return LabelStore.create(path, images, about)


def _schedule(series: Series, room: int) -> Schedule:
    """Return the passes of the plan, or those that keep less where the disk has less `room` beside labels."""
    schedule = series.job.plan.schedule
    return schedule if schedule.bytes <= room else series.analysis.passes.within(room)


def plan_of(series: Series, store: LabelStore) -> Plan:
    """Return the plan that the run of a store was begun with."""
    zone, kept = tuple(store.about["zone"]), store.about["kept"]
    return as_begun(series.job.plan, series.analysis, series.settings, zone, kept)


class _StoredPlanes:
    """The arrays of all planes in a store, and what its journal says of each."""

    def __init__(self, store: LabelStore, indices: tuple[tuple[int, ...], ...]) -> None:
        self.store, self._indices = store, indices
        tiles = {(tuple(r["plane"]), r["tile"]): r for r in store.journal.records if "tile" in r}
        self._known: dict[tuple[int, ...], list[dict[str, Any]]] = {}
        for (plane, _tile), record in _standing(store, tiles).items():
            self._known.setdefault(plane, []).append(record)
        self.done = sum(map(len, self._known.values()))
        self._steps = {tuple(r["plane"]): r["steps"] for r in store.journal.records if "steps" in r}
        self._seconds = {tuple(r["plane"]): r["seconds"] for r in store.journal.records}
        self._passes: dict[tuple[int, ...], list[dict[str, Any]]] = {}
        for record in store.journal.records:
            if "pass" in record:
                self._passes.setdefault(tuple(record["plane"]), []).append(record)

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
        plane = self._indices[number]
        near_ties = {record["tile"]: record["near_ties"] for record in self._known.get(plane, ())}
        known = Normalization(steps_from_json(self._steps[plane])) if plane in self._steps else None
        passes, folder = known_passes(self._passes.get(plane, ())), self._folder.joinpath(*map(str, plane))
        remembered = Remembered(near_ties, known, self._seconds.get(plane, 0.0), passes, folder)
        return _StoredPlane(self.store, plane, remembered)

    def tidy(self) -> None:
        """Remove what was kept between passes over the image."""
        rmtree(self._folder, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        return self.store.path / OWN / KEPT


def _standing(store: LabelStore, tiles: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    """Return the records of tiles whose labels are on the disk as they were written."""
    zones = {
        key: zone_of(record["plane"], record["box"], record["crc"])
        for key, record in tiles.items()
        if record["box"]
    }
    good = set(store.recover(zones.values()))
    return {key: record for key, record in tiles.items() if key not in zones or zones[key] in good}


class _StoredPlane:
    """Arrays of one plane that lie in the store."""

    def __init__(self, store: LabelStore, plane: tuple[int, ...], remembered: Remembered) -> None:
        self._store, self._plane, self._remembered = store, plane, remembered

    def remembered(self) -> Remembered:
        """Return what the journal says."""
        return self._remembered

    def measured(self, normalization: Normalization, seconds: float) -> None:
        """Keep the statistics, so that the image is not measured again."""
        if self._remembered.normalization is None:
            self._append({"steps": steps_as_json(normalization.steps)}, seconds)
            self._remembered = replace(self._remembered, normalization=normalization)

    def surveyed(self, number: int, values: Values, seconds: float) -> None:
        """Keep what a pass over the image has found, so that it is not done again."""
        self._append(record_of(number, values), seconds)

    def labels(self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int) -> Any:
        """Return what writes to the store."""
        return _Writer(self._store.images["labels"], self._plane)

    def probabilities(self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> Any:
        """Return what writes values, or probabilities, to the store."""
        images = self._store.images
        return _Writer(images.get("values") or images["probabilities"], self._plane)

    def finished(self, tile: int, part: Box | None, near_ties: int, seconds: float) -> None:
        """Complete the levels of the zone, and then say so in the journal."""
        zone = self._store.finish(self._plane, part) if part else Zone(self._plane, (), 0)
        box = [[side.start, side.stop] for side in zone.box]
        record = {"tile": tile, "box": box, "crc": zone.checksum, "near_ties": near_ties}
        self._append(record, seconds)

    def _append(self, record: dict[str, Any], seconds: float) -> None:
        self._store.journal.append({"plane": self._plane} | record | {"seconds": round(seconds, 3)})


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
