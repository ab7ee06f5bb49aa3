"""One image, or all images of a file, become labels in a file or a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_exactile.cli.common import (
    TIFF,
    check_file,
    check_not_image,
    opened_image,
    opened_images,
    tell_doubts,
)
from napari_exactile.cli.segmenting.object_options import ObjectOptions
from napari_exactile.cli.segmenting.to_file import ToFile
from napari_exactile.cli.segmenting.to_store import ToStore

if TYPE_CHECKING:
    from napari_exactile import Model, OpenedImage, SettingsFile
    from napari_exactile.run.file.records import Around
    from napari_exactile.run.task.task import Task


def segment_one(path: Path, target: Target, chosen: SettingsFile, load: Callable[[], Model]) -> None:
    """Segment an image of a file, or all of them, once all are known to fit."""
    around = chosen.around
    jobs = _jobs(path, around, target)
    for image, where in jobs:
        where.check(image, bool(chosen.settings.probabilities))
    _segment(jobs, load(), chosen)


def _segment(jobs: Sequence[tuple[OpenedImage, Target]], model: Model, chosen: SettingsFile) -> None:
    from napari_exactile.run.api import each_task
    from napari_exactile.run.task.begin import make_task

    around = chosen.around
    images = [_measured(image, around.pixel_size) for image, _target in jobs]
    tasks = each_task(
        images,
        lambda image: make_task(image, model, chosen.settings, grey=around.grey, plane=around.plane),
    )
    for task, (_image, target) in zip(tasks, jobs, strict=True):
        target.wanted.check_kind(task)
    for image, (_image, target) in zip(images, jobs, strict=True):
        target.segment(image, tasks.pop(0))


@dataclass(frozen=True, slots=True)
class Target:
    """Where the labels of an image go, and what else is wanted of them."""

    out: Path
    wanted: ObjectOptions
    overwrite: bool
    windows: int

    def numbered(self, number: int) -> Target:
        """Return the target for one of several images: its number is in all names."""
        from napari_exactile.run.api import numbered

        return replace(self, out=numbered(self.out, number), wanted=self.wanted.numbered(number))

    @property
    def _is_store(self) -> bool:
        return self.out.suffix.lower() == ".zarr"

    def check(self, image: OpenedImage, probabilities: bool) -> None:
        """Refuse, before anything is computed, what cannot or must not be written."""
        check_not_image(self.out, image, "the labels")
        if not self._is_store:
            check_file(self.out, TIFF, "labels are", self.overwrite)
            if probabilities:
                raise ValueError("probabilities are kept in a store: let --out end in .ome.zarr")
        self.wanted.check(image, self.out, self.overwrite)

    def segment(self, image: OpenedImage, task: Task) -> None:
        """Segment one image whose task is made, and print what came out."""
        tell_doubts(task.model.card, task.planes.pixel_size)
        if self._is_store:
            ToStore(self.out, self.wanted, self.overwrite, self.windows).segment(image, task)
        else:
            ToFile(self.out, self.wanted).segment(image, task)


def _jobs(path: Path, around: Around, target: Target) -> list[tuple[OpenedImage, Target]]:
    """Return the images that are wanted of a file, each with where its labels go."""
    axes, missing = around.axes, around.allow_missing
    series = None if around.series is None else str(around.series)
    if series != "all":
        return [(opened_image(path, axes, series, missing), target)]
    images = opened_images(path, axes, missing)
    return [(image, target.numbered(image.number)) for image in images]


def labels_beside(image: Path) -> Path:
    """Return where labels go if nobody says: beside the image, or beside the zarr that it is a part of."""
    from napari_exactile.images.about.zarr_folders import outermost_zarr

    whole = outermost_zarr(image)
    part = "" if whole == image else f"_{image.stem}"
    return whole.with_name(f"{whole.stem}{part}_labels.tif")


def _measured(image: OpenedImage, size: tuple[float, ...] | None) -> OpenedImage:
    """Return the image with pixels of these sizes."""
    return image if size is None else replace(image, pixel_size=size, place=None)
