"""What the preview looks at, and what it cannot look at: places and words that need no window."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_exactile.geometry.interval import Box, box_shape
from napari_exactile.geometry.seams import nearest_junction, window_around
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.geometry.words import counted, lengths, times

if TYPE_CHECKING:
    from napari_exactile.run.plan.plan import Plan
    from napari_exactile.run.task.task import Task

SEAM_WINDOW, LARGEST_WINDOW = 512, 2048
"""Pixels a side of the window at a seam, and the most of the view or of a rectangle that is computed."""


def refusal(task: Task, axes: int, is_flat: bool) -> str:
    """Return why there is no preview of a task on an image of so many axes; empty where there is one."""
    from napari_exactile.evaluate.errors import NO_CLASSES, NO_COMPARISON

    reasons = {
        "An approximate model has no exact result to compare with": task.plan.approximate,
        NO_COMPARISON: not task.analysis.grid.is_of_image,
        NO_CLASSES: not task.decision.one_label,
        "The preview shows planes: scripts can compare volumes (tiling_error)": axes > 2,
        "The preview measures a plane by itself: untick Normalise together": task.settings.together,
        "The preview needs y and x as the last axes of the image": not is_flat,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def seam_window(tiling: Tiling, centre: tuple[int, ...]) -> Box:
    """Return the window around the seam nearest to a pixel; raises ValueError where there is no seam."""
    junction = nearest_junction(tiling, centre)
    if junction is None:
        raise ValueError("There is one tile only, so there is no seam: choose a smaller tile")
    return window_around(junction, SEAM_WINDOW, tiling.region)


def window_in(box: Box, region: Box) -> Box:
    """Return the middle of a box, as far as it lies in a region: at most `LARGEST_WINDOW` pixels a side.

    Raises ValueError where they have no pixel in common.
    """
    sides = list(zip(box, region, strict=True))
    if any(side.stop <= outer.start or side.start >= outer.stop for side, outer in sides):
        raise ValueError("That lies outside the part of the image that is to be segmented")
    inside = tuple(side.clip(outer) for side, outer in sides)
    middle = [(side.start + side.stop) // 2 for side in inside]
    return window_around(middle, LARGEST_WINDOW, inside)


def with_radius(plan: Plan, radius: int) -> Tiling:
    """Return the tiling of a plan with another context: zones stay, tiles grow."""
    return replace(plan.tiling, radius=(radius,) * len(plan.radius))


def described(plan: Plan, tiling: Tiling, window: Box) -> str:
    """Return in lines what the context of a tiling means, and how large the window is."""
    off = any(r % f for r, f in zip(tiling.radius, tiling.factor, strict=True))
    grid = f" - off the grid of {lengths(tiling.factor)} px" if off else ""
    return (
        f"of {lengths(plan.required_radius)} px needed{grid}\n"
        f"zone {lengths(tiling.zone)} px, tile {lengths(plan.tile_with(tiling.radius))} px\n"
        f"window {times(box_shape(window))} px"
    )


def computing(measured: bool, surveys: int) -> str:
    """Return what is said while an error is computed, and what has to come before that."""
    first = "" if measured else "; before that, the whole image is measured"
    first = f"; before that, {counted(surveys, 'pass', 'passes')} over the whole image" if surveys else first
    return f"Computing{first}"
