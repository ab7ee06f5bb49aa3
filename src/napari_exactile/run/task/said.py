"""A task in plain values of a few kilobytes, and the task that they mean: in another process, or later."""

from __future__ import annotations

import copyreg
from dataclasses import asdict, replace
from typing import Any

from napari_exactile.images.about.opened import Place
from napari_exactile.models.digest import digest_of
from napari_exactile.models.files.formats import FACTORY
from napari_exactile.models.load import Model, load_model
from napari_exactile.run.plan.analyse import analysis_for
from napari_exactile.run.plan.make import as_begun
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.identity import differing, identity, settings_as_json, settings_from_json
from napari_exactile.run.task.origin import origin_of
from napari_exactile.run.task.reopened import planes_again
from napari_exactile.run.task.task import Task

Said = dict[str, Any]
FORMAT = 1
# How a computer may be used, beside what labels depend on.
FREE = ("device", "memory_limit", "scratch_limit")


def said(task: Task) -> Said:
    """Return what a task is, in values that fit into JSON: at most 10 kB of it.

    Image and model are named by their files, and known again by their content; the plan by its zones and by
    what is kept between its passes. Raises ValueError where the image or the model is in no file, and
    ChangedError where a file is no longer what was opened.
    """
    origin = origin_of(task)
    _refuse_without_files(origin)
    return {
        "format": FORMAT,
        "origin": origin,
        "identity": identity(task),
        "model files": digest_of(origin["model"]["source"]),
        "settings": settings_as_json(task.settings),
        "here": {name: getattr(task.settings, name) for name in FREE},
        "zone": list(task.plan.zor),
        "kept": sorted(task.plan.schedule.kept),
        "place": task.place and asdict(task.place),
        "notes": list(task.notes),
    }


def _refuse_without_files(origin: dict[str, dict[str, Any]]) -> None:
    """Raise ValueError for what another process could not open; code of people is not run there."""
    arrays, source = origin["image"]["arrays"], origin["model"]["source"] or ""
    in_files = {
        "image": bool(arrays) and all(one["path"] for one in arrays),
        "model": bool(source) and not FACTORY.fullmatch(source),
    }
    for what, is_in_file in in_files.items():
        if not is_in_file:
            name = origin[what]["name"]
            raise ValueError(f"the {what} '{name}' is in no file: save it to have it computed elsewhere")


def made_again(known: Said) -> Task:
    """Return the task that `said` told of, with the same plan.

    Raises ValueError where the image or the model is not there any more, or not what it was, saying what
    differs, and NeedsConsentError for a model that is made by code.
    """
    _refuse_without_files(known["origin"])  # whoever wrote it could make this program import anything
    model = load_model(known["origin"]["model"]["source"])
    if digest_of(model.card.source) != known["model files"]:
        raise ValueError(f"the files of the model '{model.name}' have been changed meanwhile")
    settings = _settings(known)
    planes = planes_again("the task", None, None, known["origin"]["image"], model.card)
    task = _task(planes, model, settings, known)
    if different := differing(known["identity"], identity(task)):
        raise ValueError(f"the task is of another {different}")
    return task


def _task(planes: Any, model: Model, settings: Settings, known: Said) -> Task:
    analysis = analysis_for(model, planes.sources[0].shape, settings)
    place = known["place"] and Place(*map(tuple, known["place"].values()))
    planes = replace(planes, pixel_size=place and place.pixel_size)
    task = Task.of(planes, model, analysis, settings, place, tuple(known["notes"]))
    zone = tuple(known["zone"])
    return task.as_begun(as_begun(task.plan, task.analysis, settings, zone, known["kept"]))


def _settings(known: Said) -> Settings:
    return settings_from_json(known["settings"] | known["here"], known["here"]["device"])


def _reduced(task: Task) -> tuple[Any, ...]:
    return made_again, (said(task),)


# A task that is sent to another process opens its files there: pixels and weights are not sent.
copyreg.pickle(Task, _reduced)
