"""What those who are asked for help must know: programs, machine, plan and last report, without names.

Nothing is taken over that can name a person, a folder or a file: numbers and words of our own are, and of
sentences that quote something what stands outside of the quotes.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import psutil
import torch
from msgspec import UNSET

from napari_exactile.geometry.interval import box_shape
from napari_exactile.geometry.words import counted, lengths, member, part_of, times
from napari_exactile.images.grey import grey_words
from napari_exactile.models.card import BUNDLED
from napari_exactile.run.plan.devices import free_memory, memory_budget, pick_device
from napari_exactile.run.plan.plan import Plan
from napari_exactile.run.words.facts import Facts, Sections, sections_text
from napari_exactile.run.words.report_record import CheckSection, ModelSection, ReportRecord
from napari_exactile.run.words.summary import padding_words, sides
from napari_exactile.version import __version__

PACKAGES = [
    "napari",
    "numpy",
    "torch",
    "zarr",
    "dask",
    "tifffile",
    "imagecodecs",
    "scipy",
    "safetensors",
    "msgspec",
    "psutil",
    "typer",
    "magicgui",
    "superqt",
    "qtpy",
    "vispy",
    "PyQt6",
    "PySide6",
    "PyQt5",
    "bioimageio.spec",
]
NOT_YET = (("", "none yet"),)


def diagnostics(
    plan: Plan | None = None,
    report: dict[str, Any] | None = None,
    folders: Iterable[Path] = (),
    more: Sections = (),
) -> str:
    """Return as text what helps those who are asked for help, and names no person, folder or file.

    `plan` is the one that would be carried out, `report` that of the last run, as `report_of` gives it or a
    store keeps it; `folders` are those that labels go to, of which just the free space is told. `more` are
    sections about a window; whoever gives them sees to it that they name nobody.
    """
    sections = (
        ("Versions", tuple(_versions())),
        ("Machine", tuple(_machine(folders))),
        *more,
        ("Plan", NOT_YET if plan is None else _plan(plan)),
        ("Last report", NOT_YET if not report else tuple(_report(ReportRecord.known(report)))),
    )
    return sections_text([(title, tuple(fact for fact in facts if fact[1])) for title, facts in sections])


def _versions() -> Iterator[tuple[str, str]]:
    yield "napari-exactile", __version__
    yield "python", platform.python_version()
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:  # another binding of Qt, or what is no part of this installation
            continue


def _machine(folders: Iterable[Path]) -> Iterator[tuple[str, str]]:
    memory = psutil.virtual_memory()
    release = re.match(r"[\d.]*", platform.release())  # whoever builds a system can call it by any name
    yield "system", f"{platform.system()} {release and release[0]}, {platform.machine()}"
    yield "processor", f"{counted(os.cpu_count() or 1, 'core')}, {counted(torch.get_num_threads(), 'thread')}"
    yield from _devices()
    yield "memory", f"{_size(memory.available)} of {_size(memory.total)} free"
    yield "for a tile", f"{_size(memory_budget(pick_device('auto')))} at most, if it is chosen automatically"
    yield "disk", f"{_free(Path(gettempdir()))} free for temporary files"
    for folder in dict.fromkeys(map(_nearest, folders)):
        yield "", f"{_free(folder)} free where labels go"


def _devices() -> Iterator[tuple[str, str]]:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    yield "devices", "CPU" if not count else f"CPU, CUDA {torch.version.cuda}"
    for number in range(count):
        device = torch.device("cuda", number)
        total = torch.cuda.get_device_properties(device).total_memory
        free = f"{_size(free_memory(device))} of {_size(total)} free"
        yield f"GPU {number}", f"{torch.cuda.get_device_name(device)}, {free}"


def _nearest(folder: Path) -> Path:
    """Return the folder, or the first one above it that there is."""
    return next((one for one in (folder, *folder.parents) if one.is_dir()), Path())


def _free(folder: Path) -> str:
    try:
        return _size(psutil.disk_usage(str(folder)).free)
    except OSError:
        return "an unknown space"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _plan(plan: Plan) -> Facts:
    tiling = plan.tiling
    return (
        ("image", f"{times(tiling.shape)} px"),
        ("region", f"{times(box_shape(tiling.region))} px"),
        ("method", plan.method.name),
        ("tile", f"{lengths(plan.tile)} px{', chosen automatically' if plan.automatic else ''}"),
        ("zone (ZoR)", f"{lengths(plan.zor)} px"),
        ("radius", f"{lengths(plan.radius)} px, of which {_needed(plan.required_radius)} needed"),
        ("size factor (F)", f"multiples of {lengths(plan.factor)} px"),
        ("tiles", f"{len(plan):,}"),
        ("passes", str(len(plan.schedule.passes))),
        ("extra computing", f"{plan.redundancy - 1:+.0%}".replace("%", " %")),
        ("largest tile", f"{_size(plan.peak_bytes)} of memory" if plan.peak_bytes else ""),
        ("exact", "yes" if plan.exact else "no"),
    )


def _needed(required: Sequence[int]) -> str:
    return f"{lengths(required)} px are" if required else "nothing is known to be"


def _report(report: ReportRecord) -> Iterator[tuple[str, str]]:
    tiling, output, computing = report.tiling, report.output, report.computing
    planes = counted(tiling.planes, member(len(tiling.radius)))
    yield "labels", _state(report)
    yield "reason", unquoted(report.reason)
    yield from (("warning", unquoted(warning)) for warning in report.warnings)
    yield "notes", f"{len(report.notes)}, left out: they can name files" if report.notes else ""
    yield "check", _checked(report.spot_check)
    yield "image", f"{times(report.image.shape)} px, {counted(report.image.channels, 'channel')}"
    yield "pixels", unquoted(report.image.dtype or "")
    yield "read as", "" if report.image.grey is UNSET else grey_words(report.image.grey)
    yield "model", _model(report.model)
    yield "method", tiling.method
    yield "size factor (F)", f"multiples of {lengths(tiling.size_factor)} px"
    yield "context", f"{sides(tiling.context)} px" if tiling.context else "unknown"
    yield "radius", f"{lengths(tiling.radius)} px"
    yield "zone (ZoR)", f"{lengths(tiling.zone)} px"
    yield "edges", "" if tiling.padding is UNSET else padding_words(tiling.padding)
    yield (
        "tiles",
        f"{part_of(tiling.tiles_done, tiling.tiles, 'tile')} in {planes}",
    )
    yield "passes", str(tiling.passes)
    yield "extra computing", f"{tiling.redundancy - 1:+.0%}".replace("%", " %")
    yield "output", f"{output.kind}, {counted(len(output.classes), 'channel')}, {times(output.shape)}"
    yield "near-ties", counted(output.near_ties, "pixel")
    yield "normalised by", ", ".join(type(step).__name__ for step in report.normalization.steps)
    yield "computed on", f"{computing.device} ({computing.device_name}), {computing.dtype}"
    yield "time", f"{computing.seconds:.1f} s in {counted(report.dates.runs, 'run')}"
    yield "versions", ", ".join(f"{name} {number}" for name, number in report.versions.items())


def _state(report: ReportRecord) -> str:
    """Return what can be said of labels without the words of others."""
    how = "exact" if report.exact else "not exact"
    edited = ", edited by hand since" if report.edited is True else ""
    return f"{'complete' if report.complete else 'INCOMPLETE'}, {how}{edited}"


def _checked(check: CheckSection | None) -> str:
    if check is None or not check.windows:
        return "not done"
    return (
        f"{counted(len(check.windows), 'window')}: {check.differing:,} of {check.labels:,} labels differ, "
        f"{check.near_ties:,} of these are near-ties"
    )


def _model(model: ModelSection) -> str:
    bundled = model.name in BUNDLED and model.source == model.name
    return f"{model.name if bundled else 'one of your own'}, content {model.content[:16]}"


def unquoted(words: str) -> str:
    """Return a sentence without what stands in quotes or brackets in it, which can be a name.

    >>> unquoted("roll at 'smith.block': it wraps around"), unquoted("all have the same label, 1 (Smith's)")
    ("roll at '...': it wraps around", 'all have the same label, 1 (...)')
    """
    return re.sub(r"\(.*\)", "(...)", re.sub(r"'.*'", "'...'", words))
