"""Classes in napari: the colours and names of a layer of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_exactile.models.card import CLASS_COLORS
from napari_exactile.widget.draw.classes import Classes

UNFINISHED_COLOR = (0.5, 0.5, 0.5, 0.45)


def class_colors(
    names: Sequence[str], background: int | None, given: Sequence[str] = ()
) -> DirectLabelColormap:
    """Return one colour per class, those `given` or ours, background transparent, and a grey veil for what
    is not done yet."""
    colors: dict[int | None, Any] = {None: "transparent", len(names): UNFINISHED_COLOR}
    shown = [index for index in range(len(names)) if index != background]
    colors |= {index: CLASS_COLORS[i % len(CLASS_COLORS)] for i, index in enumerate(shown)}
    colors |= dict(enumerate(given))
    if background is not None:
        colors[background] = "transparent"
    return DirectLabelColormap(color_dict=colors)


def show_classes(layer: Labels, classes: Classes) -> None:
    """Give a layer the names and colours of these classes."""
    layer.features = {"index": range(len(classes.names)), "class": list(classes.names)}
    layer.colormap = class_colors(*classes.values)
