"""Places in the viewer's world, whose units can be others than a layer's.

napari shows layers of different units to scale, in the smallest of these or in units that the person has
chosen; a layer's own `world_to_data` and `data_to_world` do not know of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import ArrayLike, NDArray


def factors(viewer: ViewerModel, units: Sequence[Any]) -> tuple[float, ...]:
    """Return how many units of the viewer's world one of each of `units` is, along the last axes.

    Units that cannot be compared, or that the world has no axis for, count as the same, as napari shows them.
    """
    world = viewer.layers.units or ()
    pairs = list(zip_longest(units[::-1], world[-len(units) :][::-1]))
    return tuple(_factor(unit, shown) for unit, shown in pairs[::-1])


def _factor(unit: Any, shown: Any) -> float:
    if shown is None or unit == shown or unit.dimensionality != shown.dimensionality:
        return 1.0
    return float((1 * unit).to(shown).magnitude)


def data_at(layer: Layer, viewer: ViewerModel, place: ArrayLike) -> NDArray[np.float64]:
    """Return where a place in the viewer's world is in a layer's data."""
    own = np.asarray(place)[-layer.ndim :] / factors(viewer, layer.units)
    return np.asarray(layer.world_to_data(own))


def world_at(layer: Layer, viewer: ViewerModel, place: ArrayLike) -> NDArray[np.float64]:
    """Return where a place in a layer's data is in the viewer's world."""
    return np.asarray(layer.data_to_world(place)) * factors(viewer, layer.units)
