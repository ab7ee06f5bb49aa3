"""`exactile settings`: the settings that made labels, for `exactile segment --settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_exactile.cli.common import check_file, plain_errors


def settings(
    report: Annotated[
        Path,
        typer.Argument(metavar="REPORT|STORE", help="A report that was saved (.json), or labels in a store."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Write a file instead of printing the settings.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Turn a report, or labels in a store, back into the settings that made them.

    They hold all that labels depend on but the image: the model, by name or by path with a hash of its files,
    and what was chosen. `exactile segment IMAGE --settings FILE` does the same to another image.
    """
    with plain_errors():
        from napari_exactile.run.store.settings_in import settings_in

        check_file(out, (".toml",), "settings are", overwrite)
        found = settings_in(report)
        if out is None:
            typer.echo(found.as_text(), nl=False)
            return
        found.save(out)
    typer.echo(f"settings in {out}")
