"""Words about a run."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from napari_exactile.geometry.words import counted, part_of
from napari_exactile.widget.form.pace import left_words
from napari_exactile.widget.run.status import State, Status

if TYPE_CHECKING:
    from pathlib import Path

    from napari_exactile.run.engine.checked import SpotCheck
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.run.task.task import Task


CHECK_FAILED = "THE CHECK FAILED: do not rely on these labels, see Report"


def percent(series: Series) -> int:
    """Return how much is done; 100 only where all is."""
    return int(100 * series.done / series.task.tiles)


def pixels_of(task: Task) -> int:
    """Return how many pixels a task segments in all planes."""
    return len(task.planes.sources) * prod(map(len, task.plan.tiling.region))


def progress_words(status: Status) -> str:
    """Return what a run does now and how far that is, or how many of its tiles are done."""
    paused, (number, planes) = "Paused: " if status.state is State.PAUSED else "", status.plane
    plane = f", {status.what} {number} of {planes}" if planes > 1 else ""
    if status.step is None:
        return f"{paused}{part_of(status.tiles.done, status.tiles.of, 'tile')}{plane}"
    far = f": {int(100 * status.step.done / status.step.of)}\u00a0%" if status.step.of else ""
    return f"{paused}{status.step.words}{plane}{far}"


def rate_words(status: Status) -> str:
    """Return what is new about a run, or how fast it goes and how long the rest takes, if that is known."""
    if status.note:
        return status.note
    if status.step is not None and status.step.pace is not None:
        return left_words(status.step.pace)
    pace = status.pace
    if pace is None or pace.left is None:
        return ""
    return f"{status.pixels * pace.done / pace.seconds / 1e6:.2f} Mpx/s - {left_words(pace)}"


def inexact_words(plan: Plan) -> str:
    """Return what stands before the name of labels that are not exact; nothing where they are."""
    word = "APPROXIMATE" if plan.approximate else "INEXACT"
    return "" if plan.exact else f"{word} radius {max(plan.radius)}: "


def summary(status: Status, series: Series, path: Path | None, check: SpotCheck | None) -> str:
    """Return the result of a run that has ended in one line: where it is kept, and what a check has found."""
    if status.state is State.GONE:
        return f"Failed: {status.error}"
    kept = "saved" if status.saved else f"in {path}" if path is not None else "unsaved"
    words = outcome(series, status, kept)
    failed = check is not None and check.disagrees and series.task.plan.exact
    return f"{words}. {CHECK_FAILED}" if failed else words


def outcome(series: Series, status: Status, kept: str) -> str:
    """Return the result of a run that has ended in one line; `kept` says where it is ("unsaved")."""
    tiles, replaced = part_of(series.done, series.task.tiles, "tile"), status.replaced
    reason = f"'{replaced}' shows other pixels now" if replaced else series.spoilt or status.reason
    stopped = f"Stopped, as {reason}" if reason else ""
    if status.error:
        return f"Failed: {status.error}. {tiles} kept"
    if not series.done and status.at_pass is not None:
        number, passes = status.at_pass
        return f"{stopped or 'Cancelled'} in pass {number} of {passes}: what was found so far is kept"
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
