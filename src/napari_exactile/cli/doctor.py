"""`exactile doctor`: what those who are asked for help must know of an installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_exactile.cli.common import plain_errors


def doctor(
    store: Annotated[
        Path | None,
        typer.Argument(
            metavar="[STORE]", help="Labels that `segment` wrote (.ome.zarr): tell their report, too."
        ),
    ] = None,
) -> None:
    """Tell versions, devices, memory and free disk as text, to be sent to those who are asked for help.

    It names no person, folder or file.
    """
    with plain_errors():
        from napari_exactile.run.store.report_file import earlier_report
        from napari_exactile.run.words.diagnostics import diagnostics

        report = None
        if store is not None and not (report := earlier_report(store)):
            raise ValueError(f"{store} holds no report: name a store that `exactile segment` wrote")
        typer.echo(diagnostics(report=report, folders=[store.parent if store else Path()]), nl=False)
