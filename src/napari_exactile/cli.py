"""The command `exactile`: the same jobs as in the dock, without a screen.

Whatever takes long to import is imported where it is used, so that help and mistakes answer at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_exactile.models.card import BUNDLED

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from napari_exactile.network.analysis import Analysis
    from napari_exactile.run.job import Job
    from napari_exactile.run.settings import Settings

BYTES = {
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "B": 1,
}

app = typer.Typer(
    help="Exact tiled segmentation: the labels of one pass over the whole image, whatever its size.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ModelName = f"A bundled model: {', '.join(BUNDLED)}."


def main() -> None:
    """Run the command line."""
    app(prog_name="exactile")


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"exactile {version('napari-exactile')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def inspect(
    model: Annotated[str, typer.Argument(help=ModelName)],
    shape: Annotated[str, typer.Option(metavar="H,W", help="Size of the image in pixels.")] = "2048,2048",
) -> None:
    """Say what a model needs and whether it can be exact; no pixel is touched."""
    with _plain_errors():
        from napari_exactile.models.load import load_model
        from napari_exactile.network.analysis import analyse_module
        from napari_exactile.run.summary import analysis_lines

        loaded = load_model(model)
        analysis = analyse_module(loaded.module, loaded.card.channels, _shape(shape))
        _print(_layer_table(analysis))
        _print(_pairs(analysis_lines(analysis, loaded.name)))


@app.command()
def segment(  # noqa: PLR0913, PLR0917  (one argument is one option)
    image: Annotated[Path, typer.Argument(metavar="IMAGE.tif", help="A TIFF file: a plane or a stack.")],
    model: Annotated[str, typer.Option(help=ModelName)],
    out: Annotated[
        Path | None, typer.Option(metavar="LABELS.tif", help="[default: IMAGE_labels.tif, beside the image]")
    ] = None,
    tile: Annotated[str, typer.Option(metavar="N|auto", help="Tile size in pixels.")] = "auto",
    radius: Annotated[str, typer.Option(metavar="N|auto", help="Context (radius) in pixels.")] = "auto",
    method: Annotated[
        str, typer.Option(metavar="trimmed|whole-tile", help="An undersized radius needs whole-tile.")
    ] = "trimmed",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    normalization: Annotated[str, typer.Option(metavar="model|z-score|none")] = "model",
    memory_limit: Annotated[
        str | None, typer.Option(metavar="2GB", help="Memory that automatic tiles may take.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option(metavar="zcyx", help="The file's axes, where it names them wrongly.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file --out.")] = False,
) -> None:
    """Segment a TIFF file of any size and write the labels as a tiled OME-TIFF.

    The planes of a stack are segmented one by one, each with its own normalisation.
    """
    with _plain_errors():
        out = out or image.with_name(f"{image.stem}_labels.tif")
        _check_output(out, image, overwrite)
        settings = _settings(
            tile=_number("--tile", tile),
            radius=_number("--radius", radius),
            method=method,
            device=device,
            normalization=normalization,
            memory_limit=_memory(memory_limit),
        )
        _segment_file(image, model, out, settings, axes)


@app.command()
def demo(
    screenshot: Annotated[Path | None, typer.Option(help="Save a picture of the window and quit.")] = None,
) -> None:
    """Open napari and segment a sample image."""
    from napari_exactile.widget.demo import run_demo

    run_demo(screenshot)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what a person can put right into one sentence; programming errors keep their traceback."""
    from napari_exactile.run.events import TileError

    try:
        yield
    except (ValueError, OSError, TileError) as error:
        typer.echo(f"Error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1) from None


def _settings(**values: Any) -> Settings:
    from napari_exactile.run.settings import Settings

    return Settings(**values)


def _number(option: str, text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes a number of pixels or auto, not {text!r}") from None


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(length) for length in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--shape takes numbers of pixels such as 2048,2048, not {text!r}") from None


def _memory(text: str | None) -> int | None:
    """Return the bytes that "2GB", "512 MiB" or "1000000" mean."""
    if text is None:
        return None
    number = text.strip().upper()
    unit = next((unit for unit in BYTES if number.endswith(unit)), "")
    try:
        return int(float(number.removesuffix(unit)) * BYTES.get(unit, 1))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"--memory-limit takes bytes such as 2GB, not {text!r}") from None


def _check_output(out: Path, image: Path, overwrite: bool) -> None:
    """Refuse, before anything is computed, a file that the labels could not or must not be written to."""
    if out.suffix.lower() not in {".tif", ".tiff"}:
        raise ValueError(f"labels are written as TIFF: {out} must end in .tif or .tiff")
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name a file in it")
    if out.exists() and image.exists() and out.samefile(image):
        raise ValueError(f"the labels would replace the image {image}: choose another name")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists already: choose another name or pass --overwrite")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise ValueError(f"the folder {out.parent} cannot be written to: {error.strerror}") from error


def _segment_file(image: Path, model: str, out: Path, settings: Settings, axes: str | None) -> None:
    from napari_exactile.images.source import planes_of
    from napari_exactile.images.tiff import open_tiff, save_labels
    from napari_exactile.models.load import load_model
    from napari_exactile.network.analysis import analyse_module
    from napari_exactile.run.job import Job
    from napari_exactile.run.summary import exactness, summary_lines, summed

    opened = open_tiff(image)
    loaded = load_model(model)
    planes = planes_of(opened.array, (axes or opened.axes).lower(), loaded.card.channels, image.name)
    analysis = analyse_module(loaded.module, loaded.card.channels, planes.sources[0].shape)
    jobs: list[Job] = []
    with _stoppable(jobs, len(planes.sources)):
        with _progress() as progress:
            for number, source in enumerate(planes.sources, start=1):
                jobs.append(Job(source, loaded, analysis, settings))
                prefix = f"Plane {number} of {len(planes.sources)}: " if planes.shape else ""
                _follow(jobs[-1], progress, prefix)
        names = loaded.card.class_names(jobs[0].classes)
        report = summed([job.report() for job in jobs], planes.shape)
        labels, note = _stacked(jobs, planes.shape), exactness(report)
        save_labels(out, labels, names, opened.pixel_size, axes=planes.axes, note=note)
    _print(_pairs([*summary_lines(report, image.name), ("labels", str(out))]))


@contextmanager
def _stoppable(jobs: Sequence[Job], planes: int) -> Iterator[None]:
    """Let Ctrl-C end the command with a sentence; the file appears only when it is complete."""
    try:
        yield
    except KeyboardInterrupt:
        done = sum(len(job.done) for job in jobs)
        tiles = len(jobs[0].plan) * planes if jobs else 0
        typer.echo(f"Stopped: {done} of {tiles} tiles were done, nothing was written.", err=True)
        raise typer.Exit(130) from None


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True))


