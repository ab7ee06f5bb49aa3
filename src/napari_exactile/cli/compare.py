"""`exactile compare`: how far labels agree with those that somebody drew by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_exactile.cli.common import (
    CSV,
    check_file,
    check_not_image,
    opened_image,
    pairs,
    plain_errors,
    print_out,
    progress_bar,
    stoppable,
)
from napari_exactile.geometry.words import counted, times

if TYPE_CHECKING:
    from rich.table import Table

    from napari_exactile import Agreement, OpenedImage

HEADINGS = ("class", "Dice", "IoU", "pixels in labels", "in manual", "in both")


def compare(
    labels: Annotated[Path, typer.Argument(metavar="LABELS.tif", help="Labels of classes.")],
    manual: Annotated[Path, typer.Argument(metavar="MANUAL.tif", help="Labels drawn by hand.")],
    classes: Annotated[str, typer.Option(metavar="NAME,NAME,...", help="Names of the labels 0, 1, ...")] = "",
    background: Annotated[int, typer.Option(metavar="N", help="The label that the means leave out.")] = 0,
    ignore: Annotated[
        int | None, typer.Option(metavar="N", help="The label in MANUAL.tif that means: not annotated.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the table.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file --csv.")] = False,
) -> None:
    """Compare labels to manual ones of the same size: Dice and IoU of each class."""
    with plain_errors():
        check_file(csv, CSV, "the table is", overwrite)
        names = tuple(name.strip() for name in classes.split(",")) if classes else ()
        with stoppable():
            found = _compared(labels, manual, names, background, ignore, csv)
            if csv is not None:
                found.to_csv(csv)
        print_out(_table(found))
        ignored = [("not annotated", counted(found.ignored, "pixel"))] if ignore is not None else []
        facts = [(found.mean_name, f"Dice {found.rows[-1][1]}, IoU {found.rows[-1][2]}")]
        print_out(pairs([*facts, ("compared", counted(found.pixels, "pixel")), *ignored]))


def _compared(
    labels: Path, manual: Path, names: tuple[str, ...], background: int, ignore: int | None, csv: Path | None
) -> Agreement:
    from napari_exactile import agreement

    one, other = opened_image(labels, None), opened_image(manual, None)
    check_not_image(csv, one, "the table")
    check_not_image(csv, other, "the table")
    _check_pixel_sizes(one, other)
    with progress_bar() as progress:
        task = progress.add_task("Comparing", total=1.0)
        return agreement(
            one.array, other.array, names, background, ignore,
            on_progress=lambda fraction: progress.update(task, completed=fraction),
        )  # fmt: skip


def _check_pixel_sizes(one: OpenedImage, other: OpenedImage) -> None:
    """Refuse labels of another scale; files that say nothing of it, as many drawn by hand, are taken."""
    import numpy as np

    if one.pixel_size is None or other.pixel_size is None:
        return
    known = min(len(one.pixel_size), len(other.pixel_size))  # one may know the distance of its planes
    sizes = one.pixel_size[-known:], other.pixel_size[-known:]
    if not np.allclose(*sizes, rtol=1e-3):
        here, there = (times(f"{length:.4g}" for length in size) for size in sizes)
        raise ValueError(
            f"only labels of the same scale can be compared, not pixels of {here} µm with {there} µm: bring "
            "one of them to the scale of the other"
        )


def _table(found: Agreement) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(*HEADINGS)
    for column in table.columns[1:]:
        column.justify = "right"
    for one, row in zip(found.classes, found.rows, strict=False):
        table.add_row(*map(Text, (*row, str(one.labels), str(one.manual), str(one.both))))
    return table
