"""A task in plain values of a few kilobytes, and the task that they mean: in another process, or later."""

from __future__ import annotations

import copyreg
from dataclasses import replace
from typing import Any

from msgspec import UNSET, UnsetType

from napari_exactile.images.about.opened import Place
from napari_exactile.images.planes import Planes
from napari_exactile.models.digest import digest_of
from napari_exactile.models.files.formats import FACTORY
from napari_exactile.models.load import Model, load_model
from napari_exactile.record import Record, spaced
from napari_exactile.run.plan.analyse import analysis_for
from napari_exactile.run.plan.make import as_begun
from napari_exactile.run.plan.settings import Device, Settings
from napari_exactile.run.plan.settings_record import SettingsRecord
from napari_exactile.run.task.identity import Identity, differing, identity
from napari_exactile.run.task.origin import Origin, origin_of
from napari_exactile.run.task.reopened import planes_again
from napari_exactile.run.task.task import Task
from napari_exactile.version import TASK_FORMAT


class Here(Record, frozen=True, kw_only=True):
    """How a computer may be used, beside what labels depend on."""

    device: Device
    memory_limit: int | None
    scratch_limit: int | None


class Said(Record, frozen=True, kw_only=True, rename=spaced):
    """What a task is: image and model by their files, with what these were known by, and the plan.

    The plan is said by its zones and by what is kept between its passes.
    """

    format: int = TASK_FORMAT
    origin: Origin
    identity: Identity
    model_files: str
    settings: SettingsRecord
    here: Here
    zone: tuple[int, ...]
    kept: tuple[int, ...]
    place: Place | None
    notes: tuple[str, ...]
    band: tuple[int, ...] | UnsetType = UNSET
    frugal: bool | UnsetType = UNSET
    surveyed: tuple[tuple[int, ...], bool] | UnsetType = UNSET


def said(task: Task) -> dict[str, Any]:
    """Return what a task is, in values that fit into JSON: at most 10 kB of it.

    Image and model are named by their files, and known again by their content. Raises ValueError where the
    image or the model is in no file, and ChangedError where a file is no longer what was opened.
    """
    origin, settings = origin_of(task), task.settings
    _refuse_without_files(origin)
    return Said(
        origin=origin,
        identity=identity(task),
        model_files=digest_of(origin.model.source or ""),
        settings=SettingsRecord.said_of(settings),
        here=Here(
            device=settings.device,
            memory_limit=settings.memory_limit,
            scratch_limit=settings.scratch_limit,
        ),
        zone=tuple(task.plan.zor),
        kept=tuple(sorted(task.plan.schedule.kept)),
        band=task.plan.walked.band if task.plan.walked else UNSET,
        frugal=task.plan.walked.frugal if task.plan.walked else UNSET,
        surveyed=task.plan.surveyed.said if task.plan.surveyed else UNSET,
        place=task.place,
        notes=task.notes,
    ).as_json()


def _refuse_without_files(origin: Origin) -> None:
    """Raise ValueError for what another process could not open; code of people is not run there."""
    arrays, source = origin.image.arrays, origin.model.source or ""
    in_files = {
        ("image", origin.image.name): bool(arrays) and all(one.path for one in arrays),
        ("model", origin.model.name): bool(source) and not FACTORY.fullmatch(source),
    }
    for (what, name), is_in_file in in_files.items():
        if not is_in_file:
            raise ValueError(f"the {what} '{name}' is in no file: save it to have it computed elsewhere")


def made_again(content: dict[str, Any]) -> Task:
    """Return the task that `said` told of, with the same plan.

    Raises ValueError where the image or the model is not there any more, or not what it was, saying what
    differs, or where this is not what `said` gave, and NeedsConsentError for a model that is made by code.
    """
    known = _known(content)
    _refuse_without_files(known.origin)  # whoever wrote it could make this program import anything
    model = load_model(known.origin.model.source or "")
    if digest_of(model.card.source) != known.model_files:
        raise ValueError(
            f"the files of the model '{model.name}' have been changed meanwhile: say the task again"
        )
    planes = planes_again("the task", None, None, known.origin.image, model.card)
    task = _task(planes, model, known)
    if different := differing(known.identity, identity(task)):
        raise ValueError(f"the task is of another {different}: say it again")
    return task


def _known(content: dict[str, Any]) -> Said:
    if content.get("format") != TASK_FORMAT:
        raise ValueError(
            "the task was said by another version of napari-exactile: say it again with this one"
        )
    try:
        return Said.of(content)
    except ValueError as error:
        raise ValueError(f"the task is damaged ({error}): say it again") from error


def _task(planes: Planes, model: Model, known: Said) -> Task:
    settings, place = _settings(known), known.place
    analysis = analysis_for(model, planes.sources[0].shape, settings)
    planes = replace(planes, pixel_size=None if place is None else place.pixel_size)
    task = Task.of(planes, model, analysis, settings, place, known.notes)
    return task.as_begun(as_begun(task.plan, task.analysis, settings, known))


def _settings(known: Said) -> Settings:
    here = known.here
    settings = known.settings.on(here.device)
    return replace(settings, memory_limit=here.memory_limit, scratch_limit=here.scratch_limit)


def _reduced(task: Task) -> tuple[Any, ...]:
    return made_again, (said(task),)


# A task that is sent to another process opens its files there: pixels and weights are not sent.
copyreg.pickle(Task, _reduced)
