"""The layers of one run: added, refreshed while it goes on, and named as what they are when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_exactile.widget.draw.class_colors import show_classes
from napari_exactile.widget.draw.classes import Classes
from napari_exactile.widget.draw.layers import (
    Written,
    add_probabilities,
    finish_layer,
    layer_data,
    placement,
    result_layers,
)
from napari_exactile.widget.draw.own_layer import MARK
from napari_exactile.widget.draw.stored_levels import folder_of
from napari_exactile.widget.model.class_memory import ClassMemory
from napari_exactile.widget.run.words import percent
from napari_exactile.widget.work.busy import busy

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.task.task import Task
    from napari_exactile.widget.draw.planes import Plane

# Where this stands in a layer's name, the run is not complete.
INCOMPLETE = " (incomplete, "


def remove_layers_over(viewer: ViewerModel, path: Path) -> None:
    """Remove the layers over a store that is about to be replaced: they would show parts of the next one."""
    for layer in list(viewer.layers):
        if isinstance(layer, Labels | Image) and path.resolve() in _folders(layer):
            viewer.layers.remove(layer)


def _folders(layer: Labels | Image) -> set[Path]:
    """Return the folders that the levels of a layer read from, and those in which they lie."""
    levels = list(layer.data) if layer.multiscale else [layer.data]
    files = filter(None, map(folder_of, levels))
    return {folder for file in files for folder in (file, *file.parents)}


def changes_of(layer: Labels | Image) -> list[Any]:
    """Return the events that tell of edits: strokes, and another array."""
    return [layer.events.data, *([layer.events.paint] if isinstance(layer, Labels) else [])]


def _mark_edited(event: Any) -> None:
    # A function of no run: layers outlive the runs that made them, and the dock.
    layer = event.source
    if MARK in layer.metadata:
        layer.metadata = {**layer.metadata, MARK: {**layer.metadata[MARK], "exact": False, "edited": True}}


class ResultLayers:
    """What shows the results of a task on the image of `plane`; none before `show`.

    A person may delete the layers at any time: `left` are those that are still there.
    """

    def __init__(self, viewer: ViewerModel, plane: Plane, task: Task, name: str, classes: Classes) -> None:
        self._viewer, self._plane, self.name, self.classes = viewer, plane, name, classes
        self._where = placement(plane, task.analysis.grid, task.labelled)
        self._leading = bool(task.decision.leading)
        self._written: Written | None = None
        self._locked = False
        self.all: list[Labels | Image] = []
        self._arrays: list[Any] = []

    @property
    def first(self) -> Labels | Image | None:
        """The layer that shows the result, or the first of several; None before there is one."""
        return self.all[0] if self.all else None

    @property
    def left(self) -> list[Labels | Image]:
        """The layers that nobody has deleted."""
        return [layer for layer in self.all if layer in self._viewer.layers]

    @property
    def arrays(self) -> list[tuple[Labels | Image, Any]]:
        """These layers, and what each showed when it was given the arrays of the run."""
        return [pair for pair in zip(self.all, self._arrays, strict=True) if pair[0] in self.left]

    def show(self, series: Series, written: Written) -> None:
        """Add the layers, locked; where they are there already, let them show these arrays."""
        if not self.all:
            with busy():
                self.all = result_layers(
                    self._viewer, series, written, self._plane, self._where, self.name, self.classes
                )
            for layer in self.all:
                layer.events.editable.connect(self._keep_locked)
                for emitter in changes_of(layer):
                    emitter.connect(_mark_edited)
        elif self._written is not None and written is not self._written:
            self._point_at(written)
        if written is not self._written:
            self._arrays = [layer.data for layer in self.all]
        self._written = written
        self.lock(True)

    def lock(self, locked: bool) -> None:
        """Let nobody paint on the layers, nor undo what was painted before; or let people paint again."""
        self._locked = locked
        for layer in self.left:
            layer.editable = not locked

    def _keep_locked(self, event: Any) -> None:
        # napari makes a layer editable again whenever its data or the number of displayed axes change.
        if self._locked:
            event.source.editable = False

    def _point_at(self, written: Written) -> None:
        alone = written.labels is not None and not self._leading
        for i, layer in enumerate(self.all):
            fixed = {} if alone else {written.channel: i}
            layer.data = layer_data(self._plane, written.main, fixed)["data"]

    def remove(self) -> None:
        """Remove the layers: what they show is gone."""
        for layer in self.left:
            self._viewer.layers.remove(layer)

    def refresh(self) -> None:
        """Show new pixels, and nothing else that costs time."""
        for layer in self.left:
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def finish(self, series: Series, on_disk: bool) -> None:
        """Name the layers as what they are, and let them be painted on, unless they lie on disk."""
        for layer in self.left:
            name = layer.name.split(INCOMPLETE)[0]
            layer.name = name if series.complete else f"{name}{INCOMPLETE}{percent(series)} %)"
            finish_layer(layer)
        self.lock(on_disk)
        self.mark(series)

    def mark(self, series: Series) -> None:
        """Let the layers' metadata say how the labels came about."""
        for layer in self.left:
            layer.metadata = {**layer.metadata, MARK: asdict(series.report())}

    def pixels(self, swapped: Sequence[Labels | Image]) -> Any:
        """Return what was written, or what a person has put into the one layer instead.

        Raises ValueError where that is not in its place.
        """
        assert self._written is not None
        if not swapped:
            return self._written.main[0]
        data, axis, main = swapped[0].data, self._plane.channel_axis, self._written.main[0]
        if axis is not None:
            data = data[(slice(None),) * axis + (0,)]
        if len(self.all) > 1 or data.shape != main.shape:
            raise ValueError(f"'{swapped[0].name}' shows other labels now: save it by File > Save")
        return data

    def add_probabilities(self) -> None:
        """Add the probabilities beside the labels, where they were kept."""
        written = self._written
        if written is not None and written.labels is not None and written.values is not None:
            with busy():
                add_probabilities(
                    self._viewer, written.values, written.channel, self._plane, self._where, self.name,
                    self.classes.names, self.classes.background,
                )  # fmt: skip

    def show_classes(self, memory: ClassMemory, task: Task) -> None:
        """Give the labels the names and colours in `memory`, also where they are saved later."""
        self.classes = memory.of(task.model.card, len(self.classes.names))
        for i, layer in enumerate(self.all):
            if isinstance(layer, Labels) and layer in self._viewer.layers:
                show_classes(layer, self.classes.of_channel(i) if self._leading else self.classes)
