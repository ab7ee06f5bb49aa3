"""How the overlay's layers are made, empty, and painted."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Shapes, Surface
from napari.utils import Colormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.tile_shapes import (
    BLUE,
    ORANGE,
    STATUS_COLOURS,
    IntArray,
    checkerboard,
    context_corners,
    corners,
    grid_paths,
    status_mesh,
    zone_corners,
)

MOST_RECTANGLES = 600
"""More zones than this are drawn as grid lines: napari takes seconds for thousands of rectangles."""

MOST_CONTEXTS = 100
"""With more tiles than this, all their contexts together are a grid of lines that nobody can read."""

ZONE_LINE, ALL_CONTEXTS_LINE, CONTEXT_LINE, STATUS_LINE = 2.0, 1.0, 3.0, 4.0
"""Line widths in pixels of the screen, whatever the zoom."""

FILL = "14"  # 8 % opaque, in hexadecimal
PURPLE, GREEN = "#CC79A7", "#009E73"


def empty_shapes(name: str, **frame: Any) -> Shapes:
    """Return a layer for rectangles and lines."""
    return Shapes(ndim=2, name=name, opacity=1.0, **frame)


def empty_mesh(name: str, **frame: Any) -> Surface:
    """Return a layer for the tiles' status."""
    nothing = np.zeros((0, 2)), np.zeros((0, 3), dtype=int), np.zeros(0)
    colormap = Colormap(transform_color(list(STATUS_COLOURS)), name="tile status")
    limits = (0, len(STATUS_COLOURS) - 1)
    # Without depth: napari draws all layers of a 2D view at the same one.
    blending = "translucent_no_depth"
    return Surface(
        nothing,
        name=name,
        colormap=colormap,
        contrast_limits=limits,
        shading="none",
        blending=blending,
        **frame,
    )


def paint_zones(layer: Shapes, *, tiling: Tiling, width: float) -> None:
    """Draw one rectangle per zone, in alternating colours, or as lines where these would be too many."""
    if len(tiling) <= MOST_RECTANGLES:
        odd = checkerboard(tiling.grid).astype(int)
        lines, fills = (
            transform_color([BLUE, ORANGE])[odd],
            transform_color([BLUE + FILL, ORANGE + FILL])[odd],
        )
        replace_shapes(layer, zone_corners(tiling), "rectangle", width, lines, fills)
    else:
        lines = transform_color([BLUE, ORANGE, BLUE, ORANGE])
        replace_shapes(layer, grid_paths(tiling), "path", width, lines, "transparent")


def paint_contexts(layer: Shapes, *, tiling: Tiling, width: float) -> None:
    """Draw the outline of every tile: its zone with the context around it."""
    replace_shapes(layer, context_corners(tiling), "rectangle", width, PURPLE, "transparent")


def paint_context(layer: Shapes, *, boxes: tuple[Box, ...], width: float) -> None:
    """Draw the box that one tile reads, and its zone in it."""
    outlines = [corners(box[:1], box[1:])[0] for box in boxes]
    if layer.nshapes == len(outlines):
        layer.data = outlines  # twice as fast, as this follows the cursor; colours and widths stay
    else:
        replace_shapes(layer, outlines, "rectangle", width, [PURPLE, GREEN], [PURPLE + FILL, "transparent"])


def paint_status(layer: Surface, *, tiling: Tiling, status: IntArray, width: float) -> None:
    """Draw how far every tile has come."""
    vertices, faces, values = status_mesh(zone_corners(tiling), status, width)
    zones = slice(4 * len(tiling))
    if np.array_equal(layer.faces, faces) and np.array_equal(layer.vertices[zones], vertices[zones]):
        # The same triangles in the same place: write into napari's arrays. After a change of `data` it would
        # measure every layer and set up the sliders anew, which takes four times as long.
        layer.vertices[:], layer.vertex_values[:] = vertices, values
        layer.refresh(extent=False, thumbnail=False, highlight=False)
    else:
        layer.data = vertices, faces, values


def replace_shapes(layer: Shapes, outlines: Any, kind: str, width: float, lines: Any, fills: Any) -> None:
    """Put other shapes in the place of those that a layer has."""
    # `layer.data = outlines` would keep the widths and colours of the shapes that were there before.
    layer.data = []
    layer.add(list(outlines), shape_type=kind, edge_width=width, edge_color=lines, face_color=fills)
