"""Sample data: synthetic phase-contrast images of colonies, with their true labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_exactile.images.colonies import CLASS_NAMES, PIXEL_SIZE_UM, draw_colonies
from napari_exactile.widget.draw.class_colors import class_colors

LayerData = tuple[Any, dict[str, Any], str]

# Not one of the seeds that the bundled model was trained on.
SEED = 2021


def colonies_512() -> list[LayerData]:
    """Return an image of 512 x 512 pixels and its labels."""
    return colonies(512)


def colonies_2048() -> list[LayerData]:
    """Return an image of 2048 x 2048 pixels and its labels."""
    return colonies(2048)


def colonies_8192() -> list[LayerData]:
    """Return an image of 8192 x 8192 pixels and its labels: one of 2048, mirrored at its edges."""
    return colonies(8192, drawn=2048)


def colonies(size: int, drawn: int | None = None) -> list[LayerData]:
    """Return a square image and its labels, hidden, as napari's sample data.

    Drawing takes a second for a million pixels. So of a large one, a part of `drawn` pixels a side is drawn
    and mirrored, which leaves no seams.
    """
    side = drawn or size
    image, truth = (_mirrored(plane, size) for plane in draw_colonies((side, side), seed=SEED))
    place = {"scale": (PIXEL_SIZE_UM,) * 2, "units": ("um",) * 2, "axis_labels": ("y", "x")}
    shown = {"name": f"colonies {size}", "colormap": "gray", **place}
    labels = {
        "name": f"colonies {size} - true labels",
        "features": {"index": range(len(CLASS_NAMES)), "class": list(CLASS_NAMES)},
        "colormap": class_colors(CLASS_NAMES, background=0),
        "opacity": 0.5,
        "visible": False,
        **place,
    }
    return [(image, shown, "image"), (truth, labels, "labels")]


def _mirrored(plane: Any, size: int) -> Any:
    return plane if len(plane) == size else np.pad(plane, (0, size - len(plane)), mode="symmetric")
