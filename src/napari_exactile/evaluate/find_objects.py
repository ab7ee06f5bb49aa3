"""The objects of a result: connected components over the whole image, as people call for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from napari_exactile.geometry.words import part_of
from napari_exactile.images.making import Making
from napari_exactile.images.objects.components import label_objects
from napari_exactile.images.objects.objects import Objects
from napari_exactile.run.engine.result import Result
from napari_exactile.run.plan import given
from napari_exactile.stopping import Cancelled


def find_objects(
    labels: Any,
    *,
    classes: Sequence[str] = (),
    background: int | None = 0,
    pixel_size: Sequence[float] | None = None,
    on_progress: Callable[[float], None] = lambda fraction: None,
    cancel: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Objects:
    """Find and measure the objects of each class: the same ones whatever the blocks they are found in.

    `labels` is a Result or any array of labels, numpy, zarr or dask. `classes` names the labels, `background`
    is the one that is no object (None: all are), `pixel_size` is in micrometres along the spatial axes. The
    `options` are those of `label_objects`: zone, connectivity, min_size, axes, out. `on_progress` hears the
    fraction done. Raises ValueError for labels that are incomplete or cannot be used, and Cancelled (of
    `napari_exactile.run.engine.events`) once `cancel()` is true.

    >>> import napari_exactile as ex
    >>> objects = ex.find_objects([[1, 0, 1], [1, 0, 0]], pixel_size=(0.5, 0.5))
    >>> objects.labels.tolist(), objects.pixels.tolist(), objects.sizes.tolist()
    ([[1, 0, 2], [1, 0, 0]], [2, 1], [0.5, 0.25])
    """
    for name in {"connectivity", "min_size"} & options.keys():
        options[name] = given.whole(name, options[name])
    finding = Making(label_objects(labels_of(labels), background, **options))
    for fraction in finding:
        on_progress(fraction)
        if cancel():
            raise Cancelled
    size = None if pixel_size is None else tuple(pixel_size)
    return replace(finding.made, classes=tuple(classes), pixel_size=size)


def labels_of(labels: Any) -> Any:
    """Return the array of labels of a result or of an array; raise ValueError where tiles are missing."""
    if not isinstance(labels, Result):
        return labels
    report = labels.report
    if report.tiles_done < report.tiles:
        done = part_of(report.tiles_done, report.tiles, "tile")
        raise ValueError(f"only {done} are done, and objects need all of them: let the run end first")
    return labels.labels
