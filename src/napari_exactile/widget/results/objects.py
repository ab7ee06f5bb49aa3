"""The section of the dock that finds the objects of a complete result and measures them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from magicgui.widgets import ComboBox, PushButton
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QWidget

from napari_exactile.images.objects.objects import spatial
from napari_exactile.widget.draw.own_layer import MARK, selection_kept
from napari_exactile.widget.form.background import Going
from napari_exactile.widget.form.form import Form, Note, beside
from napari_exactile.widget.form.world import world_at
from napari_exactile.widget.results.finished import FinishedLayer, followed
from napari_exactile.widget.results.objects_dialog import ObjectsDialog
from napari_exactile.widget.results.smallest import SmallestObject
from napari_exactile.widget.work.busy import busy
from napari_exactile.widget.work.long_work import LongWork, WorkButtons

if TYPE_CHECKING:
    from napari_exactile.images.objects.objects import Objects

FIND, STOP, FINDING = "Find objects", "Stop", "Finding objects"
OUTDATED = "The labels were edited since: find their objects again."
EDGES, CORNERS = "Edges", "Edges or corners"


class ObjectsFields:
    """What counts as one object, and what was found."""

    def __init__(self) -> None:
        self.connected = ComboBox(
            choices=[EDGES, CORNERS], tooltip="What pixels of one object have in common with the next"
        )
        self.smallest = SmallestObject()
        self.least = self.smallest.size
        self.find = PushButton(text=FIND, tooltip="Add a layer in which every object has a number of its own")
        self.finding = WorkButtons()
        self.table = PushButton(text="Table...", tooltip="Show the size and place of each object; save them")
        self.words = Note()
        self.form = Form()
        self.form.row("Joined by", self.connected)
        self.form.row("At least", self.smallest.row, self.smallest.note)
        self.form.wide(beside(self.find, *self.finding.all), self.words, self.table)


class ObjectsSection:
    """Finds objects in the background and shows them in a layer over the labels.

    All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel, fields: ObjectsFields, parent: QWidget) -> None:
        self._viewer, self.fields = viewer, fields
        self.dialog = ObjectsDialog(parent, self.select)
        self.layer: Labels | None = None
        self.objects: Objects | None = None
        self._finished: FinishedLayer | None = None
        self.work = LongWork(FINDING, self._say, fields.finding)
        fields.form.destroyed.connect(self.work.forget)
        fields.find.changed.connect(self._on_button)
        fields.table.changed.connect(lambda _clicked: self._open_table())
        self._say("")

    def choose(self, finished: FinishedLayer | None, reason: str) -> None:
        """Offer to find the objects of these labels; None: there is a `reason` why not."""
        if finished is None or finished is not self._finished:
            self._stop()
            self._finished, self.layer, self.objects = finished, None, None
            self.dialog.close()
            self._say(reason)
        elif self.layer is not None and self.layer not in self._viewer.layers:
            self.layer, self.objects = None, None
            self.dialog.close()
            self._say("")
        self.fields.find.enabled = finished is not None
        self.fields.smallest.offer(None if finished is None else finished.pixel_size)

    def outdate(self, finished: FinishedLayer) -> None:
        """Take labels that were edited, and say so of objects that were found, or are being found, before."""
        self._finished = finished
        if self.objects is not None or self.finding:
            self._stop()
            self._say(OUTDATED, warning=True)

    def find(self) -> None:
        """Find the objects of the last result; those found before are replaced."""
        if self._finished is None or self.finding:
            return
        finished, fields = self._finished, self.fields
        connectivity = 1 if fields.connected.value == EDGES else len(spatial(finished.axes))
        options = {"connectivity": connectivity, "min_size": fields.smallest.pixels}
        fields.find.text = STOP
        self.work.begin(
            lambda going: _steps(finished, options, going), lambda found: self._on_found(finished, *found),
            self._on_error,
        )  # fmt: skip

    @property
    def finding(self) -> bool:
        """Whether objects are being found."""
        return bool(self.fields.find.text == STOP)

    def select(self, number: int) -> None:
        """Pick the object in its layer and move it into the middle of the view."""
        layer, objects, finished = self.layer, self.objects, self._finished
        if layer is None or objects is None or finished is None or layer not in self._viewer.layers:
            return
        self._viewer.layers.selection.active = layer
        layer.selected_label = number
        self._look_at(layer, world_at(layer, self._viewer, finished.place(objects.centroids[number - 1])))

    def leave(self) -> None:
        """Stop: the dock is going away; the layer stays."""
        self.work.stop()
        self.dialog.close()

    def _look_at(self, layer: Labels, place: Any) -> None:
        dims = self._viewer.dims
        whole = (*dims.point[: dims.ndim - layer.ndim], *place)
        for axis in dims.not_displayed:
            dims.set_point(axis, whole[axis])
        shown = [whole[axis] for axis in dims.displayed]
        camera = self._viewer.scene.camera
        camera.center = (*camera.center[: 3 - len(shown)], *shown)

    def _on_button(self, _clicked: Any) -> None:
        if self.finding:
            self._stop()
            self._say("Stopped: no objects were added.")
        else:
            self.find()

    def _stop(self) -> None:
        self.work.stop()
        self.fields.find.text = FIND

    def _on_found(self, finished: FinishedLayer, pixels: Any, objects: Objects) -> None:
        self._stop()
        self.objects = objects
        layer = self._show(finished, pixels, self.objects)
        self.dialog.show_objects(self.objects, layer.name, finished.folder)
        self._say("\n".join(self.objects.summary()) or "There are no objects.")

    def _on_error(self, error: Exception) -> None:
        self.fields.find.text = FIND
        self._say(f"No objects: {error or type(error).__name__}", warning=True)

    def _show(self, finished: FinishedLayer, pixels: Any, objects: Objects) -> Labels:
        """Put the numbers into the layer over the labels, which is made where there is none; return it."""
        table = objects.table()
        features = {"index": table.pop("id"), **table}
        layer, below = self.layer, finished.layer
        if layer is not None and layer in self._viewer.layers:
            layer.data, layer.features = pixels, features
            return layer
        self.layer = layer = Labels(
            pixels, name=f"{below.name}: objects", features=features,
            metadata={MARK: {"objects": below.name}}, **finished.placement,
        )  # fmt: skip
        with busy(), selection_kept(self._viewer):
            self._viewer.layers.insert(self._viewer.layers.index(below) + 1, layer)
        return layer

    def _say(self, words: str, warning: bool = False) -> None:
        self.fields.words.say(words, warning)
        self.fields.table.enabled = self.objects is not None and not self.finding

    def _open_table(self) -> None:
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()


def _steps(finished: FinishedLayer, options: dict[str, Any], going: Going) -> Iterator[tuple[Any, Objects]]:
    """Run in the worker's thread: yield the layer's pixels and the objects."""
    from napari_exactile.images.objects.components import label_objects

    pixels = _numbers(finished.shape)
    finding = label_objects(
        finished.labels, finished.background, axes=finished.axes, out=pixels[finished.index], **options
    )
    found = followed(finding, FINDING, going)
    yield finished.shown(pixels), replace(found, classes=finished.classes, pixel_size=finished.pixel_size)


def _numbers(shape: tuple[int, ...]) -> Any:
    """Return an array for the numbers; raise MemoryError where writing to it would exhaust the memory."""
    needed, free = 4 * prod(shape), psutil.virtual_memory().available
    if needed > free:
        raise MemoryError(
            f"their numbers need {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free. "
            "From a script, find_objects can write them to a file"
        )
    return np.zeros(shape, np.uint32)
