"""The layers of the error preview: the window, the pixels that differ, and by how much the scores do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from napari.utils import Colormap
from napari.utils.colormaps import DirectLabelColormap, ensure_colormap

from napari_exactile.geometry.interval import Box
from napari_exactile.widget.draw.layer_paint import empty_shapes
from napari_exactile.widget.draw.own_layer import Frame, OwnLayer
from napari_exactile.widget.draw.tile_shapes import VERMILION, corners

if TYPE_CHECKING:
    from napari_exactile.evaluate.errors import TilingError

WINDOW_COLOUR = "#56B4E9"


class PreviewLayers:
    """Layers that are made once and then changed; like the tiling's, they leave the selection alone."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._window = OwnLayer(viewer, "Preview: window", empty_shapes, listed=False)
        self._map = OwnLayer(viewer, "Preview: score difference", _empty_map, optional=True)
        self._differing = OwnLayer(viewer, "Preview: pixels that differ", _empty_mask)
        self._layers = (self._window, self._map, self._differing)

    def outline(self, frame: Frame, window: Box, width: float) -> None:
        """Show where the window is."""
        self._window.draw(frame, (window, width), lambda layer: _paint_window(layer, window, width))

    def show(self, frame: Frame, error: TilingError) -> None:
        """Show an error where it is."""
        there = frame.shifted(tuple(side.start for side in error.window))
        self._map.draw(there, error, lambda layer: _paint_map(layer, error.error_map))
        self._differing.draw(there, error, lambda layer: _paint_mask(layer, error.differing))

    def clear(self) -> None:
        """Show the window alone: its error is not known yet."""
        for own in (self._map, self._differing):
            own.hide()

    def hide(self) -> None:
        """Show nothing."""
        for own in self._layers:
            own.hide()

    def release(self) -> None:
        """Leave the layers to the next preview in this viewer."""
        for own in self._layers:
            own.release()


def _empty_mask(name: str, **frame: Any) -> Labels:
    colours = DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: VERMILION})
    return Labels(np.zeros((1, 1), np.uint8), name=name, colormap=colours, opacity=1.0, **frame)


def _empty_map(name: str, **frame: Any) -> Image:
    colours = np.array(ensure_colormap("plasma").colors)
    # Equal scores hide nothing of the image; what differs by more than 2 % of the largest is seen in full.
    colours[:, 3] = np.minimum(1.0, np.linspace(0.0, 50.0, len(colours)))
    return Image(
        np.zeros((1, 1), np.float32), name=name, colormap=Colormap(colours, name="score difference"),
        contrast_limits=(0, 1), blending="translucent", **frame,
    )  # fmt: skip


def _paint_window(layer: Shapes, window: Box, width: float) -> None:
    layer.data = []
    layer.add(
        list(corners(window[:1], window[1:])), shape_type="rectangle", edge_width=width,
        edge_color=WINDOW_COLOUR, face_color="transparent",
    )  # fmt: skip


def _paint_mask(layer: Labels, differing: np.ndarray) -> None:
    _replace(layer, differing.view(np.uint8))


def _paint_map(layer: Image, values: np.ndarray) -> None:
    _replace(layer, values)
    layer.contrast_limits = (0.0, float(values.max()) or 1.0)


def _replace(layer: Image | Labels, values: np.ndarray) -> None:
    """Show other values; in place where the shape stays, as napari measures all layers for new data."""
    if layer.data.shape == values.shape:
        np.copyto(layer.data, values)
        layer.refresh(extent=False, thumbnail=False, highlight=False)
    else:
        layer.data = values.copy()
