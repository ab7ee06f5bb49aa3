"""`exactile preview`: what the usual tiling gets wrong with a radius, before anybody relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_exactile.cli.common import (
    CSV,
    IMAGE_HELP,
    MISSING_HELP,
    MODEL_HELP,
    PICTURE,
    SERIES_HELP,
    TIFF,
    check_file,
    check_not_image,
    opened_image,
    pairs,
    plain_errors,
    print_out,
    progress_bar,
    stoppable,
    tell_doubts,
)
from napari_exactile.cli.sweeps import save_sweep, sweep_remarks, sweep_table
from napari_exactile.geometry.words import counted, spans, times

if TYPE_CHECKING:
    from napari_exactile import ImageSource, Model, OpenedImage, Sweep, TilingError
    from napari_exactile.network.derived import Derived

DEFAULT_TILE = 512
Lines = list[tuple[str, str]]


def preview(  # noqa: PLR0913, PLR0917  (one argument is one option)
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help=f"{IMAGE_HELP} The first plane counts.")],
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    radius: Annotated[int | None, typer.Option(metavar="N", help="Context (radius) in pixels.")] = None,
    sweep: Annotated[
        str | None, typer.Option(metavar="radius|offset", help="Instead of --radius: many, as a table.")
    ] = None,
    tile: Annotated[
        int | None, typer.Option(metavar="N", help=f"Tile size in pixels. (default: {DEFAULT_TILE})")
    ] = None,
    zone: Annotated[
        int | None,
        typer.Option(metavar="N", help="Zone size, instead of --tile."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="y0:y1,x0:x1", help="Pixels that are compared. (default: the whole image)"),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    normalization: Annotated[str, typer.Option(metavar="model|z-score|none")] = "model",
    ignore: Annotated[
        float | None, typer.Option(metavar="VALUE", help="Leave pixels of this value out of the statistics.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option(metavar="zcyx", help="The file's axes, where it names them wrongly.")
    ] = None,
    series: Annotated[str | None, typer.Option(metavar="N|NAME", help=SERIES_HELP)] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help=MISSING_HELP)] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the sweep's table.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the sweep.")] = None,
    error_map: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE.tif", help="Write each pixel's largest difference."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace these files.")] = False,
) -> None:
    """Measure what the usual tiling gets wrong with a radius, against the exact result.

    The usual tiling sends every tile through the network alone. Too small a radius changes labels; this says
    how many. Nothing is segmented.
    """
    _check_choice(radius, sweep, tile, zone)
    with plain_errors(), stoppable():
        check_file(csv, CSV, "the table is", overwrite)
        check_file(plot, PICTURE, "the plot is", overwrite)
        check_file(error_map, TIFF, "the map is", overwrite)
        _check_use(sweep, csv or plot, error_map)
        settings: dict[str, Any] = {"normalization": normalization, "ignore": ignore, "device": device}
        settings |= {"tile": DEFAULT_TILE if tile is None else tile, "zone": zone, "window": _window(window)}
        opened = opened_image(image, axes, series, allow_missing)
        for file, what in ((csv, "the table"), (plot, "the plot"), (error_map, "the map")):
            check_not_image(file, opened, what)
        subject = _subject(opened, model)
        if radius is not None:
            _preview_radius(subject, radius, settings, error_map)
        elif sweep is not None:
            _preview_sweep(subject, sweep, settings, csv, plot)


@dataclass(frozen=True, slots=True)
class _Subject:
    """An image that has been opened, and the model: what every comparison is about."""

    source: ImageSource
    name: str
    pixel_size: tuple[float, ...] | None
    model: Model
    analysis: Derived
    note: str

    def lines(self) -> Lines:
        """Return the facts that hold whatever the radius."""
        from napari_exactile.run.words.summary import analysis_lines

        size = times(self.source.shape)
        known = dict(analysis_lines(self.analysis, self.model.name))
        wanted = ("model", "size factor (F)", "context", "paper's Eq. 1")
        facts = [(name, known[name]) for name in wanted]
        facts.insert(3, ("radius needed", known["radius"]))
        scale = self.model.card.scale_warning(self.pixel_size)
        warning = [("warning", scale)] if scale else []
        return [("image", f"{self.name}{self.note}, {size} px"), *facts, *warning]


def _subject(image: OpenedImage, model: str) -> _Subject:
    """Open the model, and find out what it needs for an image."""
    from napari_exactile import analyse, load_model
    from napari_exactile.images.planes import stack_of
    from napari_exactile.network.analysis import require_derived

    loaded = load_model(model)
    planes = stack_of(image.array, loaded.card.channels, image.axes, image.name, "yx")
    source = planes.sources[0]
    analysis = require_derived(analyse(loaded, source.shape))
    note = f" (the first of {counted(len(planes.sources), 'plane')})" if planes.shape else ""
    tell_doubts(loaded.card, image.pixel_size)
    return _Subject(source, getattr(source, "name", image.name), image.pixel_size, loaded, analysis, note)


def _preview_radius(subject: _Subject, radius: int, settings: dict[str, Any], out: Path | None) -> None:
    from napari_exactile import tiling_error

    with progress_bar() as progress:
        progress.add_task("Comparing with the exact result", total=None)
        error = tiling_error(subject.source, subject.model, radius=radius, **settings)
    lines = [*subject.lines(), *_tiling_lines(error), *_error_lines(error)]
    if out is not None:
        _save_map(out, error, subject)
        lines.append(("map", str(out)))
    print_out(pairs(lines))


def _tiling_lines(error: TilingError) -> Lines:
    from napari_exactile.geometry.words import lengths

    tile = [zone + 2 * radius for zone, radius in zip(error.zone, error.radius, strict=True)]
    sides = zip("yx", error.window, strict=True)
    window = ", ".join(f"{axis} {side.start}..{side.stop}" for axis, side in sides)
    return [
        ("context (radius)", f"{lengths(error.radius)} px, as compared here"),
        ("zone (ZoR)", f"{lengths(error.zone)} px"),
        ("tile", f"{lengths(tile)} px"),
        ("window", f"{window}: {counted(error.difference.pixels, 'pixel')}"),
    ]


def _error_lines(error: TilingError) -> Lines:
    from napari_exactile.evaluate.words import error_remarks, error_sentence

    return [
        ("geometry", _geometry(error)),
        ("error", error_sentence(error)),
        ("RMSE", f"{error.rmse:.2g}"),
        ("largest difference", f"{error.max_abs_difference:.2g}"),
        ("near-ties", f"{error.near_ties} of the pixels that differ"),
        *(("note", remark) for remark in error_remarks(error)),
    ]


def _geometry(error: TilingError) -> str:
    """Return whether tiles see all that they need, where they need it, and if not, what would do."""
    from napari_exactile.geometry.words import lengths

    needed, radius = lengths(error.required), lengths(error.radius)
    if error.exact:
        return "exact: each tile sees all that its zone depends on"
    if error.on_grid:
        return f"NOT EXACT: the radius is {radius} px, but this model needs {needed} px"
    return (
        f"NOT EXACT: the radius is {radius} px, but this model needs {needed} px "
        f"or more, in multiples of {lengths(error.tiling.factor)} px"
    )


def _save_map(out: Path, error: TilingError, subject: _Subject) -> None:
    from napari_exactile.geometry.words import lengths
    from napari_exactile.images.store.tiff import save_values

    window = spans(error.window)
    note = f"largest difference of a score, radius {lengths(error.radius)} px, pixels {window}"
    size = subject.pixel_size and subject.pixel_size[-2:]
    save_values(out, error.error_map, size, note)


def _preview_sweep(
    subject: _Subject, kind: str, settings: dict[str, Any], csv: Path | None, plot: Path | None
) -> None:
    from napari_exactile import offset_sweep, radius_sweep

    values = _values(kind, subject.analysis)
    with progress_bar() as progress:
        task = progress.add_task("Computing the exact result", total=len(values))

        def follow(sweep: Sweep) -> None:
            progress.update(task, description=f"Comparing each {kind}", completed=len(sweep.points))

        measure: Callable[..., Sweep] = radius_sweep if kind == "radius" else offset_sweep
        asked = {"radii" if kind == "radius" else "offsets": values}
        sweep = measure(subject.source, subject.model, on_measured=follow, **asked, **settings)
    print_out(sweep_table(sweep))
    shown = [*subject.lines(), ("window", counted(sweep.pixels, "pixel")), *sweep_remarks(sweep)]
    print_out(pairs([*shown, *save_sweep(sweep, csv, plot)]))


def _values(kind: str, analysis: Derived) -> Sequence[int]:
    """Return 0, F, ..., required + 2 F for radii, and 0, 1, ..., 2 F for offsets."""
    factor, needed = max(analysis.factor), max(analysis.radius)
    return range(0, needed + 2 * factor + 1, factor) if kind == "radius" else range(2 * factor + 1)


def _check_choice(radius: int | None, sweep: str | None, tile: int | None, zone: int | None) -> None:
    if (radius is None) == (sweep is None):
        raise typer.BadParameter("give either --radius or --sweep")
    if tile is not None and zone is not None:
        raise typer.BadParameter("give either --tile or --zone")
    if sweep not in {None, "radius", "offset"}:
        raise typer.BadParameter(f"--sweep is one of radius, offset, not {sweep!r}")


def _check_use(sweep: str | None, of_sweep: Path | None, error_map: Path | None) -> None:
    """Refuse files that the chosen comparison does not make."""
    if sweep is None and of_sweep is not None:
        raise ValueError("--csv and --plot are of a sweep: add --sweep radius instead of --radius")
    if sweep is not None and error_map is not None:
        raise ValueError("--map is of one radius: add --radius instead of --sweep")


def _window(text: str | None) -> Iterable[tuple[int, int]] | None:
    """Return the (start, stop) per axis that "0:100,20:80" means."""
    if text is None:
        return None
    try:
        sides = [side.split(":") for side in text.split(",")]
        return [(int(start), int(stop)) for start, stop in sides]
    except ValueError:
        raise typer.BadParameter(f"--window takes pixels such as 0:512,100:612, not {text!r}") from None
