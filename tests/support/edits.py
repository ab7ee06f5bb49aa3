"""Ways in which people and scripts edit labels, and what the dock says of such labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels

EDITED = "edited by hand since"


def said(dock: Any) -> str:
    """All that the report says."""
    return dock.result.dialog.facts.toPlainText().replace("\u200b", "").replace("\u00a0", " ")


def paint(layer: Labels) -> None:
    layer.brush_size = 9
    layer.paint((*(0,) * (layer.ndim - 2), 20, 30), 2)


def fill(layer: Labels) -> None:
    layer.fill((*(0,) * (layer.ndim - 2), 20, 30), 2 if layer.data[..., 20, 30].max() != 2 else 1)


def erase(layer: Labels) -> None:
    layer.brush_size = 60
    layer.paint((60, 60), 0)


def polygon(layer: Labels) -> None:
    layer.paint_polygon([(10, 10), (10, 60), (60, 60)], 1)


def set_item(layer: Labels) -> None:
    layer.data_setitem((np.array([3, 4]), np.array([5, 6])), 1 + (layer.data[3, 5] == 1))


def by_script(layer: Labels) -> None:
    layer.data[10:40, 10:40] = 1
    layer.refresh()


def other_array(layer: Labels) -> None:
    layer.data = np.where(layer.data == 1, 2, layer.data)
