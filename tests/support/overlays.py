"""What the tests of the tiling overlay share: tilings, overlays that show them, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from pytestqt.qtbot import QtBot

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.overlay import Frame, TilingOverlay


def tiling_of(
    shape: tuple[int, ...], zone: int = 32, radius: int = 16, factor: int = 8, region: Box = ()
) -> Tiling:
    return Tiling(shape, (factor,) * 2, (zone,) * 2, (radius,) * 2, region)


def shown(viewer: ViewerModel, tiling: Tiling, **options: Any) -> TilingOverlay:
    """Return an overlay that shows a tiling on the viewer's image."""
    overlay = TilingOverlay(viewer)
    for name, value in options.items():
        setattr(overlay, name, value)
    overlay.show(Frame.of(viewer.layers["image"]), tiling)
    return overlay


def ours(viewer: ViewerModel) -> list[Layer]:
    return [layer for layer in viewer.layers if layer.name.startswith("Tiles: ")]


def point_at(viewer: ViewerModel, *position: float) -> None:
    viewer.mouse_over_canvas = True
    viewer.cursor.position = position


def drawn_boxes(viewer: ViewerModel, name: str) -> np.ndarray[Any, Any]:
    """Return the (start, stop) of every rectangle along every axis, in pixels of the image."""
    image, layer = viewer.layers["image"], viewer.layers[name]
    shift = (layer.translate - image.translate) / image.scale
    data = np.array(layer.data) + shift + 0.5
    return np.stack([data.min(axis=1), data.max(axis=1)], axis=-1)


def as_array(boxes: Iterable[Box]) -> np.ndarray[Any, Any]:
    return np.array([[(interval.start, interval.stop) for interval in box] for box in boxes])


def settled(qtbot: QtBot, condition: Callable[[], Any]) -> None:
    qtbot.waitUntil(condition, timeout=3000)
