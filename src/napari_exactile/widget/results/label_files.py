"""The labels of a run, or what it gives instead, written into a file or a folder for other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.widget.draw.classes import Classes

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.widget.run.labels import RunLabels

OnProgress = Callable[[float], None]
TIFF, ZARR = ".ome.tif", ".ome.zarr"
KINDS = (("OME-TIFF", TIFF, ".tif", ".tiff"), ("OME-Zarr", ZARR, ".zarr"))
"""The kinds of files that labels can be written as: what each is called, and how its names end."""


def write(given: RunLabels, path: Path, on_progress: OnProgress) -> None:
    """Write the labels as they are, with class names and pixel size; runs in any thread.

    A name that ends in .zarr becomes an OME-Zarr, every other an OME-TIFF. It says where labels were edited
    by hand. Raises ValueError where that goes on meanwhile, and where it would replace the image.
    """
    from napari_exactile.images.read.underlying import files_under
    from napari_exactile.images.store.guard import refuse_over

    found, series = given.look(), given.series
    assert series is not None
    refuse_over(path, files_under(series.task.planes.whole), "the labels")

    def still_the_same(fraction: float) -> None:
        on_progress(fraction)
        # The file appears under its name after this.
        if fraction >= 1 and given.look() != found:
            raise ValueError("the labels were edited while they were written: save them again")

    as_zarr = path.suffix.lower() == ".zarr"
    (_write_zarr if as_zarr else _write_tiff)(given, series, path, still_the_same)


def _write_tiff(given: RunLabels, series: Series, path: Path, on_progress: OnProgress) -> None:
    from napari_exactile.images.store.tiff import save_labels, save_values
    from napari_exactile.run.words.summary import description

    written, axes, size = given.written, series.task.planes.axes, given.plane.pixel_size
    assert written is not None
    size = size and series.task.analysis.grid.pixel_size(size)
    with_channels = f"{axes[: written.channel]}c{axes[written.channel :]}"
    level, *coarser = _levels(given)
    options: dict[str, Any] = {
        "note": description(series.report()),
        "coarser": coarser,
        "on_progress": on_progress,
    }
    if written.labels is None:
        save_values(path, level, size, axes=with_channels, **options)
        return
    axes = with_channels if series.task.decision.leading else axes
    save_labels(path, level, _names(given.classes, series), size, axes=axes, **options)


def _write_zarr(given: RunLabels, series: Series, path: Path, on_progress: OnProgress) -> None:
    from napari_exactile.run.store.exported import Export
    from napari_exactile.run.words.summary import description

    assert given.written is not None
    classes = tuple(zip(_names(given.classes, series), _colors(given.classes, series), strict=True))
    background = 0 if series.task.decision.leading else given.classes.background
    channel, note = given.written.channel, description(series.report())
    Export(series.task, _levels(given), channel, classes, background, note).write(path, on_progress)


def _levels(given: RunLabels) -> Sequence[Any]:
    """Return what there is at all scales, level 0 first, in the smallest type that holds it."""
    written, level = given.written, given.pixels
    assert written is not None
    swapped = written.labels is not None and level.dtype != written.main[0].dtype
    return _narrow(level) if swapped else level, *written.main[1:]


def _names(classes: Classes, series: Series) -> tuple[str, ...]:
    """Return what each label means; where channels are decided each by itself, labels are no and yes."""
    known = ("no", "yes") if series.task.decision.leading else classes.names
    return (*known, *(() if series.complete else ("unfinished",)))


def _colors(classes: Classes, series: Series) -> tuple[str, ...]:
    """Return the colours of these labels; those that are not done are grey."""
    known = (classes.colors[0],) * 2 if series.task.decision.leading else classes.colors
    return (*known, *(() if series.complete else ("#808080",)))


def _narrow(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels that somebody else made in the smallest type for them: few programs read int64."""
    smallest, largest = map(np.min_scalar_type, (labels.min(), labels.max()))
    return labels.astype(np.promote_types(smallest, largest), copy=False)
