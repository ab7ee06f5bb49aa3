"""Places in the viewer's world, whose units can be others than a layer's.

napari shows layers of different units to scale, in the smallest of these or in units that the person has
chosen; a layer's own `world_to_data` and `data_to_world` do not know of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import ArrayLike, NDArray


def factors(viewer: ViewerModel, units: Sequence[Any]) -> tuple[float, ...]:
    """Return how many units of the viewer's world one of each of `units` is, along the last axes."""
    world = viewer.layers.units
    if world is None:  # units that cannot be compared are shown as if they were the same
        return (1.0,) * len(units)
    pairs = zip(units, world[-len(units) :], strict=True)
    return tuple(1.0 if unit == shown else float((1 * unit).to(shown).magnitude) for unit, shown in pairs)


def data_at(layer: Layer, viewer: ViewerModel, place: ArrayLike) -> NDArray[np.float64]:
    """Return where a place in the viewer's world is in a layer's data."""
    own = np.asarray(place)[-layer.ndim :] / factors(viewer, layer.units)
    return np.asarray(layer.world_to_data(own))


def world_at(layer: Layer, viewer: ViewerModel, place: ArrayLike) -> NDArray[np.float64]:
    """Return where a place in a layer's data is in the viewer's world."""
    return np.asarray(layer.data_to_world(place)) * factors(viewer, layer.units)
