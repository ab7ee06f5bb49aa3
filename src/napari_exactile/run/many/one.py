"""One image of many: opened, compared with what was done before, segmented, counted."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from napari_exactile.images.about.opened import OpenedImage
from napari_exactile.images.read.open import open_image
from napari_exactile.images.store.tiff import save_labels, save_values
from napari_exactile.models.load import Model
from napari_exactile.run.check.spot_check import WINDOWS
from napari_exactile.run.driver import Output, Run
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Event
from napari_exactile.run.many.counted import counts, objects, pixel_size
from napari_exactile.run.many.found import FoundImage
from napari_exactile.run.many.named import is_store
from napari_exactile.run.many.rows import ImageRow
from napari_exactile.run.store.state import state_of
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.task.chosen import SettingsFile
from napari_exactile.run.task.identity import Identity, identity
from napari_exactile.run.task.task import Task
from napari_exactile.run.words.summary import description, exactness


@dataclass(frozen=True, slots=True)
class OneOfMany:
    """An image, where its labels go, and by what they are made."""

    image: FoundImage
    out: Path
    model: Model
    chosen: SettingsFile
    overwrite: bool = False

    def row(self, **known: object) -> ImageRow:
        """Return its row of the table."""
        return msgspec.structs.replace(
            ImageRow(image=str(self.image), output=self.out.name, state="done"), **known
        )

    def task(self) -> Task:
        """Open the image, and return the task; raises what both do."""
        around = self.chosen.around
        opened = open_image(self.image.path, series=self.image.series, allow_missing=around.allow_missing)
        return make_task(
            _taken(opened, around.axes, around.pixel_size), self.model, self.chosen.settings,
            grey=around.grey, plane=around.plane,
        )  # fmt: skip

    def steps(self, control: Control, before: ImageRow | None) -> Generator[Event, None, ImageRow]:
        """Segment it, telling each step, and return its row; finished labels of the same are left alone.

        Raises what runs do, and ValueError for a file that is there and is none of them.
        """
        task = self.task()
        now = identity(task)
        same = before is not None and before.is_of(now)
        if before is not None and same and not self.overwrite and self._is_finished(task, before):
            return msgspec.structs.replace(before, state="skipped", image=str(self.image))
        if not is_store(self.out) and self.out.exists() and not (self.overwrite or same):
            raise ValueError(
                f"{self.out} exists already, of another image, model or settings: choose another folder, or "
                "overwrite it (--overwrite)"
            )
        output = Output(self.out, self.overwrite) if is_store(self.out) else Output()
        run = Run(task, output, self._windows)
        yield from run.steps(control)
        if not run.series.complete:
            return self.row(state="stopped")
        if not is_store(self.out):
            _save(run, self.out)
        return self._done(run, now, control)

    @property
    def _counting(self) -> tuple[int, int]:
        around = self.chosen.around
        return around.connectivity or 1, around.min_size or 0

    @property
    def _windows(self) -> int:
        check = self.chosen.around.check
        return WINDOWS * check if isinstance(check, bool) else check

    def _is_finished(self, task: Task, before: ImageRow) -> bool:
        """Tell whether labels are there as they were made then, with all that is to be counted in them."""
        counts_objects = self.chosen.around.count_objects and task.decision.one_label
        if counts_objects and before.counted_by != self._counting:
            return False
        if not is_store(self.out):
            return self.out.is_file()
        try:
            state = state_of(self.out)
        except (OSError, ValueError):  # whoever opens it says why
            return False
        return state is not None and state.complete

    def _done(self, run: Run, now: Identity, control: Control) -> ImageRow:
        series = run.series
        report, around = series.report(), self.chosen.around
        wrong = run.check is not None and run.check.disagrees and report.exact
        size = pixel_size(series)
        row = self.row(
            shape=report.shape, pixel_size=size, tiles=report.tiles, seconds=report.seconds,
            near_ties=report.near_ties, exact=report.exact and not wrong, identity=now,
            **counts(series, control.hold),
        )  # fmt: skip
        if around.count_objects:
            found = objects(series, around, self.out.absolute().parent, control.hold)
            row = msgspec.structs.replace(row, objects=found, counted_by=self._counting)
        if wrong:
            words = "the check failed: do not rely on these labels"
            return msgspec.structs.replace(row, state="failed", message=words)
        doubts = [*([] if report.exact else [exactness(report)]), *report.warnings]
        return msgspec.structs.replace(row, message="; ".join(doubts))


def _taken(image: OpenedImage, axes: str | None, size: tuple[float, ...] | None) -> OpenedImage:
    """Return an image with these axes, and pixels of these sizes, instead of its file's."""
    image = image if axes is None else replace(image, axes=axes.lower())
    return image if size is None else replace(image, pixel_size=size, place=None)


def _save(run: Run, out: Path) -> None:
    """Write the labels, or the values, to a TIFF file."""
    series, card = run.series, run.task.model.card
    axes, size, note = series.task.planes.axes, pixel_size(series), description(series.report())
    if series.labels is None:
        assert series.probabilities is not None, "a network gives labels or values"
        save_values(out, series.probabilities, size, note, f"c{axes}")
    elif series.task.decision.leading:
        names = ", ".join(card.class_names(series.task.decision.channels))
        save_labels(
            out, series.labels, ("no", "yes"), size, axes=f"c{axes}", note=f"channels {names}; {note}"
        )
    else:
        save_labels(out, series.labels, card.class_names(series.task.classes), size, axes=axes, note=note)
