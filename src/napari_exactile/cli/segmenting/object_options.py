"""The options of `exactile segment` that find the objects of the labels and write them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_exactile.cli.common import CSV, TIFF, check_file, check_not_image, progress_bar

if TYPE_CHECKING:
    from napari_exactile import Objects, OpenedImage
    from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """Labels with all that is known of them; `pixel_size` is (y, x) in micrometres.

    Where they are no array of numpy, they need not fit into memory.
    """

    labels: Any
    axes: str
    classes: tuple[str, ...]
    background: int | None
    pixel_size: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """What a person wants of the objects: a file of their numbers, a file of their table, or neither."""

    objects: Path | None
    table: Path | None
    connectivity: int | None
    min_size: int | None

    def numbered(self, number: int) -> ObjectOptions:
        """Return what is wanted of one of several images: its number is in the names of the files."""
        from napari_exactile.run.api import numbered

        objects, table = (path and numbered(path, number) for path in (self.objects, self.table))
        return replace(self, objects=objects, table=table)

    def check(self, image: OpenedImage, labels: Path, overwrite: bool) -> None:
        """Refuse, before anything is computed, files that cannot or must not be written."""
        for value, option in ((self.connectivity, "--connectivity"), (self.min_size, "--min-size")):
            if value is not None and self.objects is None and self.table is None:
                raise ValueError(f"{option} is of objects: add --objects or --table")
        check_not_image(self.objects, image, "the objects")
        check_not_image(self.table, image, "the table")
        if self.objects is not None and self.objects.absolute() == labels.absolute():
            raise ValueError(
                f"the labels and the objects are two files, not {labels} both: choose another name"
            )
        check_file(self.objects, TIFF, "objects are", overwrite)
        check_file(self.table, CSV, "the table is", overwrite)

    def check_kind(self, task: Task) -> None:
        """Refuse objects of what is no single label for each pixel."""
        if (self.objects or self.table) and not task.decision.one_label:
            words = "objects are found in labels, and this model gives values, or a label per channel"
            raise ValueError(f"{words}: leave out --objects and --table")

    def written(self, labelled: LabelledImage) -> list[tuple[str, str]]:
        """Find the objects, write what is wanted, and return lines that say what came out."""
        from napari_exactile.images.store.tiff import save_labels

        if self.objects is None and self.table is None:
            return []
        with self._room(labelled) as numbers:
            found = self._found(labelled, numbers)
            if self.objects is not None:
                size, note = labelled.pixel_size, "objects, numbered from 1"
                save_labels(self.objects, found.labels, (), size, axes=labelled.axes, note=note)
        if self.table is not None:
            found.to_csv(self.table)
        files = ((name, path) for name, path in (("objects in", self.objects), ("table", self.table)) if path)
        return [("objects", "; ".join(found.summary()) or "none"), *((n, str(path)) for n, path in files)]

    def _room(self, labelled: LabelledImage) -> AbstractContextManager[Any]:
        """Return where the numbers of objects are written: on disk where the labels are."""
        from numpy import ndarray

        from napari_exactile.images.objects.numbers import numbers_on_disk

        file = self.objects or self.table
        if isinstance(labelled.labels, ndarray) or file is None:
            return nullcontext()
        return numbers_on_disk(labelled.labels.shape, labelled.axes, file.absolute().parent)

    def _found(self, labelled: LabelledImage, numbers: Any) -> Objects:
        from napari_exactile import find_objects
        from napari_exactile.images.objects.objects import spatial

        size = labelled.pixel_size
        with progress_bar() as progress:
            task = progress.add_task("Objects", total=1.0)
            return find_objects(
                labelled.labels,
                classes=labelled.classes,
                background=labelled.background,
                # The distance of the planes of a stack is not known.
                pixel_size=size if size is not None and len(size) == len(spatial(labelled.axes)) else None,
                on_progress=lambda fraction: progress.update(task, completed=fraction),
                axes=labelled.axes,
                connectivity=self.connectivity or 1,
                min_size=self.min_size or 0,
                out=numbers,
            )
