"""`exactile segment --out LABELS.tif`: results in a file that appears when complete, and their objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_exactile.cli.common import follow, pairs, print_out, progress_bar
from napari_exactile.cli.segmenting.object_options import LabelledImage, ObjectOptions
from napari_exactile.geometry.words import part_of

if TYPE_CHECKING:
    from napari_exactile import OpenedImage
    from napari_exactile.run.driver import Run
    from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True)
class ToFile:
    """A file to write to, and what else is wanted of its labels."""

    out: Path
    wanted: ObjectOptions

    def segment(self, image: OpenedImage, task: Task) -> None:
        """Segment, write the file, and print what came out."""
        from napari_exactile.run.driver import Run
        from napari_exactile.run.words.summary import summary_lines

        run = Run(task)
        with _stoppable(run):
            with progress_bar() as progress:
                follow(run.steps(), progress)
            found = self._written(run, image.pixel_size)
        lines = summary_lines(run.series.report(), image.name)
        print_out(pairs([*lines, ("labels", str(self.out)), *found]))

    def _written(self, run: Run, size: tuple[float, ...] | None) -> list[tuple[str, str]]:
        """Write labels, or the values of a network that gives such, and what is wanted of their objects."""
        from napari_exactile.images.store.tiff import save_labels, save_values
        from napari_exactile.run.words.summary import description

        series = run.series
        card, axes, note = series.task.model.card, series.task.planes.axes, description(series.report())
        size = size and series.task.analysis.grid.pixel_size(size)
        if series.labels is None:
            assert series.probabilities is not None
            save_values(self.out, series.probabilities, size, note, f"c{axes}")
            return []
        if series.task.decision.leading:
            names = card.class_names(series.task.decision.channels)
            note = f"channels {', '.join(names)}; {note}"
            save_labels(self.out, series.labels, ("no", "yes"), size, axes=f"c{axes}", note=note)
            return []
        names = card.class_names(series.task.classes)
        save_labels(self.out, series.labels, names, size, axes=axes, note=note)
        return self.wanted.written(LabelledImage(series.labels, axes, names, card.background, size))


@contextmanager
def _stoppable(run: Run) -> Iterator[None]:
    """Let Ctrl-C end the command with a sentence."""
    try:
        yield
    except KeyboardInterrupt:
        done = part_of(run.series.done, run.series.task.tiles, "tile")
        typer.echo(f"Stopped with {done} done: nothing was written.", err=True)
        raise typer.Exit(130) from None
