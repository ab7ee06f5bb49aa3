"""The objects of a result: connected components over the whole image, as people call for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from numbers import Real
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
    _check(classes, pixel_size, options)
    finding = Making(label_objects(labels_of(labels), background, **options))
    for fraction in finding:
        on_progress(fraction)
        if cancel():
            raise Cancelled
    size = None if pixel_size is None else tuple(pixel_size)
    return replace(finding.made, classes=tuple(classes), pixel_size=size)


def _check(classes: Any, pixel_size: Any, options: dict[str, Any]) -> None:
    """Raise ValueError for what is of another kind than is wanted."""
    given.names("classes", classes)
    several = isinstance(pixel_size, Iterable) and not isinstance(pixel_size, str | bytes)
    if pixel_size is not None and not (several and all(isinstance(one, Real) for one in pixel_size)):
        raise ValueError(
            f"a pixel size is a number of micrometres for each axis, such as (0.5, 0.5), not {pixel_size!r}"
        )
    zone, axes, out = (options.get(name) for name in ("zone", "axes", "out"))
    if zone is not None:
        given.shape(zone if isinstance(zone, Iterable) else (zone,), "a zone")
    if not isinstance(axes, str | None):
        raise ValueError(f"axes are a text such as 'zyx', not {axes!r}")
    if out is not None and not hasattr(out, "shape"):
        raise ValueError(f"objects are written to an array (out), not to {out!r}: make one, or leave it out")


def labels_of(labels: Any) -> Any:
    """Return the array of labels of a result or of an array; raise ValueError where tiles are missing."""
    if not isinstance(labels, Result):
        return labels
    report = labels.report
    if report.tiles_done < report.tiles:
        done = part_of(report.tiles_done, report.tiles, "tile")
        raise ValueError(f"only {done} are done, and objects need all of them: let the run end first")
    return labels.labels
