"""What a run has left in the viewer once it is complete, for whatever is made of its labels."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_exactile.widget.background import IsSuperseded

if TYPE_CHECKING:
    from napari_exactile.widget.runner import Run

PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What puts one layer onto another."""

MARK = "exactile"
"""Where the metadata of a layer say what made it."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """The labels of a complete run: `layer.data[index]`, their classes, and which of these is background.

    `labels` may be painted on: they are the layer's own pixels, not a copy.
    """

    layer: Labels
    labels: Any
    index: tuple[int, ...]
    classes: tuple[str, ...]
    background: int | None

    @property
    def axes(self) -> str:
        """Names of the labels' axes."""
        return "zyx"[-self.labels.ndim :]

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """Size of a label in micrometres along each of its axes; None without physical units."""
        sizes = [scale * unit for scale, unit in zip(self.layer.scale, self.layer.units, strict=True)]
        sizes = sizes[-self.labels.ndim :]
        if not all(size.check("[length]") for size in sizes):
            return None
        return tuple(float(size.to("micrometer").magnitude) for size in sizes)

    @property
    def placement(self) -> dict[str, Any]:
        """What a layer's constructor takes to lie on the labels."""
        return {name: getattr(self.layer, name) for name in PLACEMENT}


def finished_of(run: Run | None, viewer: ViewerModel) -> Finished:
    """Return the labels of the last run; raise ValueError, in words, where there are none."""
    if run is None:
        raise ValueError("Run first: this is for the labels that a run gives.")
    if run.running:
        raise ValueError("This waits until the run has ended.")
    if not run.job.complete or run.layer is None:
        raise ValueError("The last run is incomplete: continue it first.")
    if run.layer not in viewer.layers:
        raise ValueError("The labels of the last run have been deleted: run again.")
    return Finished(run.layer, run.job.labels, run.index, run.class_names, run.model.card.background)


def apart(layer: Labels, other: Labels) -> str:
    """Return in what two layers of the same shape do not lie on each other; nothing where they do."""
    for name, words in (("scale", "another pixel size"), ("translate", "another place")):
        if not _alike(getattr(layer, name), getattr(other, name)):
            return words
    pairs = ((layer.rotate, other.rotate), (layer.shear, other.shear))
    matrices = layer.affine.affine_matrix, other.affine.affine_matrix
    return "" if all(_alike(*pair) for pair in (*pairs, matrices)) else "another orientation"


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    return bool(np.allclose(one, other, rtol=1e-6, atol=1e-9))


def followed(making: Generator[float, None, Any], is_superseded: IsSuperseded) -> Iterator[Any]:
    """Yield the fractions of what is being made, then the thing itself, unless something else is asked."""
    while not is_superseded():
        try:
            yield next(making)
        except StopIteration as end:
            yield end.value
            return
