"""Words about a run."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from napari_exactile.geometry.words import counted, part_of
from napari_exactile.widget.run.status import State, Status

if TYPE_CHECKING:
    from pathlib import Path

    from napari_exactile.run.engine.checked import SpotCheck
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.run.task.task import Task


CHECK_FAILED = "THE CHECK FAILED: do not rely on these labels, see Report"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def percent(series: Series) -> int:
    """Return how much is done; 100 only where all is."""
    return int(100 * series.done / series.task.tiles)


def pixels_of(task: Task) -> int:
    """Return how many pixels a task segments in all planes."""
    return len(task.planes.sources) * prod(map(len, task.plan.tiling.region))


def progress_words(status: Status) -> str:
    """Return what a run does now, or how many of its tiles are done."""
    if status.step is not None:
        return status.step.words
    paused = "Paused: " if status.state is State.PAUSED else ""
    words = f"{paused}{part_of(status.tiles.done, status.tiles.of, 'tile')}"
    return f"{words}, {status.plane}" if status.plane else words


def rate_words(status: Status) -> str:
    """Return what is new about a run, or how fast it goes and how long the rest takes, if that is known."""
    tiles, fresh = status.tiles, status.tiles.done - (status.first or 0)
    if status.note or status.first is None or fresh <= 0 or not status.seconds:
        return status.note
    pixels = status.pixels * fresh / tiles.of
    left = (tiles.of - tiles.done) * status.seconds / fresh
    return f"{pixels / status.seconds / 1e6:.2f} Mpx/s - {duration(left)} left"


def inexact_words(plan: Plan) -> str:
    """Return what stands before the name of labels that are not exact; nothing where they are."""
    word = "APPROXIMATE" if plan.approximate else "INEXACT"
    return "" if plan.exact else f"{word} radius {max(plan.radius)}: "


def summary(status: Status, series: Series, path: Path | None, check: SpotCheck | None) -> str:
    """Return the result of a run that has ended in one line: where it is kept, and what a check has found."""
    if status.state is State.GONE:
        return f"Failed: {status.error}"
    kept = "saved" if status.saved else f"in {path}" if path is not None else "unsaved"
    words = outcome(series, status.error, kept, status.replaced)
    failed = check is not None and check.disagrees and series.task.plan.exact
    return f"{words}. {CHECK_FAILED}" if failed else words


def outcome(series: Series, error: str, kept: str, replaced: str = "") -> str:
    """Return the result of a run that has ended in one line; `kept` says where it is ("unsaved").

    `replaced` is the layer, if there is one, that shows other pixels than those that were segmented.
    """
    tiles = part_of(series.done, series.task.tiles, "tile")
    reason = f"'{replaced}' shows other pixels now" if replaced else series.spoilt
    stopped = f"Stopped, as {reason}" if reason else ""
    if error:
        return f"Failed: {error}. {tiles} kept"
    if not series.done:
        return f"{stopped or 'Cancelled'}: nothing was done"
    edited = ", edited by hand since" if series.edited else ""
    if not series.complete:
        return f"{stopped or 'Incomplete'}: {tiles} ({percent(series)} %){edited} - {kept}"
    of = f", for pixels that '{replaced}' no longer shows" if replaced else ""
    if edited and series.task.plan.exact and not series.spoilt:
        return f"Done{of}{edited} - {kept}"
    return f"Done{of}: {_exactness(series)}{edited}, {_ties(series)} - {kept}"


def _ties(series: Series) -> str:
    if series.labels is None:
        return "values"
    return counted(series.near_ties, "near-tie")


def _exactness(series: Series) -> str:
    plan = series.task.plan
    if series.spoilt:
        return f"not exact, as {series.spoilt}"
    if plan.exact:
        return "exact"
    if plan.approximate:
        return f"APPROXIMATE, not exact (radius {max(plan.radius)} px)"
    return f"INEXACT (context {max(plan.radius)} px, needed {max(plan.required_radius)})"
