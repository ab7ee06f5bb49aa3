"""`exactile inspect`: what a model needs, without an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from napari_exactile.cli.common import MODEL_HELP, pairs, plain_errors, print_out

if TYPE_CHECKING:
    from rich.table import Table

    from napari_exactile.network.derived import Derived


def inspect(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    shape: Annotated[str, typer.Option(metavar="[D,]H,W", help="Size of the image in pixels.")] = "2048,2048",
    check: Annotated[bool, typer.Option("--check", help="Run the test of a bioimage.io package.")] = False,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Import the code that a bioimage.io package brings.")
    ] = False,
) -> None:
    """Say what a model needs and whether it can be exact; no pixel is touched but those of its own test."""
    with plain_errors():
        from napari_exactile import analyse, check_model, load_model
        from napari_exactile.network.analysis import require_derived
        from napari_exactile.run.plan.sizes import size_notes
        from napari_exactile.run.words.card import output_words
        from napari_exactile.run.words.summary import analysis_lines

        loaded = load_model(model, trust_code=trust_code)
        analysis = require_derived(analyse(loaded, _shape(shape)))
        print_out(_layer_table(analysis))
        notes = [("declared", note) for note in size_notes(loaded.card, analysis)]
        notes += [("note", note) for note in loaded.card.notes]
        *facts, result = analysis_lines(analysis, loaded.name)
        print_out(pairs([*facts, ("gives", output_words(loaded.card, analysis)), *notes, result]))
        if check:
            print_out(pairs([("test", line) for line in check_model(loaded).describe().splitlines()]))


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(length) for length in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--shape takes numbers of pixels such as 2048,2048, not {text!r}") from None


def _layer_table(analysis: Derived) -> Table:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from napari_exactile.network.layers import HEADINGS, table

    # A border and a space stand on either side of every column.
    headings, *rows = table(analysis.layers, Console().width - 1, gap=3)
    columns = Table(*headings)
    for heading, column in zip(headings, columns.columns, strict=True):
        column.no_wrap = True
        column.justify = "left" if heading in HEADINGS[:2] else "right"
    for row in rows:
        columns.add_row(*map(Text, row))
    return columns
