"""Verify a label store long after its run: what made it, its checksums, and random windows computed again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from secrets import randbits
from typing import Any

from napari_exactile.images.layout import Zone, zone_of
from napari_exactile.images.normalization import Normalization, steps_from_json
from napari_exactile.images.store import LabelStore
from napari_exactile.images.work import Work
from napari_exactile.models.files import FACTORY
from napari_exactile.models.load import Model, load_model
from napari_exactile.run.api import ModelLike, analysis_for
from napari_exactile.run.checked import SpotCheck
from napari_exactile.run.devices import pick_device
from napari_exactile.run.events import Checking, Event, checker
from napari_exactile.run.identity import differing, identity, settings_from_json
from napari_exactile.run.job import IsCancelled, Job
from napari_exactile.run.plan import Plan
from napari_exactile.run.reopened import planes_again
from napari_exactile.run.series import Series
from napari_exactile.run.settings import Device, Settings
from napari_exactile.run.spot_check import WINDOWS, Finished, check_windows
from napari_exactile.run.stored import FORMAT, plan_of

# What may differ without other labels: where it was computed, and when the file was written.
FREE = {"device", "image file"}
# One pass over images of up to so many pixels is tried where a crop would prove nothing.
WHOLE_PIXELS = 2**26


Tiles = dict[tuple[tuple[int, ...], int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Damage:
    """A finished zone that is not what was written: its box in the labels of its plane, and the levels."""

    zone: Zone
    levels: tuple[int, ...]

    def describe(self) -> str:
        """Return where it is, in words."""
        plane = f"plane {', '.join(map(str, self.zone.plane))}, " if self.zone.plane else ""
        box = " x ".join(f"{side.start}..{side.stop}" for side in self.zone.box)
        levels = ", ".join(map(str, self.levels))
        return f"{plane}labels {box}, level{'s' if len(self.levels) > 1 else ''} {levels}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` has found: of the finished `zones`, those that are damaged, and the check of windows.

    `tiles` of the store's `all_tiles` are done. `exact` says whether the labels are meant to be those of one
    pass: with an undersized radius, the check shows by how much they are not. `notes` are worth knowing.
    """

    store: Path
    zones: int
    damaged: tuple[Damage, ...]
    tiles: int
    all_tiles: int
    exact: bool
    check: SpotCheck
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether nothing differs, but for near-ties; where windows could not be compared, by checksums."""
        return not self.damaged and self.check.differing == self.check.near_ties


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
    cancel: IsCancelled = lambda: False,
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
    """
    if windows < 1:
        raise ValueError(f"at least one window is compared, not {windows}")
    with closing(LabelStore(Path(store), read_only=True)) as opened:
        _refuse_other_version(opened)
        settings, notes = _settings(opened.about, device)
        series = _series(opened, (image, axes), model, settings, trust_code)
        plan, tiles = plan_of(series, opened), _tiles(opened)
        damaged = tuple(_damage(opened, tiles, on_event, cancel))
        sound = _sound(tiles, damaged)
        chosen = randbits(32) if seed is None else seed
        check = SpotCheck(chosen, reason="not possible: no zone is finished and whole")
        if sound:
            finished = _finished(opened, series, plan, sound)
            check = _told(on_event, check_windows(finished, windows, chosen, cancel, WHOLE_PIXELS))
    count = len(plan) * len(series.planes.indices)
    zones = sum(bool(record["box"]) for record in tiles.values())
    return Verification(opened.path, zones, damaged, len(tiles), count, plan.exact, check, notes)


def _told(on_event: Callable[[Event], None], steps: Generator[Event, None, SpotCheck]) -> SpotCheck:
    """Tell every step, and return what comes of them."""
    checking = Work(steps)
    for event in checking:
        on_event(event)
    return checking.made


def _tiles(store: LabelStore) -> Tiles:
    """Return the records of finished tiles, by plane and number; of one that was written twice, the last."""
    return {(tuple(r["plane"]), r["tile"]): r for r in store.journal.records if "tile" in r}


def _damage(
    store: LabelStore, tiles: Tiles, on_event: Callable[[Event], None], cancel: IsCancelled
) -> Iterator[Damage]:
    """Yield the finished zones that are not as they were written."""
    for number, record in enumerate(tiles.values()):
        checker(cancel)()
        on_event(Checking(number, len(tiles), "zones"))
        zone = zone_of(record["plane"], record["box"], record["crc"])
        if record["box"] and (levels := store.wrong_levels(zone)):
            yield Damage(zone, levels)
    on_event(Checking(len(tiles), len(tiles), "zones"))


def _sound(tiles: Tiles, damaged: Sequence[Damage]) -> dict[tuple[int, ...], set[int]]:
    """Return the finished tiles of each plane whose labels are as they were written."""
    lost, sound = {damage.zone for damage in damaged if 0 in damage.levels}, dict[tuple[int, ...], set[int]]()
    for (plane, tile), record in tiles.items():
        if zone_of(record["plane"], record["box"], record["crc"]) not in lost:
            sound.setdefault(plane, set()).add(tile)
    return sound


def _finished(
    store: LabelStore, series: Series, plan: Plan, sound: dict[tuple[int, ...], set[int]]
) -> Finished:
    """Return those tiles with jobs that know what the run measured."""
    indices = tuple(sound)
    steps = {tuple(r["plane"]): r["steps"] for r in store.journal.records if "steps" in r}

    def job(number: int) -> Job:
        index = indices[number]
        source = series.planes.sources[series.planes.indices.index(index)]
        normalization = Normalization(steps_from_json(steps[index]))
        return Job(source, series.model, series.analysis, series.settings, None, plan, normalization)

    return Finished(store.read, indices, tuple(sound.values()), job)


def _refuse_other_version(store: LabelStore) -> None:
    if store.about.get("format") != FORMAT:
        raise ValueError(f"{store.path} was written by another version of napari-exactile")


def _series(
    store: LabelStore, named: tuple[Any, str | None], model: ModelLike | None, settings: Settings,
    trust_code: bool,
) -> Series:  # fmt: skip
    """Return the series that the store is of; raise ValueError where this is another one."""
    origin = store.about.get("origin", {"image": {}, "model": {}})
    loaded = _model(store.path, model, origin["model"].get("source"), trust_code)
    planes = planes_again(store.path, *named, origin["image"], loaded.card)
    analysis = analysis_for(loaded, planes.sources[0].shape, settings)
    series = Series(planes, loaded, analysis, settings)
    pair = store.about["identity"], identity(series)
    if different := differing(*({k: v for k, v in one.items() if k not in FREE} for one in pair)):
        raise ValueError(
            f"{store.path} was made from another {different}: name the image and the model of its run"
        )
    return series


def _settings(about: dict[str, Any], wanted: Device | None) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings of the run, on the device that is wanted, and what is worth knowing of it.

    If none is, it is that of the run, or the CPU where that is not here.
    """
    then, now = about["identity"]["device"], wanted or about["identity"]["device"]
    missing = ""
    try:
        here = pick_device(now)
    except ValueError:
        if wanted:
            raise
        now, here, missing = "cpu", pick_device("cpu"), ", which is not here"
    settings = settings_from_json(about["settings"], now)
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
