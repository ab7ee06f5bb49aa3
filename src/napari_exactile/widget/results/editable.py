"""A copy of the labels in view to paint in: napari cannot paint those of several resolutions."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, slices, volume
from napari_exactile.widget.draw.in_view import box_in_view
from napari_exactile.widget.draw.layers import placed

LARGEST_COPY = 64_000_000
"""Pixels; so many can be painted and undone without waiting."""


def editable_copy(viewer: ViewerModel, layer: Labels) -> Labels:
    """Add a Labels layer with what is in view of `layer` in full resolution, which can be painted; return it.

    It lies where the original does, in the same colours; of a stack it is the plane in sight. The original is
    not changed by it. Raises ValueError, in words for the person, as `box_to_copy` does.

    It reads in the thread that calls it. To read in another, call `box_to_copy`, there `read_labels`, and
    then `layer_of`.
    """
    box = box_to_copy(viewer, layer)
    return viewer.add_layer(layer_of(layer, box, read_labels(layer, box)))


def box_to_copy(viewer: ViewerModel, layer: Labels) -> Box:
    """Return the pixels of full resolution in view, one interval for each axis of the layer.

    Raises ValueError where there are more than `LARGEST_COPY` or none, and in 3D.
    """
    box = box_in_view(layer, viewer)
    if volume(box) > LARGEST_COPY:
        raise ValueError(
            f"The view shows {volume(box) / 1e6:.0f} million pixels of '{layer.name}', and a copy can have "
            f"{LARGEST_COPY / 1e6:.0f} million: zoom in"
        )
    return box


def read_labels(layer: Labels, box: Box) -> NDArray[Any]:
    """Return the layer's labels in a box of full resolution as an array of their own; from any thread."""
    data = layer.data[0] if layer.multiscale else layer.data
    return np.array(data[slices(box)])


def layer_of(layer: Labels, box: Box, labels: NDArray[Any]) -> Labels:
    """Return a layer of these `labels` of a box of `layer` that lies and looks like the original there."""
    copy = Labels(
        labels, name=f"{layer.name} (copy)", features=layer.features, colormap=deepcopy(layer.colormap),
        opacity=layer.opacity, blending=layer.blending,
        **placed(layer, [side.start for side in box], np.ones(layer.ndim)),
    )  # fmt: skip
    copy.contour = layer.contour
    return copy
