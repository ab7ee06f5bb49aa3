"""The command `exactile`: the same jobs as in the dock, without a screen.

Whatever takes long to import is imported where it is used, so that help and mistakes answer at once.
"""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from napari_exactile.cli import compare, demo, doctor, inspect, preview, reproduce, settings, verify
from napari_exactile.cli.segmenting import command
from napari_exactile.version import __version__

app = typer.Typer(
    help="Exact tiled segmentation: the labels of one pass over the whole image, whatever its size.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(inspect.inspect)
app.command()(command.segment)
app.command()(settings.settings)
app.command()(verify.verify)
app.command()(preview.preview)
app.command()(compare.compare)
app.command()(reproduce.reproduce)
app.command()(demo.demo)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line.

    What a console or a pipe has no letters for is written as numbers, and whoever ends it from outside stops
    it like Ctrl-C, so that what is done is kept, and half a file is not.
    """
    for stream in sys.stdout, sys.stderr:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="exactile")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"exactile {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
