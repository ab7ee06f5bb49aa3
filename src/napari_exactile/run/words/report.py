"""A report in words for people, in a few sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from napari_exactile.geometry.grid import in_words
from napari_exactile.geometry.words import counted, lengths, member, times
from napari_exactile.images.grey import grey_words
from napari_exactile.run.engine.checked import SpotCheck
from napari_exactile.run.words.facts import Facts, sections_text
from napari_exactile.run.words.report_record import (
    CheckSection,
    ImageSection,
    ModelSection,
    NormalizationSection,
    OutputSection,
    ReportRecord,
    TilingSection,
)
from napari_exactile.run.words.summary import missing_words, padding_words, sides

# Reports from before the image's own size was taken.
PADDED_THEN = "reflected up to multiples of F, as all images were"


def report_sections(content: dict[str, Any]) -> tuple[tuple[str, Facts], ...]:
    """Return titles and what stands under them, (name, value) pairs; what is not known is left out.

    `content` is what `report_of` gives, or what a store keeps of it. Raises ValueError where it is neither.
    """
    report = ReportRecord.known(content)
    sections = (
        ("Result", _result(report)),
        ("Check of random windows", tuple(_check(report.spot_check))),
        ("Image", _image(report.image, report.tiling)),
        ("Model", _model(report.model)),
        ("Tiles", _tiles(report.tiling)),
        ("Normalisation", _normalization(report.normalization, member(len(report.tiling.radius)))),
        ("Computed with", _computing(report)),
    )
    return tuple((title, tuple(fact for fact in facts if fact[1])) for title, facts in sections)


def report_text(content: dict[str, Any]) -> str:
    """Return the same as plain text."""
    return sections_text(report_sections(content))


def check_line(check: SpotCheck) -> str:
    """Return in one sentence what a check has found."""
    return _found(
        check.reason, len(check.windows), check.labels, check.differing, check.near_ties
    )  # fmt: skip


def _found(reason: str, windows: int, labels: int, differing: int, near_ties: int) -> str:
    if not windows:
        return reason
    where = f"{counted(labels, 'label')} in {counted(windows, 'random window')}"
    if not differing:
        return f"{where}: all are the same"
    if differing == near_ties:
        return f"{where}: {differing:,} differ, all of them near-ties that the last bits can flip"
    ties = f", {near_ties:,} of them near-ties" if near_ties else ""
    return f"{where}: {differing:,} DIFFER{ties}"


def _result(report: ReportRecord) -> Facts:
    output = report.output
    return (
        ("labels", report.result),
        ("exact means", f"the same as {report.reference}"),
        ("classes", ", ".join(output.classes)),
        ("threshold", "" if output.threshold is None else f"{output.threshold:g}"),
        ("from", output.scale),
        ("near-ties", counted(output.near_ties, "pixel")),
        ("NaN pixels", missing_words(output.nan_pixels) if output.nan_pixels else ""),
        ("grid", _grid(output)),
        *(("warning", warning) for warning in report.warnings),
        *(("note", note) for note in report.notes),
    )


def _grid(output: OutputSection) -> str:
    """Return the grid of the labels; nothing where it is the image's."""
    if set(output.stride) == {1.0} and not any(output.offset):
        return ""
    return in_words(output.shape, output.stride, output.offset)


def _image(image: ImageSection, tiling: TilingSection) -> Facts:
    region = tiling.region
    channels = f", {counted(image.channels, 'channel')}" if image.channels > 1 else ""
    kind = f", {image.dtype}" if image.dtype else ""
    return (
        ("name", image.name),
        ("file", image.path or ""),
        ("size", f"{times(image.shape)} px{channels}{kind}"),
        ("read as", "" if image.grey is UNSET else grey_words(image.grey)),
        ("region", f"{times(f'{start}..{stop}' for start, stop in region)} px" if region else ""),
        ("content (hash)", _short(image.content)),
    )


def _model(model: ModelSection) -> Facts:
    return (
        ("name", model.title),
        ("source", model.source or ""),
        ("content (hash)", _short(model.content)),
    )


def _tiles(tiling: TilingSection) -> Facts:
    done, tiles = tiling.tiles_done, tiling.tiles
    context = sides(tiling.context or ())
    return (
        ("method", tiling.method),
        ("size factor (F)", f"multiples of {lengths(tiling.size_factor)} px"),
        ("edges", PADDED_THEN if tiling.padding is UNSET else padding_words(tiling.padding)),
        ("context", f"{context} px before + after a zone" if context else "unknown"),
        ("radius", f"{lengths(tiling.radius)} px"),
        ("zone (ZoR)", f"{lengths(tiling.zone)} px"),
        (f"{member(len(tiling.radius))}s", f"{tiling.planes:,}" if tiling.planes > 1 else ""),
        ("tiles", f"{tiles:,}" if done == tiles else f"{done:,} of {tiles:,}"),
        ("passes", f"{tiling.passes} over the image" if tiling.passes > 1 else ""),
        ("extra computing", f"{tiling.redundancy - 1:+.0%}".replace("%", " %")),
    )


def _normalization(normalization: NormalizationSection, one: str) -> Facts:
    measured, ignore = normalization.measured, normalization.ignore
    words = "; ".join(measured[0].words) if measured else "not measured yet"
    first = f"{one} {', '.join(map(str, measured[0].plane))}" if len(measured) > 1 else "pixels become"
    return (
        (first, words or "left as they are"),
        (f"other {one}s", f"{len(measured) - 1:,}, in the file" if len(measured) > 1 else ""),
        ("left out", "" if ignore is None else f"pixels of the value {ignore}"),
        ("together", f"all {one}s as one image" if normalization.together else ""),
    )


def _computing(report: ReportRecord) -> Facts:
    computing, dates = report.computing, report.dates
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    runs = f" in {counted(dates.runs, 'run')}" if dates.runs > 1 else ""
    return (
        ("device", f"{computing.device} ({computing.device_name})"),
        ("numbers", f"{computing.dtype}, statistics {computing.statistics}"),
        ("arithmetic", computing.arithmetic),
        ("time", f"{computing.seconds:.1f} s{runs}"),
        ("begun", _date(dates.begun)),
        ("ended", _date(dates.ended)),
        ("versions", versions),
    )


def _check(check: CheckSection | None) -> Iterator[tuple[str, str]]:
    if check is None:
        yield "labels", "not done"
        return
    found = (check.labels, check.differing, check.near_ties)
    yield "labels", _found(check.reason, len(check.windows), *found)
    yield "against", check.how
    if check.rmse is not None:
        yield "probabilities", f"RMSE {check.rmse:.2g}, largest difference {check.largest:.2g}"
    if check.windows:
        yield "seed", str(check.seed)


def _short(content: str) -> str:
    return content[:16]


def _date(text: str | None) -> str:
    return (text or "").replace("T", " ").replace("+00:00", " UTC")
