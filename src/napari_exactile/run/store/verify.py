"""Verify a label store long after its run: what made it, its checksums, and random windows computed again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from secrets import randbits
from typing import Any, TypeVar

from napari_exactile.geometry.words import counted
from napari_exactile.images.making import Making
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.store.files import Fault
from napari_exactile.images.store.shards import Zone
from napari_exactile.images.store.store import LabelStore
from napari_exactile.models.files.formats import FACTORY
from napari_exactile.models.load import Model, load_model
from napari_exactile.run.check.spot_check import WINDOWS, FinishedLabels, check_windows
from napari_exactile.run.engine.checked import SpotCheck
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.door import Known
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.passes.measuring import measured
from napari_exactile.run.plan import given
from napari_exactile.run.plan.analyse import ModelLike, analysis_for
from napari_exactile.run.plan.devices import pick_device
from napari_exactile.run.plan.settings import Device, Settings
from napari_exactile.run.store.damage import Damage, Stored
from napari_exactile.run.store.known_planes import KnownPlane
from napari_exactile.run.store.reading import StoreReading, as_begun_in
from napari_exactile.run.store.records import Plane
from napari_exactile.run.store.run_record import RunRecord
from napari_exactile.run.task.identity import differing, identity
from napari_exactile.run.task.reopened import planes_again
from napari_exactile.run.task.task import Task

R = TypeVar("R")

# What may differ without other labels: where it was computed, and when the file was written.
FREE = {"device", "image file"}
# One pass over images of up to so many pixels is tried where a crop would prove nothing.
WHOLE_PIXELS = 2**26
LOST = "what normalised it is lost, and measuring it again gives other values"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` has found: of the finished `zones` that were read, the damaged ones, and the windows.

    `faults` say in a sentence each what else is damaged or lost, and what continuing the run does about it.
    `tiles` of the store's `all_tiles` are done. `exact` says whether the labels are meant to be those of one
    pass: with an undersized radius, the check shows by how much they are not. `notes` are worth knowing.

    >>> from pathlib import Path
    >>> import napari_exactile as ex
    >>> check = ex.SpotCheck(seed=1, reason="no zone is finished")
    >>> ex.Verification(Path("labels.ome.zarr"), 0, (), 0, 4, exact=True, check=check).is_whole
    True
    """

    store: Path
    zones: int
    damaged: tuple[Damage, ...]
    tiles: int
    all_tiles: int
    exact: bool
    check: SpotCheck
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether all that is there is as it was written."""
        return not self.damaged and not self.faults

    @property
    def agrees(self) -> bool:
        """Whether nothing differs, but for near-ties; where windows could not be compared, by checksums."""
        return self.is_whole and self.check.differing == self.check.near_ties


def verify(  # noqa: PLR0913  (what most people need of a check, by name)
    store: str | Path,
    image: Any = None,
    model: ModelLike | None = None,
    *,
    axes: str | None = None,
    device: Device | None = None,
    windows: int = WINDOWS,
    seed: int | None = None,
    trust_code: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
    cancel: Callable[[], bool] = lambda: False,
) -> Verification:
    """Check the labels in a store: that they are those that were written, and those that one pass would give.

    The checksums of all finished zones are compared, then `windows` random windows, drawn with `seed` (by
    default another one each time), with one pass of the unchanged network over a crop. Nothing is changed, so
    that the store need not be writable: what was found is in what this returns, and not in the report.
    `image` and `model` are those of `segment`; left out, they are what the store remembers, and so are the
    axes, channels and plane of the image; `axes` names those of another file. `device` computes the windows;
    left out, it is that of the run, if it is here. The store never makes this program run code, unless
    `trust_code` says so.

    Raises ValueError for what is no store, for an image or a model that is not known or not the one that the
    labels were made from, saying what differs, InUseError while a run writes the store, and Cancelled.

    >>> import tempfile
    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> image, model = np.eye(64, dtype=np.float32), nn.Conv2d(1, 2, 3, padding=1).eval()
    >>> with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    ...     _ = ex.segment(image, model, output=f"{folder}/labels.ome.zarr")
    ...     found = ex.verify(f"{folder}/labels.ome.zarr", image, model)
    >>> found.agrees, found.is_whole, found.tiles == found.all_tiles
    (True, True, True)
    """
    if given.whole("the number of windows", windows) < 1:
        raise ValueError(f"at least one window is compared, not {windows}")
    if seed is not None and given.whole("a seed", seed) < 0:
        raise ValueError(f"a seed is at least 0, not {seed}")
    with closing(LabelStore(given.path("a store", store), read_only=True)) as opened:
        known = RunRecord.in_store(opened.path, opened.about)
        settings, notes = _settings(opened.path, known, device)
        check = Control(is_cancelled=cancel).check
        named = _task(opened.path, known, (image, axes), model, settings, trust_code)
        task = as_begun_in(opened, known, named)
        reading = StoreReading.of(opened, task)
        stored = Stored(opened, task, reading, on_event, check)
        chosen = randbits(32) if seed is None else seed
        if not opened.images:
            reason = "not possible: the labels cannot be read before the files of zarr are written again"
            return _verification(stored, (), SpotCheck(chosen, reason=reason), notes, ())
        damaged, (begun, usual) = tuple(stored.damaged()), stored.begun()
        finished, lost = _finished(stored, reading.standing(_good(stored, damaged)))
        found = SpotCheck(chosen, reason="; ".join(lost) or "not possible: no zone is finished and whole")
        if finished.indices:
            found = _told(on_event, check_windows(finished, windows, chosen, check, WHOLE_PIXELS))
        return _verification(stored, damaged, found, (*notes, *usual, *lost), (*begun, *stored.kept()))


def _verification(
    stored: Stored, damaged: tuple[Damage, ...], check: SpotCheck, notes: tuple[str, ...],
    faults: tuple[Fault, ...],
) -> Verification:  # fmt: skip
    reading, task = stored.reading, stored.task
    tiles = sum(len(one.tiles) for one in reading.known.values())
    zones = len(reading.zones) if stored.store.images else 0
    words = [fault.found for fault in (*reading.faults, *faults)]
    if reading.records.spoilt:
        words.append(f"{reading.records.spoilt}: begin anew and overwrite the store")
    if doubled := stored.store.journal.found.doubled:
        notes += (f"{counted(doubled, 'line')} of the journal can be read twice, which changes nothing",)
    return Verification(
        stored.store.path, zones, damaged, tiles, task.tiles, task.plan.exact, check, notes,
        tuple(words),
    )  # fmt: skip


def _told(on_event: Callable[[Event], None], steps: Generator[Event, None, R]) -> R:
    """Tell every step, and return what comes of them."""
    making = Making(steps)
    for event in making:
        on_event(event)
    return making.made


def _good(stored: Stored, damaged: Sequence[Damage]) -> list[Zone]:
    """Return the finished zones whose labels are as they were written."""
    lost = {damage.zone for damage in damaged if 0 in damage.levels}
    return [zone for zone in stored.reading.zones if zone not in lost]


def _finished(stored: Stored, standing: StoreReading) -> tuple[FinishedLabels, tuple[str, ...]]:
    """Return good tiles with engines that know what the run measured, and what cannot be known any more."""
    task, known = stored.task, dict[Plane, Normalization]()
    begun = {plane: one for plane, one in standing.known.items() if one.tiles}
    for plane, one in begun.items():
        found = one.normalization or _measured_again(stored, plane, one)
        if found is not None:
            known[plane] = found
    indices = tuple(known)

    def engine(number: int) -> LocalEngine:
        plane = indices[number]
        return LocalEngine(task, task.planes.indices.index(plane), Known(known[plane]))

    lost = tuple(f"{_whose(plane)}: {LOST}" for plane in begun if plane not in known)
    return FinishedLabels(
        stored.store.read, indices, [set(begun[one].tiles) for one in indices], engine
    ), lost


def _measured_again(stored: Stored, plane: Plane, one: KnownPlane) -> Normalization | None:
    """Return what normalised a plane, by measuring it, if that is what made its tiles."""
    task = stored.task
    planes, together = task.planes, task.settings.together
    source = planes.whole if together else planes.sources[planes.indices.index(plane)]
    found = _told(stored.on_event, measured(source, task.model, task.settings, stored.check))
    return found if one.could_be(found) else None


def _whose(plane: Plane) -> str:
    return f"plane {', '.join(map(str, plane))}" if plane else "the image"


def _task(
    store: Path, known: RunRecord, named: tuple[Any, str | None], model: ModelLike | None,
    settings: Settings, trust_code: bool,
) -> Task:  # fmt: skip
    """Return the task that the store is of; raise ValueError where this is another one."""
    origin = known.origin_in(store)
    loaded = _model(store, model, origin.model.source, trust_code)
    planes = planes_again(store, *named, origin.image, loaded.card)
    analysis = analysis_for(loaded, planes.sources[0].shape, settings)
    try:
        task = Task.of(planes, loaded, analysis, settings)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise ValueError(f"{store} cannot be computed again by its model and settings: {error}") from error
    task = task.begun_by(known.identity.method)
    if different := differing(known.identity, identity(task), FREE):
        raise ValueError(
            f"{store} was made from another {different}: name the image and the model of its run"
        )
    return task


def _settings(store: Path, known: RunRecord, wanted: Device | None) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings of the run, on the device that is wanted, and what is worth knowing of it.

    If none is, it is that of the run, or the CPU where that is not here.
    """
    then, missing = known.identity.device, ""
    now: Any = wanted or then
    try:
        here = pick_device(now)
    except ValueError:
        if wanted:
            raise
        now, here, missing = "cpu", pick_device("cpu"), ", which is not here"
    settings = known.settings_on(now, store)
    if here.type == then:
        return settings, ()
    words = f"the labels were computed on {then}{missing}, the windows on {here.type}: near-ties may differ"
    return settings, (words,)


def _model(store: Path, model: ModelLike | None, source: str | None, trust_code: bool) -> Model:
    if model is not None:
        return load_model(model, trust_code=trust_code)
    if not source:
        raise ValueError(f"{store} does not say where its model came from: name the model")
    if FACTORY.fullmatch(source) and not trust_code:
        # Whoever wrote the store could make this program import anything.
        raise ValueError(f"the model of {store} is made by code, {source}: name the model to run that code")
    try:
        return load_model(source, trust_code=trust_code)
    except (ValueError, OSError) as error:
        raise ValueError(f"the model of {store} cannot be had: {error}. Name the model") from error
