"""Where zones meet: windows that show what the usual tiling gets wrong."""

from __future__ import annotations

from collections.abc import Sequence

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.tiling import Tiling


def nearest_junction(tiling: Tiling, point: Sequence[int]) -> tuple[int, ...] | None:
    """Return the pixel nearest to `point` at which zones meet along every axis that has more than one.

    Four zones meet there in a plane, fewer where an axis has only one: along that, `point` itself is taken.
    None where there is one zone only.
    """
    if len(tiling) == 1:
        return None
    place = []
    for axis, position in enumerate(point):
        seams = [span.start for span in tiling.spans(axis)[1:]]
        place.append(min(seams, key=lambda seam: abs(seam - position)) if seams else position)
    return tuple(place)


def window_around(centre: Sequence[int], size: int, region: Box) -> Box:
    """Return the box of `size` pixels a side around `centre`, moved into `region`, or as much as it has.

    >>> window_around((100,), 64, (Interval(0, 110),))
    (Interval(start=46, stop=110),)
    """
    box = []
    for position, side in zip(centre, region, strict=True):
        length = min(size, len(side))
        start = min(max(position - length // 2, side.start), side.stop - length)
        box.append(Interval(start, start + length))
    return tuple(box)
