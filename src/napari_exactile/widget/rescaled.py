"""What the dock says of an image's pixels: their size, and whether the model knows things of this size."""

from __future__ import annotations

from napari_exactile.models.card import ModelCard
from napari_exactile.widget.planes import Plane

# Networks are commonly trained on images enlarged and shrunk by about so much.
TOLERATED = 0.25


def described(plane: Plane, card: ModelCard, everything: bool) -> tuple[str, bool]:
    """Return a plane in words, and whether they are a warning that the model was trained at another scale."""
    warning = scale_warning(card.pixel_size, plane.pixel_size)
    return "\n".join(filter(None, [plane.describe(everything), warning])), bool(warning)


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
