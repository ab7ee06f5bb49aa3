"""`exactile segment --out LABELS.ome.zarr`: results on disk, where a run continues, and their objects."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_exactile.cli.common import follow, pairs, print_out, progress_bar
from napari_exactile.cli.objects import Labelled, Wanted
from napari_exactile.geometry.words import part_of

if TYPE_CHECKING:
    from napari_exactile.images.about.opened import OpenedImage
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.store.stored import StoredSeries


@dataclass(frozen=True, slots=True)
class ToStore:
    """A store to write to, and what else is wanted of its labels."""

    out: Path
    wanted: Wanted
    overwrite: bool
    check: bool

    def segment(self, image: OpenedImage, series: Series, name: str) -> None:
        """Segment into the store, or continue there, and print what came out."""
        from napari_exactile.run.store.stored import stored
        from napari_exactile.run.words.report import check_line
        from napari_exactile.run.words.summary import summary_lines

        where = image.placed(series.planes.axes)
        with stored(series, self.out, self.overwrite, where) as kept:
            for mended in kept.mended:
                typer.echo(f"Note: {mended}.", err=True)
            self._run(kept, series.tiles)
            report, check = kept.series.report(), kept.report.check
        checked = [("check", check_line(check))] if check else []
        found = self._objects(kept.series, image)
        what = "values" if kept.series.labels is None else "labels"
        print_out(pairs([*summary_lines(report, name), *checked, (what, str(self.out)), *found]))
        if check is not None and check.disagrees and report.exact:
            typer.echo("The check failed: do not rely on these labels.", err=True)
            raise typer.Exit(1)

    def _run(self, kept: StoredSeries, tiles: int) -> None:
        from napari_exactile.run.check.spot_check import WINDOWS

        if kept.done_before:
            left = tiles - kept.done_before
            typer.echo(f"Continuing {self.out}: {part_of(left, tiles, 'tile')} left.", err=True)
        try:
            with progress_bar() as progress:
                checking = kept.report.checking(WINDOWS if self.check else 0, lambda: False)
                follow(chain(kept.series.run(), checking), progress)
        except KeyboardInterrupt:
            typer.echo(f"Stopped: the same command continues {self.out}.", err=True)
            raise typer.Exit(130) from None

    def _objects(self, series: Series, image: OpenedImage) -> list[tuple[str, str]]:
        if series.labels is None or series.job.decision.leading:
            return []
        card, size = series.model.card, image.pixel_size
        names = card.class_names(series.job.classes)
        size = size and series.analysis.grid.pixel_size(size)
        return self.wanted.written(Labelled(series.labels, series.planes.axes, names, card.background, size))