def _follow(job: Job, progress: Progress, prefix: str) -> None:
    """Run one job to its end and show its events."""
    from napari_exactile.geometry.interval import lengths
    from napari_exactile.run.events import Measuring, Ready, TileFinished, TileHalved

    for task in progress.task_ids:
        progress.remove_task(task)
    task = progress.add_task(f"{prefix}Measuring image", total=1.0)
    for event in job.run():
        match event:
            case Measuring(fraction):
                progress.update(task, completed=fraction)
            case Ready(tiles, done):
                progress.update(task, description=f"{prefix}Tiles", total=tiles, completed=done)
            case TileFinished():
                progress.advance(task)
            case TileHalved(zone):
                progress.console.print(f"Not enough memory: zones are now {lengths(zone)} px", markup=False)


def _stacked(jobs: Sequence[Job], shape: tuple[int, ...]) -> Any:
    import numpy as np

    planes = [job.labels for job in jobs if job.labels is not None]
    return np.stack(planes).reshape(*shape, *planes[0].shape) if shape else planes[0]


def _layer_table(analysis: Analysis) -> Table:
    from rich.table import Table
    from rich.text import Text

    from napari_exactile.run.summary import sides

    table = Table("operator", "place", "channels", "stride", "context", "million multiply-adds")
    for column in table.columns[2:]:
        column.justify = "right"
    for layer in analysis.layers:
        stride = ", ".join(dict.fromkeys(layer.stride))
        work = f"{layer.multiply_accumulates / 1e6:,.0f}"
        cells = (layer.operator, layer.place, str(layer.channels), stride, sides(layer.context), work)
        table.add_row(*map(Text, cells))
    return table


def _pairs(lines: Sequence[tuple[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in lines:
        table.add_row(Text(name), Text(value, overflow="fold"))
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console().print(table)
