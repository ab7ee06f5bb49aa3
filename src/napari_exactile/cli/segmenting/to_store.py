"""`exactile segment --out LABELS.ome.zarr`: results on disk, where a run continues, and their objects."""

from __future__ import annotations

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
    from napari_exactile.run.engine.events import Event
    from napari_exactile.run.task.task import Task


@dataclass(frozen=True, slots=True)
class ToStore:
    """A store to write to, and what else is wanted of its labels."""

    out: Path
    wanted: ObjectOptions
    overwrite: bool
    windows: int

    def segment(self, image: OpenedImage, task: Task) -> None:
        """Segment into the store, or continue there, and print what came out."""
        from napari_exactile.run.words.report import check_line
        from napari_exactile.run.words.summary import summary_lines

        run = self._run(task)
        report, check = run.series.report(), run.check
        checked = [("check", check_line(check))] if check else []
        found = self._objects(run, image)
        what = "values" if run.series.labels is None else "labels"
        print_out(pairs([*summary_lines(report, image.name), *checked, (what, str(self.out)), *found]))
        if check is not None and check.disagrees and report.exact:
            typer.echo("The check failed: do not rely on these labels.", err=True)
            raise typer.Exit(1)

    def _run(self, task: Task) -> Run:
        from napari_exactile.run.driver import Output, Run

        output = Output(self.out, self.overwrite)
        run = Run(task, output, self.windows)
        steps = run.steps()
        try:
            self._tell(next(steps), run.series.task.tiles)
            with progress_bar() as progress:
                follow(steps, progress)
        except KeyboardInterrupt:
            typer.echo(f"Stopped: the same command continues {self.out}.", err=True)
            raise typer.Exit(130) from None
        return run

    def _tell(self, opened: Event, tiles: int) -> None:
        """Say what was damaged in the store, and what is left to do there."""
        from napari_exactile import StoreOpened

        assert isinstance(opened, StoreOpened), "a run in a store begins with it"
        for mended in opened.mended:
            typer.echo(f"Note: {mended}.", err=True)
        if opened.done:
            left = tiles - opened.done
            typer.echo(f"Continuing {self.out}: {part_of(left, tiles, 'tile')} left.", err=True)

    def _objects(self, run: Run, image: OpenedImage) -> list[tuple[str, str]]:
        series = run.series
        if not series.task.decision.one_label:
            return []
        card, size = series.task.model.card, image.pixel_size
        names = card.class_names(series.task.classes)
        size = size and series.task.analysis.grid.pixel_size(size)
        return self.wanted.written(
            LabelledImage(series.labels, series.task.planes.axes, names, card.background, size)
        )
