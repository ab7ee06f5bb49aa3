"""What the tiling overlay draws, as plain arrays: rectangles, grid lines and the mesh of the tiles' status.

Coordinates are napari's data coordinates: pixel i covers i - 0.5 .. i + 0.5, so an interval start..stop is
drawn from start - 0.5 to stop - 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum

import numpy as np
import numpy.typing as npt

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.tiling import Tiling

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

BLUE, ORANGE, YELLOW, VERMILION = "#0072B2", "#E69F00", "#F0E442", "#D55E00"


class TileStatus(Enum):
    """How far a tile has come in a run."""

    WAITING = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3


def edges(intervals: Sequence[Interval]) -> FloatArray:
    """Return where intervals start and stop as drawn: shape (number of intervals, 2)."""
    return np.array([(interval.start, interval.stop) for interval in intervals], dtype=float) - 0.5


def corners(rows: Sequence[Interval], columns: Sequence[Interval]) -> FloatArray:
    """Return the corners of every row x column rectangle, row by row: shape (number of rectangles, 4, 2)."""
    y, x = np.broadcast_arrays(edges(rows)[:, None], edges(columns)[None, :])
    y, x = y.reshape(-1, 2), x.reshape(-1, 2)
    return np.stack([y[:, [0, 0, 1, 1]], x[:, [0, 1, 1, 0]]], axis=-1)


def zone_corners(tiling: Tiling) -> FloatArray:
    """Return the corners of every zone, in the order of the tiles: shape (number of tiles, 4, 2)."""
    return corners(tiling.spans(0), tiling.spans(1))


def context_corners(tiling: Tiling) -> FloatArray:
    """Return the corners of every zone with the context around it, cut off at the edge of the image."""
    return corners(*(in_image(tiling.reads(axis), tiling.shape[axis]) for axis in (0, 1)))


def in_image(reads: Sequence[Interval], length: int) -> tuple[Interval, ...]:
    """Return what tiles read along one axis, without the padding beyond the edge of the image."""
    return tuple(read.clip(Interval(0, length)) for read in reads)


def tile_boxes(
    tiling: Tiling, index: int, radius: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[Box, ...]]:
    """Return where the zone of a tile starts and, from there, the tile with so much context and its zone."""
    tile = replace(tiling, radius=radius).tile(index)
    start = tuple(interval.start for interval in tile.zone)
    box = tuple(in_image([read], length)[0] for read, length in zip(tile.box, tiling.shape, strict=True))
    boxes = tuple(
        tuple(interval.grow(first, -first) for interval, first in zip(absolute, start, strict=True))
        for absolute in (box, tile.zone)
    )
    return start, boxes


def checkerboard(grid: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return, tile by tile, which of two alternating colours it gets: no two neighbours get the same."""
    odd: npt.NDArray[np.bool_] = np.indices(grid).sum(axis=0).ravel() % 2 == 1
    return odd


def grid_paths(tiling: Tiling) -> list[FloatArray]:
    """Return the grid as four paths: the even and the odd lines between rows, then those between columns.

    Each path goes to and fro along every second line and reaches the next one along the border, so four
    shapes draw a grid of any size, where a rectangle per zone takes seconds from a few thousand zones on.
    """
    y, x = (_lines(tiling.spans(axis)) for axis in (0, 1))
    rows = [_to_and_fro(y[parity::2], x[[0, -1]]) for parity in (0, 1)]
    columns = [_to_and_fro(x[parity::2], y[[0, -1]])[:, ::-1] for parity in (0, 1)]
    return rows + columns


def _lines(spans: Sequence[Interval]) -> FloatArray:
    bounds = edges(spans)
    return np.append(bounds[:, 0], bounds[-1, 1])


def _to_and_fro(lines: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the path along each line in turn, from one end to the other and back on the next line."""
    along = np.repeat(ends[None, :], len(lines), axis=0)
    along[1::2] = along[1::2, ::-1]
    return np.stack([np.repeat(lines, 2), along.ravel()], axis=-1)


# The colours of the status mesh, by the value of its vertices. None hides what is below.
CLEAR, VEIL, FAILED_FILL, RUNNING_LINE, FAILED_LINE = range(5)
STATUS_COLOURS = ("#80808000", "#80808073", VERMILION + "40", YELLOW, VERMILION)
_FILLS = {
    TileStatus.WAITING: VEIL,
    TileStatus.RUNNING: CLEAR,
    TileStatus.DONE: CLEAR,
    TileStatus.FAILED: FAILED_FILL,
}
_LINES = {TileStatus.RUNNING: RUNNING_LINE, TileStatus.FAILED: FAILED_LINE}

_QUAD = np.array([(0, 1, 2), (0, 2, 3)])
# Outer corners 0..3, inner corners 4..7: two triangles on each side.
_FRAME = np.array(
    [t for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)) for t in ((a, b, b + 4), (a, b + 4, a + 4))]
)


FRAME_ROOM = 16
"""A status mesh has room for this many frames, or a multiple of it; a run mostly needs one at a time."""


def status_mesh(zones: FloatArray, status: IntArray, width: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return triangles that show how far each tile has come: a quad per tile, and frames `width` px wide.

    `zones` are corners, shape (number of tiles, 4, 2). The mesh, vertices (N, 2), triangles (M, 3) and values
    (N,) that index `STATUS_COLOURS`, ends exactly where the zones end, also where the last row and column
    are narrower: one pixel per tile, scaled by the zone, would overhang the image there. Frames that no tile
    needs are clear and have shrunk to a point, so that from tile to tile the triangles stay the same.
    """
    lines = _values(_LINES, status)
    framed = np.flatnonzero(lines != CLEAR)
    room = FRAME_ROOM * max(1, -(-len(framed) // FRAME_ROOM))
    frames, colours = np.full((room, 8, 2), zones[0, 0]), np.full((room, 8), CLEAR, dtype=np.float32)
    frames[: len(framed)], colours[: len(framed)] = _frames(zones[framed], width), lines[framed, None]
    vertices = np.concatenate([zones.reshape(-1, 2), frames.reshape(-1, 2)]).astype(np.float32)
    faces = np.concatenate([_repeated(_QUAD, len(zones)), _repeated(_FRAME, room, first=4 * len(zones))])
    return vertices, faces, np.concatenate([np.repeat(_values(_FILLS, status), 4), colours.ravel()])


def _values(table: Mapping[TileStatus, int], status: IntArray) -> FloatArray:
    """Return the table's value for each tile, `CLEAR` where it has none."""
    values = np.array([table.get(kind, CLEAR) for kind in TileStatus], dtype=np.float32)
    return values[status]


def _frames(outer: FloatArray, width: float) -> FloatArray:
    """Return the outer, then the inner corners of the frames just inside rectangles: shape (K, 8, 2)."""
    inward = outer.mean(axis=1, keepdims=True) - outer
    return np.concatenate([outer, outer + np.clip(inward, -width, width)], axis=1)


def _repeated(triangles: IntArray, times: int, first: int = 0) -> IntArray:
    """Return the same triangles `times` times, each on the vertices after those of the one before."""
    starts: IntArray = first + (int(np.max(triangles)) + 1) * np.arange(times)
    return (starts[:, None, None] + triangles).reshape(-1, 3)
