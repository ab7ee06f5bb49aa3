"""Many images by one model, one after the other or several at once; where one fails, the others go on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from napari_exactile.models.load import Model
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import words_of
from napari_exactile.run.many.events import ImageEnded, ImageStarted, ImageStep, ManyEvent
from napari_exactile.run.many.found import FoundImage, found_images
from napari_exactile.run.many.named import NAMES, outputs
from napari_exactile.run.many.one import OneOfMany
from napari_exactile.run.many.rows import ImageRow, Summary, known_rows, write_summary
from napari_exactile.run.many.together import check_together, measured_together
from napari_exactile.run.plan import given
from napari_exactile.run.plan.devices import memory_budget, pick_device
from napari_exactile.run.task.chosen import SettingsFile
from napari_exactile.stopping import Cancelled

# Nothing else wakes a thread that waits for others, such as Ctrl-C, on all systems.
WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Batch:
    """Images, where the labels of each go, and how they are made; `of` refuses what cannot be.

    `chosen` is used for every image; where its settings say `together`, all are normalised as one.
    """

    images: tuple[FoundImage, ...]
    outs: tuple[Path, ...]
    folder: Path
    chosen: SettingsFile
    overwrite: bool = False

    @classmethod
    def of(
        cls, images: Any, folder: Any, chosen: SettingsFile, names: str = NAMES, overwrite: bool = False
    ) -> Self:
        """Return what is to be done; nothing is written, and of images only what files say is read.

        Raises what `found_images` and `outputs` do, ValueError for probabilities in files, which only stores
        hold, and for images that cannot be normalised together.
        """
        around, folder = chosen.around, given.path("output", folder)
        found = found_images(images, around.series, around.allow_missing)
        outs = outputs(found, folder, names)
        if chosen.settings.probabilities and outs[0].suffix.lower() != ".zarr":
            raise ValueError("probabilities are kept in stores: let names end in .ome.zarr")
        if chosen.settings.together:
            check_together(chosen)
        return cls(found, outs, folder, chosen, overwrite)

    def run(self, model: Model) -> ManyRun:
        """Return a run of it by a model that is loaded."""
        return ManyRun(self, model)


class ManyRun:
    """A batch under way; `steps` again continues what was stopped. `rows` are those of images that ended."""

    def __init__(self, batch: Batch, model: Model) -> None:
        self.batch, self.model = batch, model
        self.rows: dict[int, ImageRow] = {}

    def steps(self, control: Control | None = None) -> Iterator[ManyEvent]:
        """Segment all images that are left, telling each step, and write the table after each image.

        Raises OSError where nothing can be written to the folder; what fails of an image is in its row.
        """
        control = control or Control()
        self.batch.folder.mkdir(parents=True, exist_ok=True)
        self.rows.clear()
        before = known_rows(self.batch.folder)
        jobs, failed = self._jobs(), dict[int, str]()
        if self.batch.chosen.settings.together and len(jobs) > 1:
            try:
                chosen, failed = yield from measured_together(jobs, control)
            except Cancelled:
                jobs, failed = [], {}
            else:
                jobs = [replace(job, chosen=chosen) for job in jobs]
        for event in _parallel(jobs, self._at_once, before, failed, control):
            if isinstance(event, ImageEnded):
                self.rows[event.number] = event.row
                write_summary(self.batch.folder, self.summary.rows, before)
            yield event

    @property
    def summary(self) -> Summary:
        """What is known of all images, those that were not begun among them."""
        jobs = self._jobs()
        left = {number: job.row(state="stopped") for number, job in enumerate(jobs)}
        rows = left | self.rows
        return Summary(tuple(rows[number] for number in range(len(jobs))), self.batch.folder / "summary.csv")

    @property
    def _at_once(self) -> int:
        return self.batch.chosen.around.jobs

    def _jobs(self) -> list[OneOfMany]:
        chosen = self._shared(self.batch.chosen)
        return [
            OneOfMany(image, out, self.model, chosen, self.batch.overwrite)
            for image, out in zip(self.batch.images, self.batch.outs, strict=True)
        ]

    def _shared(self, chosen: SettingsFile) -> SettingsFile:
        """Return what is chosen for each image: several at once share the memory."""
        if self._at_once == 1 or chosen.settings.memory_limit is not None:
            return chosen
        budget = memory_budget(pick_device(chosen.settings.device)) // self._at_once
        return replace(chosen, settings=replace(chosen.settings, memory_limit=budget))


def _parallel(
    jobs: Sequence[OneOfMany], at_once: int, before: dict[str, ImageRow], failed: dict[int, str],
    control: Control,
) -> Iterator[ManyEvent]:  # fmt: skip
    """Do so many jobs at once, each in a thread of its own, and tell what happens as it does."""
    if at_once == 1:
        for number, job in enumerate(jobs):
            if control.cancelled:
                return
            yield from _told(number, job, before, failed, control)
        return
    todo, told = iter(enumerate(jobs)), queue.Queue[ManyEvent | None]()
    lock = threading.Lock()

    def work() -> None:
        while not control.cancelled:
            with lock:
                number, job = next(todo, (None, None))
            if number is None or job is None:
                break
            for event in _told(number, job, before, failed, control):
                told.put(event)
        told.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(at_once, len(jobs)))]
    for thread in threads:
        thread.start()
    ended = 0
    try:
        while ended < len(threads):
            try:
                event = told.get(timeout=WAIT_SECONDS)
            except queue.Empty:
                continue
            if event is None:
                ended += 1
            else:
                yield event
    finally:  # also where nobody wants to hear more: nothing is to be written any more then
        if ended < len(threads):
            control.cancel()
        for thread in threads:
            thread.join()


def _told(
    number: int, job: OneOfMany, before: dict[str, ImageRow], failed: dict[int, str], control: Control
) -> Iterator[ManyEvent]:
    """Do one job and tell of it; whatever fails becomes its row."""
    yield ImageStarted(number, job.image.name)
    if number in failed:
        yield ImageEnded(number, job.row(state="failed", message=failed[number]))
        return
    steps = job.steps(control, before.get(job.out.name))
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            yield ImageEnded(number, end.value)
            return
        except Cancelled:
            yield ImageEnded(number, job.row(state="stopped"))
            return
        except Exception as error:  # of one image, whatever it is: the others go on
            yield ImageEnded(number, job.row(state="failed", message=" ".join(words_of(error).split())))
            return
        yield ImageStep(number, event)
