"""What a run has given, as an OME-Zarr of its own that says how it came about: for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.images.about.opened import Place
from napari_exactile.images.store.exported import OnProgress, save_image
from napari_exactile.images.store.folder import NewImage
from napari_exactile.images.store.ome_zarr import Class, label_metadata
from napari_exactile.run.store.images import main_image
from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """What a task has given: its `levels`, level 0 first, whose channels, if any, are the axis `channel`.

    `classes` are the names and colours ("#rrggbb") of the labels in their order, of which `background` is
    transparent; of values, they are left out. `note` says what a reader must know.
    """

    task: Task
    levels: Sequence[Any]
    channel: int
    classes: Sequence[tuple[str, str]]
    background: int | None
    note: str

    def write(self, path: Path, on_progress: OnProgress) -> None:
        """Write a folder that appears under its name only when it is complete; see `save_image`."""
        image = self._image(path.name.split(".")[0])
        save_image(path, image, self._in_order(image.layout.channel), on_progress)

    def _image(self, name: str) -> NewImage:
        task = self.task
        image = main_image(task, name, task.place or Place.of(task.planes.axes))
        layout, metadata = replace(image.layout, dtype=str(np.dtype(self.levels[0].dtype))), image.metadata
        if task.decision.labels:
            classes = [Class(*one) for one in self.classes]
            metadata = label_metadata(metadata["ome"]["multiscales"][0], classes, self.background)
        return NewImage(layout, metadata | {"napari-exactile": {"description": self.note}})

    def _in_order(self, channel: int | None) -> Sequence[Any]:
        """Return the levels with their channels where OME-Zarr wants them: those in memory come first."""
        if channel is None or channel == self.channel:
            return self.levels
        return [np.moveaxis(level, self.channel, channel) for level in self.levels]
