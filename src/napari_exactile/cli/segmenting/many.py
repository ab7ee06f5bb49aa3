"""Many images: told apart from one, segmented into a folder, and told in a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from napari_exactile.cli.common import EventBar, print_out, progress_bar, tell_doubts
from napari_exactile.geometry.words import counted, part_of

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from napari_exactile import ImageRow, Model, SettingsFile, Summary
    from napari_exactile.run.many.batch import ManyRun
    from napari_exactile.run.many.events import ManyEvent

FILES = (".tif", ".tiff", ".zarr")


def are_many(images: Sequence[Path], out: Path | None, names: str | None) -> bool:
    """Tell whether several images are meant, or one whose labels go to a folder under a name by a pattern."""
    from napari_exactile.run.many.found import is_several

    to_folder = out is not None and out.suffix.lower() not in FILES and (out.is_dir() or not out.suffix)
    return len(images) > 1 or names is not None or to_folder or is_several(images[0])


def refuse_files(objects: Path | None, table: Path | None) -> None:
    """Refuse the files of one image for many."""
    if objects is not None or table is not None:
        raise ValueError("--objects and --table are files of one image: of many, pass --count-objects")


def refuse_of_many(typed: Collection[str]) -> None:
    """Refuse options of many images for one."""
    for name in ("count_objects", "jobs"):
        if name in typed:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is of many images: name several, or let --out be a folder")


def segment_images(
    images: Sequence[Path], out: Path | None, names: str | None, chosen: SettingsFile,
    load: Callable[[], Model], overwrite: bool,
) -> None:  # fmt: skip
    """Segment many images into a folder, print a table, and end with code 1 where one has failed."""
    from napari_exactile.run.many.batch import Batch
    from napari_exactile.run.many.named import NAMES

    if out is None:
        raise ValueError("the labels of many images go to a folder: pass --out FOLDER")
    batch = Batch.of(images, out, chosen, names or NAMES, overwrite)
    run = batch.run(load())
    tell_doubts(run.model.card, None)
    try:
        with progress_bar() as progress:
            bars = ManyBars(progress, len(batch.images))
            for event in run.steps():
                bars.show(event)
    except KeyboardInterrupt:
        done = part_of(len(run.rows), len(batch.images), "image")
        typer.echo(f"Stopped with {done} done: the same command continues.", err=True)
        raise typer.Exit(130) from None
    _print(run)


def _print(run: ManyRun) -> None:
    summary = run.summary
    print_out(_table(summary))
    for row in summary.failed:
        named = row.message if row.image in row.message else f"{row.image}: {row.message}"
        typer.echo(f"Error: {named}", err=True)
    failed = f", {len(summary.failed)} failed" if summary.failed else ""
    typer.echo(f"{counted(len(summary.rows), 'image')}{failed}; the table is {summary.path}")
    if summary.failed:
        raise typer.Exit(1)


def _table(summary: Summary) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("image", overflow="fold")
    for name in ("tiles", "seconds", "near-ties"):
        table.add_column(name, justify="right")
    objects = any(row.objects for row in summary.rows)
    for name in ("exact", *(["objects"] if objects else []), "result"):
        table.add_column(name)
    for row in summary.rows:
        table.add_row(*_cells(row, objects))
    return table


def _cells(row: ImageRow, objects: bool) -> list[str]:
    known = bool(row.shape)
    numbers = [f"{row.tiles:,}", f"{row.seconds:.1f}", f"{row.near_ties:,}"] if known else ["", "", ""]
    exact = {None: "", True: "yes", False: "NO"}[row.exact]
    found = [", ".join(f"{count:,} {name}" for name, count in (row.objects or {}).items())] if objects else []
    state = row.state.upper() if row.failed else row.state
    return [row.image, *numbers, exact, *found, state]


class ManyBars:
    """A line for all images, and one for each that is under way."""

    def __init__(self, progress: Progress, images: int) -> None:
        self._progress, self._bars = progress, dict[int, EventBar]()
        self._all = progress.add_task("Images", total=images)

    def show(self, event: ManyEvent) -> None:
        """Show what happens."""
        from napari_exactile import ImageEnded, ImageStarted, ImageStep, MeasuringAll

        match event:
            case MeasuringAll(fraction):
                words = f"Measuring all images ({fraction:.0%})"
                self._progress.update(self._all, description=words)
            case ImageStarted(number, name):
                self._progress.update(self._all, description="Images")
                self._bars[number] = EventBar(self._progress, f"{name}: ")
            case ImageStep(number, step):
                self._bars[number].show(step)
            case ImageEnded(number):
                self._bars.pop(number).remove()
                self._progress.advance(self._all)
