"""A finished run in words: the same lines at the end of a command and in the dock."""

from __future__ import annotations

from collections.abc import Sequence

from napari_exactile.geometry.equations import rounded_radius
from napari_exactile.geometry.frame import AS_IT_IS
from napari_exactile.geometry.grid import in_words
from napari_exactile.geometry.words import counted, lengths, part_of, times
from napari_exactile.network.derived import Derived
from napari_exactile.run.engine.result import Report


def summary_lines(report: Report, image_name: str) -> list[tuple[str, str]]:
    """Return what was computed, how, and how exact it is: (name, value) pairs in words for people."""
    return [
        ("image", f"{image_name}, {times(report.shape)} px"),
        *([("grid", grid)] if (grid := _grid(report)) else []),
        ("model", report.model),
        *([("gives", report.gives)] if report.gives else []),
        ("size factor (F)", f"multiples of {lengths(report.factor)} px"),
        *([("edges", edges)] if (edges := padding_words(report.padding)) else []),
        ("context (radius)", f"{_context(report)}, radius {lengths(report.radius)} px"),
        ("zone (ZoR)", f"{lengths(report.zone)} px"),
        ("tiles", _tiles(report)),
        *_passes(report.passes),
        ("extra computing", f"{report.redundancy - 1:+.0%}".replace("%", " %")),
        ("time", f"{report.seconds:.1f} s on {report.device}, {report.megapixels_per_second:.3g} Mpx/s"),
        ("near-ties", counted(report.near_ties, "pixel")),
        *([("NaN pixels", missing_words(report.left_out))] if report.left_out else []),
        *(("note", note) for note in report.notes),
        *(("warning", warning) for warning in report.warnings),
        ("result", exactness(report)),
    ]


def analysis_lines(analysis: Derived, model_name: str) -> list[tuple[str, str]]:
    """Return what a model needs, in the same form."""
    factor, radius, paper = analysis.factor, analysis.radius, analysis.paper_radius
    rounded = [rounded_radius(p, f) for p, f in zip(paper, factor, strict=True)]
    small = any(p < r for p, r in zip(rounded, radius, strict=True))
    return [
        ("model", model_name),
        ("image", f"{times(analysis.shape)} px, channels: {analysis.channels}"),
        ("size factor (F)", f"multiples of {lengths(factor)} px"),
        *([("edges", edges)] if (edges := padding_words(analysis.padding)) else []),
        ("context", f"{sides(analysis.context)} px before + after a zone"),
        ("radius", f"{lengths(radius)} px: the context, rounded up to a multiple of F"),
        *_whole_image(analysis),
        ("paper's Eq. 1", f"{lengths(paper)} px, rounded up {lengths(rounded)} px{': too small' * small}"),
        *([] if analysis.grid.is_of_image else [("grid", analysis.grid.describe())]),
        ("result", "can be exact"),
    ]


def _passes(passes: int) -> list[tuple[str, str]]:
    """Return a line for runs that needed more than one pass."""
    if passes == 1:
        return []
    return [("passes", f"{passes} over the image: the last one gives the labels")]


def _whole_image(analysis: Derived) -> list[tuple[str, str]]:
    """Return a line for networks with operators that look at the whole image."""
    if not analysis.statistics:
        return []
    count = len(analysis.statistics)
    operators = counted(count, "operator looks", "operators look")
    return [("whole image", f"{operators} at all of it: {passes_words(analysis.surveys)} before the last")]


def missing_words(count: int) -> str:
    """Return what became of so many pixels that were NaN."""
    return f"{count:,}: not measured, read as the mean of their channel, and labelled background"


def padding_words(padding: Sequence[str]) -> str:
    """Return what an image is padded to; nothing where it is taken as it is.

    >>> padding_words(("as it is", "reflected to 160 px")), padding_words(("as it is", "as it is"))
    ('y as it is, x reflected to 160 px', '')
    """
    if set(padding) <= {AS_IT_IS}:
        return ""
    return ", ".join(f"{axis} {told}" for axis, told in zip("zyx"[-len(padding) :], padding, strict=True))


def passes_words(count: int) -> str:
    """Return a number of passes in words."""
    return counted(count, "pass", "passes")


def sides(context: Sequence[tuple[int, int]]) -> str:
    """Return the pixels before and after, once where all axes agree.

    >>> sides(((94, 94), (94, 94))), sides(((413, 381), (0, 0)))
    ('94 + 94', '413 + 381, 0 + 0')
    """
    return ", ".join(dict.fromkeys(f"{before} + {after}" for before, after in context))


def needed_radius(report: Report) -> tuple[int, ...]:
    """Return the radius that the model needs: its context, rounded up to multiples of F."""
    pairs = zip(report.context or (), report.factor, strict=True)
    return tuple(rounded_radius(max(context), factor) for context, factor in pairs)


def _context(report: Report) -> str:
    if report.context is None:
        return "unknown"
    return f"{lengths([max(sides) for sides in report.context])} px needed"


def _tiles(report: Report) -> str:
    whole = report.tiles_done == report.tiles
    return str(report.tiles) if whole else f"{report.tiles_done} of {report.tiles}"


def description(report: Report) -> str:
    """Return what a reader of labels alone must know: how exact, by which threshold, where they lie."""
    threshold = "" if report.threshold is None else f"threshold {report.threshold:g}"
    return "; ".join(filter(None, [exactness(report), threshold, _grid(report)]))


def _grid(report: Report) -> str:
    """Return the grid of the labels in words; nothing where it is that of the image."""
    if report.output_shape == report.shape and set(report.stride) == {1} and not any(report.offset):
        return ""
    return in_words(report.output_shape, report.stride, report.offset)


EDITED = "edited by hand since"


def exactness(report: Report) -> str:
    """Return whether the labels are those of one pass, and if not, why."""
    if report.tiles_done < report.tiles:
        done = part_of(report.tiles_done, report.tiles, "tile")
        return f"INCOMPLETE: {done} done; these are {_as_they_are(report)}"
    return _as_they_are(report)


def _as_they_are(report: Report) -> str:
    """Return what is to be said of the labels of finished tiles."""
    if not report.edited:
        return _zones_exactness(report)
    small = any(r < needed for r, needed in zip(report.radius, needed_radius(report), strict=False))
    inexact = small or report.reason or report.method == "approximate"
    before = f"; before that, {_zones_exactness(report)}" if inexact else ""
    return f"{EDITED}, so no longer the labels of one pass over the whole image{before}"


def _zones_exactness(report: Report) -> str:
    if report.exact:
        padding = padding_words(report.padding)
        return "exact: the labels of one pass over the whole image" + (
            f", padded ({padding})" if padding else ""
        )
    if report.method == "approximate":
        return (
            f"APPROXIMATE: run in tiles with a radius of {lengths(report.radius)} px, chosen by hand, "
            f"as the model cannot be exact: {report.reason}"
        )
    if report.reason:
        return f"NOT EXACT: {report.reason}"
    return (
        f"INEXACT: the radius is {lengths(report.radius)} px, "
        f"but this model needs {lengths(needed_radius(report))} px"
    )
