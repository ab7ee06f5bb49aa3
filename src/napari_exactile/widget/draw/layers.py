"""From results to napari's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.transforms import Affine
from numpy.typing import ArrayLike, NDArray

from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box
from napari_exactile.images.view import View
from napari_exactile.widget.draw.class_colors import class_colors
from napari_exactile.widget.draw.own_layer import RESULT, selection_kept
from napari_exactile.widget.draw.planes import Plane, data_of
from napari_exactile.widget.draw.stored_levels import Repeated, StoredLevels

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.widget.draw.classes import Classes

# Arrays of one thing at all scales, the finest first; those in memory have one.
Levels = Sequence[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What a run writes: labels, and probabilities or values; `channel` is the axis of the channels."""

    labels: Levels | None
    values: Levels | None
    channel: int = 0

    @classmethod
    def in_memory(cls, series: Series) -> Written:
        """Return the arrays of a series that is kept in memory."""
        labels, values = series.labels, series.probabilities
        return cls(None if labels is None else (labels,), None if values is None else (values,))

    @classmethod
    def on_disk(cls, images: Mapping[str, StoredLevels]) -> Written:
        """Return the levels of a store's images, by their names there."""
        labels, values = images.get("labels"), images.get("values") or images.get("probabilities")
        channels = [one.channel for one in images.values() if one.channel is not None]
        levels = [None if one is None else one.arrays for one in (labels, values)]
        return cls(levels[0], levels[1], channels[0] if channels else 0)

    @property
    def main(self) -> Levels:
        """The labels, or the values where there are none."""
        found = self.values if self.labels is None else self.labels
        assert found is not None
        return found


def shown(plane: Plane, array: Any, fixed: Mapping[int, int] | None = None) -> Any:
    """Return (*stack, *spatial) with the axes of the layer, without a copy.

    `fixed` says which other axes the array has, and at which place of theirs this is.
    Along the channels it is the same everywhere: an array with fewer axes than the image would lie under its
    last ones.
    """
    axis = plane.channel_axis
    repeated = None if axis is None else (axis, data_of(plane.layer).shape[axis])
    parts = tuple((fixed or {}).get(axis, slice(None)) for axis in range(len(array.shape)))
    if isinstance(array, np.ndarray):
        return array[parts] if repeated is None else _repeated(array[parts], *repeated)
    return View(array, parts) if repeated is None else Repeated(View(array, parts), *repeated)


def _repeated(array: NDArray[Any], axis: int, length: int) -> NDArray[Any]:
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


def prepare_colors(count: int) -> None:
    """Let napari compile and import what it shows `count` classes with; call it in a worker's thread.

    The first time in a program that takes two seconds, in which a window would not answer.
    """
    import_module("pandas")  # features of layers are tables

    classes = [str(label) for label in range(count)]
    class_colors(classes, 0).map(np.zeros((1, 1), np.min_scalar_type(count)))


def layer_data(plane: Plane, levels: Levels, fixed: Mapping[int, int] | None = None) -> dict[str, Any]:
    """Return what a layer's constructor takes to show all levels, level 0 first; see `shown`."""
    data = [shown(plane, level, fixed) for level in levels]
    return {"data": data, "multiscale": True} if len(data) > 1 else {"data": data[0]}


def add_labels(
    viewer: ViewerModel, data: Mapping[str, Any], where: Mapping[str, Any], name: str, names: Sequence[str],
    background: int | None, colors: Sequence[str] = (),
) -> Labels:  # fmt: skip
    """Add a locked Labels layer over `data`, placed `where`, without stealing the selection."""
    layer = Labels(
        **data, name=name, features={"index": range(len(names)), "class": list(names)}, opacity=0.5,
        colormap=class_colors(names, background, colors), **where,
    )  # fmt: skip
    layer.editable = False
    with selection_kept(viewer):
        viewer.add_layer(layer)
    return layer


def add_probabilities(
    viewer: ViewerModel, values: Levels, channel: int, plane: Plane, where: Mapping[str, Any], name: str,
    names: Sequence[str], background: int | None,
) -> None:  # fmt: skip
    """Add one hidden Image layer per class with its probability; the background's says nothing new.

    The axis `channel` of the values is that of the classes.
    """
    count = values[0].shape[channel]
    for i in range(count):
        if i != background or count == 1:
            # Of one channel, the probability is that of yes, the last name.
            title = f"{name}: probability of {names[-1 if count == 1 else i]}"
            data = layer_data(plane, values, {channel: i})
            add_values(viewer, data, where, title, visible=False)


def result_layers(
    viewer: ViewerModel, series: Series, written: Written, plane: Plane, where: Mapping[str, Any], name: str,
    classes: Classes,
) -> list[Labels | Image]:  # fmt: skip
    """Add the layers that show what a run writes: labels, labels of each channel by itself, or values."""
    if written.labels is None:
        names, count = series.task.model.card.classes, series.task.decision.channels
        titles = names if len(names) == count else [f"output {i}" for i in range(count)]
        values = [layer_data(plane, written.main, {written.channel: i}) for i in range(count)]
        pairs = zip(values, titles, strict=True)
        return [add_values(viewer, data, where, f"{name}: {title}") for data, title in pairs]
    if not series.task.decision.leading:
        return [add_labels(viewer, layer_data(plane, written.labels), where, name, *classes.values)]
    layers: list[Labels | Image] = []
    for i, channel in enumerate(classes.names):
        data = layer_data(plane, written.labels, {written.channel: i})
        shades = classes.of_channel(i).values
        layers.append(add_labels(viewer, data, where, f"{name}: {channel}", *shades))
    return layers


def add_values(
    viewer: ViewerModel, data: Mapping[str, Any], where: Mapping[str, Any], name: str, visible: bool = True
) -> Image:
    """Add an Image layer of one output channel, without stealing the selection."""
    layer = Image(
        **data, name=name, contrast_limits=(0, 1), visible=visible, metadata={RESULT: True}, **where
    )
    with selection_kept(viewer):
        viewer.add_layer(layer)
    return layer


def finish_layer(layer: Labels | Image) -> None:
    """Show a layer as it is when a run has ended; values are shown over the range that they have."""
    if isinstance(layer, Image):
        coarsest = layer.data[-1] if layer.multiscale else layer.data
        sample = coarsest[tuple(slice(None, None, max(1, length // 256)) for length in coarsest.shape)]
        sample = sample[np.isfinite(sample)]
        if sample.size and sample.min() < sample.max():
            layer.contrast_limits = float(sample.min()), float(sample.max())
    layer.refresh()
