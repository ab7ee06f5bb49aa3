"""A series whose labels are kept in a store on disk: begun there, or continued where it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import UNSET

from napari_exactile.geometry.frame import Frame
from napari_exactile.images.about.opened import Place
from napari_exactile.images.read.underlying import files_under
from napari_exactile.images.store.folder import free_bytes
from napari_exactile.images.store.guard import refuse_over
from napari_exactile.images.store.store import LabelStore, check_room, clear, is_complete, telling_gone
from napari_exactile.network.cost.passes import Schedule
from napari_exactile.network.declared import Declared
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings_record import SettingsRecord
from napari_exactile.run.store.images import images_of
from napari_exactile.run.store.planes import StoredPlanes
from napari_exactile.run.store.reading import StoreReading, as_begun_in
from napari_exactile.run.store.records import StoreRecords
from napari_exactile.run.store.report_file import REPORT, ReportFile, reported
from napari_exactile.run.store.run_record import RunRecord
from napari_exactile.run.task.identity import Identity, differing, identity
from napari_exactile.run.task.origin import Origin, origin_of
from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series that writes to a store, with the number of tiles that were done when it was opened.

    `report` is written when the run ends; before that, its `checking` may compare random windows. `mended`
    says in sentences what was damaged then and has been put right, or is computed anew.
    """

    series: Series
    store: LabelStore
    done_before: int
    report: ReportFile
    mended: tuple[str, ...] = ()


@contextmanager
def stored(task: Task, path: Path, overwrite: bool = False) -> Iterator[StoredSeries]:
    """Yield a series that computes the task into a store, which nobody else can write meanwhile.

    A store that is there is continued, or replaced where `overwrite` says so; its finished zones are checked
    first, and its zones and passes are those that it was begun with. One that is begun here is removed where
    the run ends before anything is known. Raises ValueError where the store holds
    something else than this task would give, saying what differs, cannot hold its axes, or would replace the
    image, ChangedError where the image's file is not what was opened, InUseError where another run is writing
    the store, StoreGoneError where it is removed meanwhile, and OSError where the disk has no room.
    """
    refuse_over(path, files_under(task.planes.whole), "the labels")
    if overwrite and is_complete(path):
        clear(path)
    found = None if is_complete(path) else identity(task)
    is_new = found is not None
    store = LabelStore(path) if found is None else _created(task, path, found)
    try:
        known = RunRecord.in_store(path, store.about)
        if found is None:
            task = _as_then(task, known)
            found = identity(task)
        _refuse_different(store, known.identity, found)
        task = as_begun_in(store, known, task)
        store.mend()
        if not store.tells_of_itself:
            store.tell(store.about | _of_now(task, known))
        reading = StoreReading.of(store, task)
        reading = reading.standing(store.recover(reading.zones))
        kept = StoredPlanes(store, reading.known, reading.records.seconds, len(task.plan))
        done = kept.done
        check_room(path, int((1 - done / task.tiles) * store.nbytes))
        mended = tuple(fault.mended for fault in reading.faults)
        own = Series(task.noted(mended), kept)
        is_sound = not any(REPORT in fault.what for fault in reading.faults)
        with telling_gone(path), reported(store, own, known.identity, is_sound) as report:
            yield StoredSeries(own, store, done, report, mended)
        if own.complete:
            own.job.forget()
            kept.tidy()
    finally:
        # A run that was stopped before it knew anything leaves nothing behind.
        (store.withdraw if is_new and store.is_bare else store.close)()


def _as_then(task: Task, known: RunRecord) -> Task:
    """Return a task as the version that began its store would run it: once, all images were padded.

    A method that was left to the program is the one that it chose then.
    """
    given, says = task.given, known.identity.padding is not UNSET
    even = Frame.even(given.shape, given.factor)
    task = task if says or even == given.frame else task.padded()
    return task.begun_by(known.identity.method)


def _refuse_different(store: LabelStore, then: Identity, now: Identity) -> None:
    if different := differing(then, now):
        raise ValueError(
            f"{store.path} was begun with another {different}: choose another name for the labels, or "
            "begin anew and overwrite it"
        )
    if spoilt := StoreRecords.of(store.journal.records).spoilt:
        raise ValueError(f"{store.path} cannot be continued: {spoilt}. Begin anew and overwrite it")


def _of_now(task: Task, known: RunRecord) -> dict[str, Any]:
    """Return what a store of an earlier version says of its run, by a run that is the same.

    Files stay those of the first run: this one's image may have come as an array.
    """
    now = origin_of(task)
    try:
        same = Origin.of(known.origin).image.taken_as(now.image)
    except ValueError:  # what is damaged is said anew
        same = False
    settings = SettingsRecord.said_of(task.settings).as_json()
    return {"settings": settings, "origin": known.origin if same else now.as_json()}


def _created(task: Task, path: Path, found: Identity) -> LabelStore:
    card = task.model.card
    images = images_of(task, path.name.split(".")[0], task.place or Place.of(task.planes.axes))
    room = max(0, free_bytes(path) - sum(image.layout.nbytes for image in images.values()))
    about = RunRecord(
        identity=found,
        settings=SettingsRecord.said_of(task.settings).as_json(),
        origin=origin_of(task).as_json(),
        zone=tuple(task.plan.zor),
        kept=tuple(sorted(_schedule(task, room).kept)),
        band=task.plan.walked.band if task.plan.walked else UNSET,
        frugal=task.plan.walked.frugal if task.plan.walked else UNSET,
        surveyed=task.plan.surveyed.said if task.plan.surveyed else UNSET,
        tiles=task.tiles,
        channel_names=tuple(card.class_names(task.decision.channels)) if task.decision.leading else (),
    )
    return LabelStore.create(path, images, about.as_json())


def _schedule(task: Task, room: int) -> Schedule:
    """Return the passes of the plan, or those that keep less where the disk has less `room` beside labels."""
    schedule, analysis = task.plan.schedule, task.analysis
    if isinstance(analysis, Declared) or schedule.bytes <= room:
        return schedule
    return analysis.passes.within(room)
