"""What the dock says of an image's pixels: their size, and whether the model knows things of this size."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_exactile.images.read.underlying import costs_of
from napari_exactile.models.card import ModelCard
from napari_exactile.widget.draw.planes import Plane, data_of
from napari_exactile.widget.form.glossary import sentence

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
    scale = card.scale_warning(plane.pixel_size).replace(" µm per px", "\u00a0µm\u00a0per\u00a0px")
    costs = map(sentence, costs_of(plane.source))
    warnings = scale, missing, *costs
    return "\n".join(filter(None, [plane.describe(everything), *warnings])), any(warnings)


def _has_missing(data: Any) -> bool:
    """Tell whether an array has NaN, where that is cheap to know."""
    cheap = isinstance(data, np.ndarray) and data.dtype.kind == "f" and 0 < data.size <= LOOKED_AT
    return cheap and bool(np.isnan(data.min()))
