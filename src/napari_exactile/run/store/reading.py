"""A store that is opened again: what its records are good for, and what is damaged beside its pixels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from napari_exactile.geometry.interval import sides_of
from napari_exactile.geometry.words import counted, part_of
from napari_exactile.images.about.opened import Place
from napari_exactile.images.normalize.steps import Normalization, check_values
from napari_exactile.images.store.files import CHANGED, OWN, RUN, Fault, be, damaged_beyond
from napari_exactile.images.store.folder import NewImage
from napari_exactile.images.store.image import StoredImage
from napari_exactile.images.store.journal import read_json
from napari_exactile.images.store.shards import StoreLayout, Zone
from napari_exactile.images.store.store import LabelStore
from napari_exactile.run.engine.passes.measuring import asked_steps
from napari_exactile.run.plan.make import as_begun
from napari_exactile.run.store.images import images_of
from napari_exactile.run.store.known_planes import Asked, KnownPlane, ReportSays, known_plane
from napari_exactile.run.store.records import Plane, StoreRecords, TileRecord
from napari_exactile.run.store.report_file import REPORT, earlier_record
from napari_exactile.run.store.run_record import RunRecord
from napari_exactile.run.task.task import Task

JOURNAL = f"{OWN}/journal"
AGAIN = "it {be} found again, and what was made by anything else {be} computed anew"
REMEDIES = {
    "settings": "it {be} known from the settings",
    "report": f"it {{be}} taken from {REPORT}",
    "": AGAIN,
}


def as_begun_in(store: LabelStore, known: RunRecord, task: Task) -> Task:
    """Return a task by the plan that its store was begun with; ValueError where its zones do not fit."""
    try:
        plan = as_begun(task.plan, task.analysis, task.settings, known)
        fits = known.tiles in {None, len(plan) * len(task.planes.indices)}
    except Exception as error:  # what is damaged can be wrong in every way
        raise damaged_beyond(store.path, RUN, "its zones do not fit the image") from error
    if not fits:
        raise damaged_beyond(store.path, RUN, "its zones are not as many as its tiles")
    images = images_of(task, "", Place.of(task.planes.axes))
    axes = [(name, len(new.layout.shape), new.layout.channel) for name, new in images.items()]
    if axes != [(name, facts.spatial, facts.channel) for name, facts in store.facts.items()]:
        raise damaged_beyond(store.path, RUN, "its images have not the axes of these labels")
    if not store.tells_of_itself:
        _check_arrays(store, images)
    return task.as_begun(plan)


def _check_arrays(store: LabelStore, images: Mapping[str, NewImage]) -> None:
    """Raise ValueError where arrays are not what they must be; for stores that do not say it themselves."""
    for name, new in images.items():
        image = store.images.get(name)
        if image is None or not all(_fits(image, level, new.layout) for level in range(len(image.levels))):
            raise damaged_beyond(store.path, "a zarr.json", f"it does not describe these {name}")


def _fits(image: StoredImage, level: int, layout: StoreLayout) -> bool:
    array = image.levels[level]
    shape = (*layout.leading, *(-(-length // 2**level) for length in layout.shape))
    same_fill = np.array_equal(array.fill_value, layout.unfinished, equal_nan=True)
    places = read_json(image.folder / str(level) / "zarr.json")["chunk_key_encoding"]
    same_places = places == {"name": "default", "configuration": {"separator": "/"}}
    same_kind = (array.shape, str(array.dtype)) == (shape, layout.dtype)
    return same_kind and same_fill and same_places and min(array.shards or array.chunks) > 0


@dataclass(frozen=True, slots=True)
class StoreReading:
    """What a store says of its planes, by what is left of its files; `faults` are what is not.

    `records` are all that fit the plan. Of these, the `known` planes have the tiles that count: not those
    that were made by another normalisation, or other passes, than the rest. `ended` says that nothing was
    under way any more when the journal was last written.
    """

    records: StoreRecords
    known: dict[Plane, KnownPlane]
    faults: tuple[Fault, ...]
    ended: bool

    @classmethod
    def of(cls, store: LabelStore, task: Task) -> StoreReading:
        """Read the journal of a store with the report beside it; pixels are not looked at."""
        records = StoreRecords.of(store.journal.records)
        unfit = records.wrong + records.keep_tiles(_fitting(task)) + records.keep_steps(_applicable(task))
        report, wrong = earlier_record(store.path), [*_report_fault(store, records, task.tiles)]
        done = report.tiling.tiles_done if report else 0
        says = ReportSays.of(report, not wrong and records.report is not None).only(_applicable(task))
        known = _known(task, records, says)
        stale = {plane: one.stale for plane, one in known.items()}
        faults = (
            *store.faults, *_unfit(unfit), *_fewer(done - records.count), *wrong,
            *_lost(known, len(task.plan)),
            *_stale(sum(map(len, stale.values()))),
        )  # fmt: skip
        known = {plane: one.without(stale[plane]) for plane, one in known.items()}
        ended = records.ended or (records.report is None and report is not None and done == records.count)
        return cls(records, known, faults, ended)

    def standing(self, good: Collection[Zone]) -> StoreReading:
        """Return the same with those tiles only whose zones are on the disk as they were written."""
        lost = set(self.zones).difference(good)
        known = {
            plane: one.without(n for n, tile in one.tiles.items() if tile.zone(plane) in lost)
            for plane, one in self.known.items()
        }
        words = f"{part_of(len(lost), len(self.zones), 'finished zone')} {be(len(lost))} not as written"
        faults = (Fault(words, "what is damaged {be} computed anew"),) if lost else ()
        return replace(self, known=known, faults=(*self.faults, *faults))

    @property
    def zones(self) -> list[Zone]:
        """The zones of all tiles that count."""
        pairs = ((plane, tile) for plane, one in self.known.items() for tile in one.tiles.values())
        return [zone for plane, tile in pairs if (zone := tile.zone(plane))]


def _known(task: Task, records: StoreRecords, report: ReportSays) -> dict[Plane, KnownPlane]:
    settings, surveys = task.settings, len(task.plan.schedule.surveys)
    asked = Asked(asked_steps(task.model.card, settings), settings.ignore, settings.together)
    return {plane: known_plane(plane, records, asked, report, surveys) for plane in task.planes.indices}


def _fitting(task: Task) -> Callable[[Plane, TileRecord], bool]:
    """Return what tells whether a tile is one of the plan, and lies where it should."""
    planes, place = set(task.planes.indices), task.in_arrays

    def fits(plane: Plane, one: TileRecord) -> bool:
        if plane not in planes or not 0 <= one.number < len(task.plan):
            return False
        return sides_of(place(task.plan.tiling.tile(one.number).zone) or ()) == one.box

    return fits


def _applicable(task: Task) -> Callable[[Normalization], bool]:
    """Return what tells whether the channels of the image can be normalised by something."""
    channels = task.planes.sources[0].channels

    def fits(normalization: Normalization) -> bool:
        try:
            check_values(normalization.steps, channels, "image")
        except ValueError:
            return False
        return True

    return fits


def _unfit(count: int) -> Iterator[Fault]:
    if count:
        words = f"{counted(count, 'line')} of {JOURNAL} {be(count)} about nothing that is known"
        yield Fault(words, "what is missing {be} taken from elsewhere, or done again")


def _fewer(more: int) -> Iterator[Fault]:
    if more > 0:
        words = f"{counted(more, 'finished tile')} of the report {be(more)} missing in {JOURNAL}"
        yield Fault(words, "what is missing {be} computed anew")


def _stale(count: int) -> Iterator[Fault]:
    if count:
        words = f"{counted(count, 'finished tile')} {be(count)} of another normalisation than the rest"
        yield Fault(words, "what differs {be} computed anew")


def _report_fault(store: LabelStore, records: StoreRecords, tiles: int) -> Iterator[Fault]:
    """Yield what is wrong with the report: journals of earlier versions do not say what it must be."""
    try:
        content = (store.path / REPORT).read_bytes()
    except FileNotFoundError:
        wrong = "missing" * (records.report is not None or records.count == tiles)
    else:
        same = records.report in {None, crc32(content)}
        wrong = ("" if same else CHANGED) if earlier_record(store.path) else "damaged"
    if wrong:
        yield Fault(f"{REPORT} {{be}} {wrong}", "it {be} written anew, but for what only it told")


def _lost(known: Mapping[Plane, KnownPlane], tiles: int) -> Iterator[Fault]:
    """Yield what the journal has lost of planes that are begun, and where it is had from."""
    for plane, one in known.items():
        whose = f"plane {', '.join(map(str, plane))}" if plane else "the image"
        if one.tiles and one.of != "journal":
            yield Fault(f"what normalised {whose} {{be}} missing in {JOURNAL}", REMEDIES[one.of])
        if one.tiles and len(one.tiles) < tiles and len(one.passes) < one.surveys:
            yield Fault(f"what passes over {whose} found {{be}} missing in {JOURNAL}", AGAIN)
