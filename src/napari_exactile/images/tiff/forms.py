"""The images in a TIFF file without their axes of length 1, as every version of tifffile tells them.

Until version 2026.4, a series told both its full and its short shape, and its store took either. Since then,
a file lists its series in one of the two forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import prod
from typing import Any


def all_series(file: Any) -> Sequence[Any]:
    """Return the series of a file; whether they have axes of length 1 depends on the version."""
    series: Sequence[Any] = file.series if _tells_both(file) else file.series(squeeze=True)
    return series


def shape_and_axes(series: Any) -> tuple[tuple[int, ...], str]:
    """Return the shape of a series or of one of its levels, and a letter for each axis.

    Axes of length 1 are left out, but for Y and X.
    """
    import tifffile

    shape, axes, _kept = tifffile.tifffile.squeeze_axes(series.shape, series.axes)
    return shape, axes


def pages_of(series: Any) -> list[Any]:
    """Return the page of each plane that a series announces; None for those that are not there.

    A series without as many pages gets as many, so that what is missing reads as nothing stored.
    """
    if series.is_truncated:
        return list(series)
    announced = prod(series.shape) // prod(series.keyframe.shape)
    pages: list[Any] = []
    with suppress(IndexError):
        pages.extend(series)
    if len(pages) < announced:
        pages += [None] * (announced - len(pages))
        series._pages[:], series._len = pages, announced
    return pages


def array_of(level: Any) -> Any:
    """Return what slices one level of a series of `all_series`, with the shape of `shape_and_axes`."""
    import zarr

    told = {"squeeze": True} if _tells_both(level.parent) else {}
    return zarr.open_array(level.aszarr(level=0, **told), mode="r")


def _tells_both(file: Any) -> bool:
    return not callable(file.series)
