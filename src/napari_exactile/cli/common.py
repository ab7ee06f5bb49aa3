"""What the commands share: errors in a sentence, files that are never overwritten, progress and tables."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.why import why

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress
    from rich.table import Table

    from napari_exactile import OpenedImage
    from napari_exactile.run.engine.events import Event
    from napari_exactile.run.plan.settings import Device

MODEL_HELP = (
    f"A bundled model ({', '.join(BUNDLED)}), a file (TorchScript, torch.export, weights of a built-in "
    "network), a package of bioimage.io (folder, zip file or id), or package.module:factory, which imports "
    "that package."
)
IMAGE_HELP = (
    "A TIFF file of any kind, slides too, a zarr array or OME-Zarr (folder or zip file), or a .npy file."
)
SERIES_HELP = (
    "Of a file with several images, the one of this number, from 0 on, or name; by default the largest."
)
MISSING_HELP = "Read missing planes as 0, and do without missing images and levels of the file."
TIFF, CSV, PICTURE = (".tif", ".tiff"), (".csv",), (".png", ".svg", ".pdf")


@contextmanager
def plain_errors(code: int = 1) -> Iterator[None]:
    """Turn what a person can put right into one sentence; programming errors keep their traceback.

    The command ends with `code`.
    """
    from napari_exactile import TileError
    from napari_exactile.run.engine.events import words_of

    try:
        yield
    except (ValueError, OSError, TileError) as error:
        typer.echo(f"Error: {' '.join(words_of(error).split())}", err=True)
        raise typer.Exit(code) from None


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C end a command that writes its files last with a sentence."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped: nothing was written.", err=True)
        raise typer.Exit(130) from None


def check_file(out: Path | None, suffixes: Sequence[str], what: str, overwrite: bool) -> None:
    """Refuse, before anything is computed, a file that `what` could not or must not be written to."""
    if out is None:
        return
    if out.suffix.lower() not in suffixes:
        names = {TIFF: "TIFF", CSV: "CSV", (".toml",): "TOML"}.get(tuple(suffixes), "picture")
        raise ValueError(f"{what} written as {names}: {out} must end in {' or '.join(suffixes)}")
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name a file in it")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists already: choose another name or pass --overwrite")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        words = f"the folder {out.parent} cannot be written to ({why(error)})"
        raise ValueError(f"{words}: choose another one") from error


def check_not_image(out: Path | None, image: OpenedImage, what: str) -> None:
    """Refuse a file or a folder that would replace one of those of the image, --overwrite or not."""
    from napari_exactile.images.about.opened import files_of
    from napari_exactile.images.store.guard import refuse_over

    if out is not None:
        refuse_over(out, files_of(image.array), what)


def opened_image(
    path: Path, axes: str | None, series: str | None = None, allow_missing: bool = False
) -> OpenedImage:
    """Open an image, with `axes` instead of the file's own if given; its notes go to stderr."""
    from napari_exactile import open_image

    if series == "all":
        raise ValueError("only segment takes all images of a file: choose one")
    return _noted([open_image(path, series=series, allow_missing=allow_missing)], axes)[0]


def opened_images(path: Path, axes: str | None, allow_missing: bool) -> tuple[OpenedImage, ...]:
    """Open all images of a file likewise."""
    from napari_exactile import open_image

    return _noted(open_image(path, series="all", allow_missing=allow_missing), axes)


def _noted(images: Sequence[OpenedImage], axes: str | None) -> tuple[OpenedImage, ...]:
    """Tell all notes, what several images say of their file once."""
    from dataclasses import replace

    for note in dict.fromkeys(note for image in images for note in image.notes):
        typer.echo(f"Note: {note}.", err=True)
    return tuple(replace(image, axes=axes.lower()) if axes else image for image in images)


def tell_doubts(card: ModelCard, sizes: Sequence[float] | None) -> None:
    """Say on stderr what came with a model and is not used, and whether it knows pixels of these sizes."""
    for note in card.notes:
        typer.echo(f"Note: {note}.", err=True)
    if words := card.scale_warning(sizes):
        typer.echo(f"Warning: {words}", err=True)


def chosen_device(name: str) -> Device:
    """Return the device of this name; raise ValueError for what is none."""
    from napari_exactile import Settings

    return Settings(device=cast("Device", name)).device


def progress_bar() -> Progress:
    """Return a progress display on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True))


def pairs(lines: Sequence[tuple[str, str]]) -> Table:
    """Return a table of names and values."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in lines:
        table.add_row(Text(name), Text(value, overflow="fold"))
    return table


def print_out(what: RenderableType) -> None:
    """Print on stdout."""
    from rich.console import Console

    Console().print(what)


def follow(steps: Iterable[Event], progress: Progress) -> None:
    """Go to the end and show what happens."""
    bar = EventBar(progress)
    for event in steps:
        bar.show(event)


class EventBar:
    """A line that shows how far a run is; words before it say which."""

    def __init__(self, progress: Progress, before: str = "") -> None:
        self._progress, self._before, self._prefix = progress, before, before
        self._finished, self._shown = 0, 0.0
        self._task = progress.add_task(f"{before}Measuring image", total=1.0)

    def remove(self) -> None:
        """Show nothing of the run any more."""
        self._progress.remove_task(self._task)

    def show(self, event: Event) -> None:
        """Show what happens."""
        from napari_exactile import (
            Advanced,
            Checking,
            Measuring,
            PlaneStarted,
            Ready,
            Surveying,
            TileFinished,
            TileHalved,
        )
        from napari_exactile.geometry.words import lengths

        match event:
            case PlaneStarted(number, planes, what):
                self._prefix = f"{self._before}{what.capitalize()} {number} of {planes}: "
            case Measuring(fraction):
                self._say("Measuring image", 1.0, fraction)
            case Surveying(number, passes, done, tiles):
                self._say(f"Pass {number} of {passes} before the labels", tiles, done)
            case Ready(tiles, done):
                self._finished, self._shown = done, done
                self._say("Tiles", tiles, done)
            case Advanced(tiles):
                self._advance(tiles)
            case TileFinished():
                self._finished += 1
                self._advance(self._finished)
            case Checking(done, total):
                self._prefix = self._before
                self._say("Checking windows", total, done)
            case TileHalved(zone):
                words = f"Not enough memory: zones are now {lengths(zone)} px"
                self._progress.console.print(f"{self._before}{words}", markup=False)

    def _advance(self, tiles: float) -> None:
        """Move on to so many tiles: what is shown never goes back."""
        self._shown = max(self._shown, self._finished, tiles)
        self._progress.update(self._task, completed=self._shown)

    def _say(self, words: str, total: float, completed: float) -> None:
        self._progress.update(
            self._task, description=f"{self._prefix}{words}", total=total, completed=completed
        )
