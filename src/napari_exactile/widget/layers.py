"""From napari's layers to image sources, and from results to layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.source import ArraySource, check_channels
from napari_exactile.widget.own_layer import selection_kept

# Okabe and Ito's colours that the overlay does not use; background is transparent.
CLASS_COLORS = ("#009E73", "#CC79A7", "#56B4E9", "#999999", "#E5C494", "#8DA0CB")
UNFINISHED_COLOR = (0.5, 0.5, 0.5, 0.45)


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The plane of an Image layer that is segmented: its source, and where it lies in a stack."""

    layer: Image
    source: ArraySource
    index: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (y, x) in pixels of the full resolution."""
        return self.source.shape

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """Size of a pixel (y, x) in micrometres; None where the layer has no physical units."""
        sizes = [scale * unit for scale, unit in zip(self.layer.scale, self.layer.units, strict=True)][-2:]
        if not all(size.check("[length]") for size in sizes):
            return None
        return tuple(float(size.to("micrometer").magnitude) for size in sizes)

    def describe(self) -> str:
        """Return shape, type and pixel size in one line."""
        facts = [" x ".join(map(str, self.shape)), str(self.source.array.dtype)]
        if self.pixel_size is not None:
            facts.append(f"{self.pixel_size[-1]:.3g}\u00a0µm\u00a0per\u00a0px")
        if self.index:
            facts.append(f"plane {', '.join(map(str, self.index))}")
        return " - ".join(facts)

    @property
    def identity(self) -> tuple[Any, ...]:
        """Return what must stay the same for a run to be continued."""
        return id(self.layer), id(self.layer.data), self.index


def plane_of(layer: Image, viewer: ViewerModel, channels: int) -> Plane:
    """Return the plane of `layer` that the viewer shows, for a model that takes `channels`.

    Raises ValueError, in words for the person, where the layer holds nothing that the model can take.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    _check_view(layer, viewer)
    index = _shown_index(layer, viewer, data.shape)
    if layer.rgb and channels == 1:
        raise ValueError(
            f"'{layer.name}' is a colour image, but this model takes 1 channel. "
            "Right-click the layer and choose Split RGB, then pick one of its channels"
        )
    keep = 3 if layer.rgb and channels == 3 else None
    source = ArraySource(data, -1 if layer.rgb else None, index, keep, layer.name)
    check_channels(source.channels, channels, layer.name)
    return Plane(layer, source, index)


def _check_view(layer: Image, viewer: ViewerModel) -> None:
    if layer.ndim < 2:
        raise ValueError(f"'{layer.name}' has one axis: only images with y and x can be segmented")
    if layer.ndim == 2:
        return
    dims = viewer.dims
    if dims.ndisplay == 3:
        raise ValueError("A 3D view shows no single plane: switch to 2D to choose the plane to segment")
    if set(dims.displayed) != {dims.ndim - 2, dims.ndim - 1}:
        raise ValueError(
            "The view shows other axes than the last two, y and x: roll the axes back to segment the plane"
        )


def _shown_index(layer: Image, viewer: ViewerModel, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the index of the plane in sight on the layer's leading axes."""
    leading = layer.ndim - 2
    place = layer.world_to_data(viewer.dims.point)[:leading]
    return tuple(int(np.clip(round(float(p)), 0, n - 1)) for p, n in zip(place, shape, strict=False))


def region_in_view(plane: Plane, viewer: ViewerModel) -> Box:
    """Return the part of the plane that is in sight; raise ValueError where none is."""
    if viewer.dims.ndisplay == 3:
        raise ValueError(
            "The current view can be segmented in 2D only: switch to 2D, or segment the whole image"
        )
    layer = plane.layer
    corners = np.asarray(layer.corner_pixels, float)[:, -2:]
    if layer.multiscale:
        corners *= np.asarray(layer.downsample_factors[layer.data_level])[-2:]
    low, high = np.floor(corners[0]).astype(int), np.ceil(corners[1]).astype(int) + 1
    centre = layer.world_to_data((*viewer.dims.point[:-2], *viewer.scene.camera.center[-2:]))[-2:]
    box = []
    for first, last, middle, length in zip(low, high, centre, plane.shape, strict=True):
        start, stop = max(0, int(first)), min(int(last), length)
        # Beside the image, napari tells one pixel of its edge.
        beside = stop - start <= 1 and not -0.5 <= middle < length - 0.5
        if start >= stop or beside:
            raise ValueError("The image is not in sight: move it into view, or segment the whole image")
        box.append(Interval(start, stop))
    return tuple(box)


def make_array(plane: Plane, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array for a plane's labels of this shape, with the stack's leading axes; nothing is written
    yet."""
    return np.zeros((*_leading(plane), *shape), dtype)


def _leading(plane: Plane) -> tuple[int, ...]:
    return tuple(plane.source.array.shape[: len(plane.index)])


def placement(plane: Plane, grid: OutputGrid, box: Box) -> dict[str, Any]:
    """Return scale, translation and the rest that puts an array of the output's `box` onto the image."""
    image, stack = plane.layer, [0.0] * len(plane.index)
    start = np.array([*stack, *grid.centre([span.start for span in box])])
    fields = {name: getattr(image, name) for name in ("rotate", "shear", "units", "axis_labels")}
    linear = Affine(scale=image.scale, rotate=image.rotate, shear=image.shear).linear_matrix
    scale = np.asarray(image.scale) * [*np.ones_like(stack), *map(float, grid.stride)]
    translate = np.asarray(image.translate) + linear @ start
    return {**fields, "scale": scale, "translate": translate, "affine": image.affine}


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
    shown = [i for i in range(len(values)) if i != background or len(values) == 1]
    for i in shown:
        stack = make_array(plane, values.shape[1:], values.dtype)
        stack[plane.index] = values[i]
        label = names[min(i, len(names) - 1)]
        title = f"{name}: probability of {label}"
        with selection_kept(viewer):
            viewer.add_image(stack, name=title, contrast_limits=(0, 1), visible=False, **where)
