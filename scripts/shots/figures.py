"""The picture of the gallery that a script makes: zones, exact labels, and what tiles alone get wrong."""

from __future__ import annotations

import io
import runpy
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import napari_exactile as ex
from shots.keeping import keep

EXAMPLES = Path(__file__).parents[2] / "examples"
GREEN, RED = (0.0, 0.62, 0.45, 0.45), "#D55E00"


def draw_script(path: Path) -> None:
    """Draw what examples/segment_array.py computes, beside the same zones without any context."""
    made = runpy.run_path(str(EXAMPLES / "segment_array.py"), run_name="example")
    image, result, model = made["image"], made["result"], made["model"]
    error = ex.tiling_error(image, model, radius=0, zone=result.report.zone[0])
    figure = Figure(figsize=(12, 4.3), layout="constrained")
    tiles = f"{result.report.tiles} zones of {result.report.zone[0]} px"
    for axes, title in zip(
        figure.subplots(1, 3),
        (
            tiles,
            f"exact: {made['differing']} pixels differ",
            f"without context: {error.misclassified} differ",
        ),
        strict=True,
    ):
        axes.imshow(image, cmap="gray", vmin=np.percentile(image, 0.5), vmax=np.percentile(image, 99.5))
        axes.set_title(title)
        axes.set_axis_off()
    first, second, third = figure.axes
    draw_grid(first, image.shape, result.report.zone)
    draw_grid(third, image.shape, result.report.zone)
    second.imshow(coloured(result.labels == 1, GREEN))
    y, x = np.nonzero(error.differing)
    third.scatter(x, y, s=6, color=RED, linewidths=0)  # larger than a pixel, or they would not be seen
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    keep(Image.open(buffer).convert("RGB").quantize(128, kmeans=1), path)


def draw_grid(axes: Axes, shape: tuple[int, ...], zone: tuple[int, ...]) -> None:
    """Draw the seams between zones."""
    for y in range(zone[0], shape[0], zone[0]):
        axes.axhline(y, color="#56B4E9", linewidth=0.8)
    for x in range(zone[1], shape[1], zone[1]):
        axes.axvline(x, color="#56B4E9", linewidth=0.8)


def coloured(mask: Any, colour: tuple[float, ...]) -> Any:
    """Return a picture that is transparent where the mask is not set."""
    return np.where(np.asarray(mask)[..., None], colour, 0.0)
