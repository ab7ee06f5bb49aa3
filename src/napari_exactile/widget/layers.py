"""From results to napari's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.transforms import Affine
from numpy.typing import ArrayLike, NDArray

from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box
from napari_exactile.models.card import CLASS_COLORS
from napari_exactile.widget.own_layer import selection_kept
from napari_exactile.widget.planes import Plane, data_of

if TYPE_CHECKING:
    from napari_exactile.run.series import Series
    from napari_exactile.widget.classes import Classes

UNFINISHED_COLOR = (0.5, 0.5, 0.5, 0.45)


def shown(plane: Plane, array: NDArray[Any]) -> NDArray[Any]:
    """Return (*stack, *spatial) with the axes of the layer, without a copy.

    Along the channels it is the same everywhere: an array with fewer axes than the image would lie under its
    last ones.
    """
    if plane.channel_axis is None:
        return array
    axis, length = plane.channel_axis, data_of(plane.layer).shape[plane.channel_axis]
    shape, strides = list(array.shape), list(array.strides)
    shape.insert(axis, length)
    strides.insert(axis, 0)
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def placement(plane: Plane, grid: OutputGrid, box: Box) -> dict[str, Any]:
    """Return scale, translation and the rest that puts an array of the output's `box` onto the image."""
    image = plane.layer
    start, stride = np.zeros(image.ndim), np.ones(image.ndim)
    start[list(plane.spatial)] = grid.centre([span.start for span in box])
    stride[list(plane.spatial)] = [float(step) for step in grid.stride]
    return placed(image, start, stride)


def placed(layer: Layer, start: ArrayLike, stride: ArrayLike) -> dict[str, Any]:
    """Return scale, translation and the rest of an array that begins at pixel `start` of a layer.

    Both have one number for each axis of the layer; `stride` is how many of its pixels one element covers.
    """
    fields = {name: getattr(layer, name) for name in ("rotate", "shear", "units", "axis_labels")}
    linear = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear).linear_matrix
    translate = np.asarray(layer.translate) + linear @ np.asarray(start)
    scale = np.asarray(layer.scale) * np.asarray(stride)
    return {**fields, "scale": scale, "translate": translate, "affine": layer.affine}


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


def add_labels(
    viewer: ViewerModel, array: NDArray[Any], where: Mapping[str, Any], name: str, names: Sequence[str],
    background: int | None, colors: Sequence[str] = (),
) -> Labels:  # fmt: skip
    """Add a locked Labels layer over `array`, placed `where`, without stealing the selection."""
    layer = Labels(
        array, name=name, features={"index": range(len(names)), "class": list(names)}, opacity=0.5,
        colormap=class_colors(names, background, colors), **where,
    )  # fmt: skip
    layer.editable = False
    with selection_kept(viewer):
        viewer.add_layer(layer)
    return layer


def add_probabilities(
    viewer: ViewerModel, values: NDArray[Any], plane: Plane, where: Mapping[str, Any], name: str,
    names: Sequence[str], background: int | None,
) -> None:  # fmt: skip
    """Add one hidden Image layer per class with its probability; the background's says nothing new."""
    for i in range(len(values)):
        if i != background or len(values) == 1:
            # Of one channel, the probability is that of yes, the last name.
            title = f"{name}: probability of {names[-1 if len(values) == 1 else i]}"
            with selection_kept(viewer):
                viewer.add_image(
                    shown(plane, values[i]), name=title, contrast_limits=(0, 1), visible=False, **where
                )


def result_layers(
    viewer: ViewerModel, series: Series, plane: Plane, where: Mapping[str, Any], name: str, classes: Classes
) -> list[Labels | Image]:
    """Add the layers that show what a run writes: labels, labels of each channel by itself, or values."""
    card, decision = series.model.card, series.job.decision
    if series.labels is None:
        assert series.probabilities is not None
        return add_values(viewer, series.probabilities, plane, where, name, card.classes)
    if not decision.leading:
        return [add_labels(viewer, shown(plane, series.labels), where, name, *classes.values)]
    layers: list[Labels | Image] = []
    for i, (channel, labels) in enumerate(zip(classes.names, series.labels, strict=True)):
        values = classes.of_channel(i).values
        layers.append(add_labels(viewer, shown(plane, labels), where, f"{name}: {channel}", *values))
    return layers


def add_values(
    viewer: ViewerModel, values: NDArray[Any], plane: Plane, where: Mapping[str, Any], name: str,
    names: Sequence[str],
) -> list[Labels | Image]:  # fmt: skip
    """Add one Image layer per output channel of a network that gives values."""
    layers: list[Labels | Image] = []
    for i, channel in enumerate(values):
        title = f"{name}: {names[i]}" if len(names) == len(values) else f"{name}: output {i}"
        with selection_kept(viewer):
            layers.append(
                viewer.add_image(shown(plane, channel), name=title, contrast_limits=(0, 1), **where)
            )
    return layers


def finish_layer(layer: Labels | Image) -> None:
    """Show a layer as it is when a run has ended; values are shown over the range that they have."""
    if isinstance(layer, Image):
        step = tuple(slice(None, None, max(1, length // 256)) for length in layer.data.shape)
        sample = layer.data[step]
        sample = sample[np.isfinite(sample)]
        if sample.size and sample.min() < sample.max():
            layer.contrast_limits = float(sample.min()), float(sample.max())
    layer.refresh()
