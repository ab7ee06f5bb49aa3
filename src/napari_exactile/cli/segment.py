"""`exactile segment`: the labels of a TIFF file of any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_exactile.cli.common import (
    MODEL_HELP,
    TIFF,
    check_file,
    check_not_image,
    pairs,
    plain_errors,
    print_out,
    progress_bar,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from napari_exactile.run.series import Series
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


def segment(  # noqa: PLR0913, PLR0917  (one argument is one option)
    image: Annotated[Path, typer.Argument(metavar="IMAGE.tif", help="A TIFF file: a plane or a stack.")],
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    out: Annotated[
        Path | None, typer.Option(metavar="LABELS.tif", help="[default: IMAGE_labels.tif, beside the image]")
    ] = None,
    tile: Annotated[str, typer.Option(metavar="N|auto", help="Tile size in pixels.")] = "auto",
    radius: Annotated[str, typer.Option(metavar="N|auto", help="Context (radius) in pixels.")] = "auto",
    method: Annotated[
        str,
        typer.Option(
            metavar="trimmed|whole-tile|approximate",
            help="An undersized radius needs whole-tile, a model that cannot be exact approximate.",
        ),
    ] = "trimmed",
    factor: Annotated[
        str, typer.Option(metavar="N|auto", help="Approximate tiles have multiples of so many pixels.")
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    normalization: Annotated[str, typer.Option(metavar="model|z-score|none")] = "model",
    memory_limit: Annotated[
        str | None, typer.Option(metavar="2GB", help="Memory that automatic tiles may take.")
    ] = None,
    scratch_limit: Annotated[
        str | None, typer.Option(metavar="20GB", help="What may be kept between several passes, on disk too.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option(metavar="zcyx", help="The file's axes, where it names them wrongly.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file --out.")] = False,
) -> None:
    """Segment a TIFF file of any size and write the labels as a tiled OME-TIFF.

    The planes of a stack are segmented one by one, each with its own normalisation.
    """
    with plain_errors():
        out = out or image.with_name(f"{image.stem}_labels.tif")
        check_not_image(out, image, "the labels")
        check_file(out, TIFF, "labels are", overwrite)
        settings = _settings(
            tile=_number("--tile", tile),
            radius=_number("--radius", radius),
            method=method,
            factor=_number("--factor", factor),
            device=device,
            normalization=normalization,
            memory_limit=_bytes("--memory-limit", memory_limit),
            scratch_limit=_bytes("--scratch-limit", scratch_limit),
        )
        _segment_file(image, model, out, settings, axes)


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


def _bytes(option: str, text: str | None) -> int | None:
    """Return the bytes that "2GB", "512 MiB" or "1000000" mean."""
    if text is None:
        return None
    number = text.strip().upper()
    unit = next((unit for unit in BYTES if number.endswith(unit)), "")
    try:
        return int(float(number.removesuffix(unit)) * BYTES.get(unit, 1))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{option} takes bytes such as 2GB, not {text!r}") from None


def _segment_file(image: Path, model: str, out: Path, settings: Settings, axes: str | None) -> None:
    from napari_exactile.images.tiff import open_tiff, save_labels
    from napari_exactile.run.api import make_series
    from napari_exactile.run.summary import description, summary_lines

    opened = open_tiff(image)
    series = make_series(opened.array, model, (axes or opened.axes).lower(), settings, image.name)
    with _stoppable(series):
        with progress_bar() as progress:
            _follow(series, progress)
        report, planes, grid = series.report(), series.planes, series.analysis.grid
        names = series.model.card.class_names(series.job.classes)
        pixel_size = opened.pixel_size and grid.pixel_size(opened.pixel_size)
        if series.labels is None:
            raise ValueError(
                "the model gives values, not labels: only scripts and the dock can keep them yet"
            )
        save_labels(out, series.labels, names, pixel_size, axes=planes.axes, note=description(report))
    print_out(pairs([*summary_lines(report, image.name), ("labels", str(out))]))


@contextmanager
def _stoppable(series: Series) -> Iterator[None]:
    """Let Ctrl-C end the command with a sentence; the file appears only when it is complete."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"Stopped: {series.done} of {series.tiles} tiles were done, nothing was written.", err=True
        )
        raise typer.Exit(130) from None


def _follow(series: Series, progress: Progress) -> None:
    """Run to the end and show what happens."""
    from napari_exactile.geometry.interval import lengths
    from napari_exactile.run.events import (
        Measuring,
        PlaneStarted,
        Ready,
        Surveying,
        TileFinished,
        TileHalved,
    )

    prefix = ""
    task = progress.add_task("Measuring image", total=1.0)
    for event in series.run():
        match event:
            case PlaneStarted(number, planes):
                prefix = f"Plane {number} of {planes}: "
            case Measuring(fraction):
                progress.update(task, description=f"{prefix}Measuring image", total=1.0, completed=fraction)
            case Surveying(number, passes, done, tiles):
                words = f"{prefix}Pass {number} of {passes} before the labels"
                progress.update(task, description=words, total=tiles, completed=done)
            case Ready(tiles, done):
                progress.update(task, description=f"{prefix}Tiles", total=tiles, completed=done)
            case TileFinished():
                progress.advance(task)
            case TileHalved(zone):
                progress.console.print(f"Not enough memory: zones are now {lengths(zone)} px", markup=False)
