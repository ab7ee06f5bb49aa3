"""Coarse levels come to be in the background while the image is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels
from napari.utils.notifications import show_warning

from napari_exactile.images.overview import Overview
from napari_exactile.stopping import Check
from napari_exactile.widget.form.background import Latest

# Seconds between two pictures: one costs the window 50 ms and more.
PAUSE = 0.5


def fill(overview: Overview) -> None:
    """Fill the kept levels of an image that is being opened, and show them as they come."""
    if not overview.kept:
        return
    filling, marks = overview.filling(), {id(level) for level in overview.kept}

    def steps(check: Check) -> Iterator[None]:
        shown = monotonic()
        for _box in filling:
            check()
            if monotonic() - shown > PAUSE:
                yield
                shown = monotonic()

    def failed(error: Exception) -> None:
        show_warning(f"The image cannot be shown as a whole: {error}.")

    def show(_value: Any = None) -> None:
        for layer in _layers_over(marks):
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def ended() -> None:
        for layer in _layers_over(marks):
            if isinstance(layer, Image) and not layer.rgb:
                _show_contrast(layer)
            layer.refresh(extent=False, highlight=False)

    Latest().follow(steps, show, failed, ended)


def _show_contrast(layer: Image) -> None:
    """Take the contrast from the coarsest level, where nothing was known of it."""
    if tuple(layer.contrast_limits) == full_range(layer.dtype):
        layer.reset_contrast_limits("data")


def full_range(dtype: Any) -> tuple[float, float]:
    """Return the limits of the contrast where nothing is known of the pixels."""
    kind = np.dtype(dtype)
    return (float(np.iinfo(kind).min), float(np.iinfo(kind).max)) if kind.kind in "ui" else (0.0, 1.0)


def _layers_over(marks: set[int]) -> list[Image | Labels]:
    """Return the layers of the current viewer that show these levels, or a channel of them."""
    viewer = napari.current_viewer()
    layers = [one for one in viewer.layers if isinstance(one, Image | Labels)] if viewer is not None else []
    return [one for one in layers if one.multiscale and any(_shows(level, marks) for level in one.data)]


def _shows(level: Any, marks: set[int]) -> bool:
    return id(level) in marks or id(getattr(level, "base", None)) in marks
