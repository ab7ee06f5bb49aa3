"""What the dock says of an image's pixels: their size, and whether the model knows things of this size."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_exactile.images.underlying import costs_of
from napari_exactile.models.card import ModelCard
from napari_exactile.widget.planes import Plane, data_of

# Networks are commonly trained on images enlarged and shrunk by about so much.
TOLERATED = 0.25


# Of larger images, and of those that are not in memory, a look at all pixels would be felt.
LOOKED_AT = 2**22
MISSING = (
    "It has NaN pixels, at which a run would stop: type nan under Advanced, Ignore, to leave them out and "
    "label them background"
)


def described(plane: Plane, card: ModelCard, everything: bool, leaves_out: bool = False) -> tuple[str, bool]:
    """Return a plane in words, and whether they are a warning.

    That is where the model was trained at another scale, where pixels are NaN, unless a run `leaves_out`
    these, and where reading them takes longer than it has to.
    """
    missing = "" if leaves_out or not _has_missing(data_of(plane.layer)) else f"{MISSING}."
    costs = (f"{words}." for words in costs_of(plane.source))
    warnings = scale_warning(card.pixel_size, plane.pixel_size), missing, *costs
    return "\n".join(filter(None, [plane.describe(everything), *warnings])), any(warnings)


def _has_missing(data: Any) -> bool:
    """Tell whether an array has NaN, where that is cheap to know."""
    cheap = isinstance(data, np.ndarray) and data.dtype.kind == "f" and 0 < data.size <= LOOKED_AT
    return cheap and bool(np.isnan(data.min()))


def scale_warning(trained: float | None, sizes: tuple[float, ...] | None) -> str:
    """Return what is wrong with pixels of these sizes, in micrometres; "" where nothing is, or none is known.

    >>> scale_warning(0.65, (1.3, 1.3)).split("; ")[1]
    'this image has 1.3: results may suffer. Rescale the image.'
    >>> scale_warning(0.65, (0.7, 0.7)), scale_warning(None, (1.3, 1.3)), scale_warning(0.65, None)
    ('', '', '')
    """
    if not trained or not sizes or not all(sizes):
        return ""
    other = max(sizes, key=lambda size: abs(size - trained))
    if abs(other - trained) <= TOLERATED * trained:
        return ""
    return (
        f"The model was trained at {trained:.3g}\u00a0µm\u00a0per\u00a0px; this image has {other:.3g}: "
        "results may suffer. Rescale the image."
    )
