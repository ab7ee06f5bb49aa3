"""What a run has left in the viewer once it is complete, for whatever is made of its labels."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer

from napari_exactile.images.making import Made, Making
from napari_exactile.images.view import View
from napari_exactile.widget.choose.output import folder_beside
from napari_exactile.widget.draw.layers import shown
from napari_exactile.widget.form.background import Going

if TYPE_CHECKING:
    from napari_exactile.widget.run.runner import ShownRun

PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What puts one layer onto another."""

"""Where the metadata of a layer say what made it."""


@dataclass(frozen=True, slots=True, eq=False)
class FinishedLayer:
    """The labels of a complete run, their classes, and which of these is background.

    `labels` may be painted on: they are the layer's own pixels, not a copy, also where a script has put
    others there. They are those of `index` in a stack of `shape`, or of all of it where the index is empty;
    `axes` names theirs. `shown` gives an array of `shape` the axes of the layer. `pixel_size` is in
    micrometres, None without physical units. Files made of them go to `folder`, if nobody says otherwise.
    """

    layer: Labels
    labels: Any
    index: tuple[int, ...]
    classes: tuple[str, ...]
    background: int | None
    axes: str
    shape: tuple[int, ...]
    channel_axis: int | None
    pixel_size: tuple[float, ...] | None
    shown: Callable[[Any], Any]
    folder: Path = field(default_factory=Path.home)

    def of_layer(self, data: Any) -> Any:
        """Return what lies under these labels in the pixels of another layer of the same shape."""
        if self.channel_axis is not None:
            data = data[(slice(None),) * self.channel_axis + (0,)]
        return data[self.index] if self.index else data

    def place(self, centroid: Sequence[float]) -> tuple[float, ...]:
        """Return where a place in these labels lies in the layer's array."""
        place = [*self.index, *centroid]
        if self.channel_axis is not None:
            place.insert(self.channel_axis, 0.0)
        return tuple(place)

    @property
    def placement(self) -> dict[str, Any]:
        """What a layer's constructor takes to lie on the labels."""
        return {name: getattr(self.layer, name) for name in PLACEMENT}


def finished_of(run: ShownRun | None, viewer: ViewerModel) -> FinishedLayer:
    """Return the labels of the last run; raise ValueError, in words, where there are none."""
    if run is None:
        raise ValueError("Run first: this is for the labels that a run gives.")
    if run.running:
        raise ValueError("This waits until the run has ended.")
    if run.series is None or not run.series.complete or run.layer is None:
        raise ValueError("The last run is incomplete: continue it first.")
    if not run.task.decision.one_label:
        raise ValueError("This is for labels of classes: this model gives values, or a label per channel.")
    if run.layer not in viewer.layers:
        raise ValueError("The labels of the last run have been deleted: run again.")
    return _finished(run, run.layer)


def _finished(run: ShownRun, layer: Layer) -> FinishedLayer:
    there, series = run.labels, run.series
    plane = there.plane
    assert series is not None
    labels = series.labels if there.path is not None else there.pixels
    assert isinstance(layer, Labels)
    assert labels is not None
    index = () if len(series.task.planes.sources) > 1 or not plane.index else plane.index
    parts = (*index, *(slice(None),) * (labels.ndim - len(index)))
    part = labels[parts] if isinstance(labels, np.ndarray) else View(labels, parts)
    axes = series.task.planes.axes[-(labels.ndim - len(index)) :]
    size = plane.pixel_size and series.task.analysis.grid.pixel_size(plane.pixel_size)
    return FinishedLayer(
        layer, part, index, there.classes.names, there.classes.background, axes,
        labels.shape, plane.channel_axis, size, partial(shown, plane), folder_beside(plane.layer),
    )  # fmt: skip


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


def followed(making: Generator[float, None, Made], words: str, going: Going) -> Made:
    """Return what is being made, in the worker's thread; `words` say what goes on."""
    work = Making(making)
    for fraction in work:
        going.tell(words, fraction)
        going()
    return work.made
