"""Where the labels of a run go: into memory, or into a store on disk that a person or we have chosen."""

from __future__ import annotations

import os
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_exactile.geometry.interval import box_shape
from napari_exactile.images.about.opened import file_of
from napari_exactile.images.about.zarr_folders import outermost_zarr
from napari_exactile.widget.choose.choice import result_name
from napari_exactile.widget.choose.fields import IN_MEMORY, ON_DISK, Fields
from napari_exactile.widget.choose.meaning_fields import AUTOMATIC
from napari_exactile.widget.choose.place import SUFFIX, as_file, box_words, is_large, place_words
from napari_exactile.widget.draw.planes import data_of

if TYPE_CHECKING:
    from napari_exactile.run.store.state import State
    from napari_exactile.run.task.task import Task
    from napari_exactile.widget.draw.planes import Plane

# Bytes of a journal that is not read for a note.
LONG_JOURNAL = 2**21


class OutputChooser:
    """Reads the fields on where labels go, and says in a note what that means.

    `path` is a place that the person has chosen; it holds for one image and model.
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.path: Path | None = None
        self._chosen_for: tuple[object, ...] = ()
        self._proposed = Path.home() / f"labels{SUFFIX}"

    def choose(self, plane: Plane, task: Task) -> Path | None:
        """Return the store that labels go to, None for memory."""
        fields, region, name = self._fields, task.plan.tiling.region, task.model.name
        shape = (*task.planes.shape, *box_shape(task.labelled))
        if self._chosen_for != (about := (plane.layer, name)):
            self.path, self._chosen_for = None, about
        partly = "" if box_shape(region) == plane.shape else f", {box_words(region)}"
        self._proposed = beside(plane.layer, f"{result_name(plane, task)}{partly}")
        each = task.decision.bytes_each(bool(task.settings.probabilities))
        on_disk = {AUTOMATIC: is_large(shape, each), IN_MEMORY: False, ON_DISK: True}[fields.output.value]
        path = (self.path or self._proposed) if on_disk else None
        if path is not None:
            place = place_words(path, prod(shape) * each, folder_of(plane.layer))
            fields.output_note.say("\n".join(filter(None, (place, there_words(path)))))
        fields.output_note.setToolTip(str(path or ""))
        return path

    def ask(self, parent: QWidget) -> None:
        """Let the person pick the place."""
        name, _ = QFileDialog.getSaveFileName(
            parent, "Labels on disk", str(self.path or self._proposed), "OME-Zarr (*.ome.zarr *.zarr)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )  # fmt: skip
        if name:
            self.path = Path(name if name.endswith(".zarr") else name + SUFFIX)
            self._fields.output.value = ON_DISK
            self._fields.output.changed.emit(ON_DISK)


def beside(layer: Image, name: str) -> Path:
    """Return a store called `name` beside the layer's file; in the home folder where it has none."""
    return folder_beside(layer) / (as_file(name) + SUFFIX)


def folder_beside(layer: Image) -> Path:
    """Return the folder of a layer's file, or the home folder where nothing can be written there."""
    folder = folder_of(layer)
    return folder if folder is not None and os.access(folder, os.W_OK) else Path.home()


def folder_of(layer: Image) -> Path | None:
    """Return the folder in which the layer's file lies; None where it has none."""
    source = layer.source.path or file_of(data_of(layer))
    return outermost_zarr(Path(source)).parent if source else None


def there_words(path: Path) -> str:
    """Return what lies at the place that labels go to, and what Run does about it; "" where nothing does."""
    from napari_exactile.images.store.store import OWN  # zarr is loaded with it

    journal = path / OWN / "journal"
    try:
        facts = journal.stat()
    except OSError:
        return ""
    return _there(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=8)
def _there(path: Path, _changed: int, size: int) -> str:
    from napari_exactile.run.store.state import state_of

    if size > LONG_JOURNAL:
        return "Labels of an earlier run are there: Run asks what to do with them."
    try:
        state = state_of(path)
    except (OSError, ValueError):  # whoever opens it says why
        return ""
    if state is None:
        return ""
    if state.complete:
        return "Finished labels are there: Run asks whether to show them."
    return f"An unfinished run is there, {state.progress}: Run asks whether to continue it."


def ask_about(parent: QWidget, path: Path, state: State, other: str = "") -> bool | None:
    """Ask what is to be done about a store that is there: False to go on with it, True to begin anew.

    What is `other` in it than in what is about to run can only be replaced. None where the person has
    thought better of it.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Labels on disk")
    box.setText(f"{path.name} holds {state}{state.source and f' of {state.source}'}.")
    box.setInformativeText(_question(state, other))
    role = QMessageBox.ButtonRole.AcceptRole
    go_on = None if other else box.addButton("Show" if state.complete else "Continue", role)
    anew = box.addButton("Begin anew", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(go_on or cancel)
    box.exec()
    clicked = box.clickedButton()
    if clicked is anew:
        return True
    return False if go_on is not None and clicked is go_on else None


def _question(state: State, other: str) -> str:
    removes = "Beginning anew removes what is there"
    if other:
        return f"It is of another {other}. {removes}; to keep it, choose another place (Advanced, Labels)."
    question = "Show them?" if state.complete else "Continue it?"
    return f"{question} Image, model and settings must be the same as then. {removes}."
