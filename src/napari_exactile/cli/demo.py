"""`exactile demo`: the dock on a sample image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    screenshot: Annotated[Path | None, typer.Option(help="Save a picture of the window and quit.")] = None,
) -> None:
    """Open napari and segment a sample image."""
    from napari_exactile.widget.demo import run_demo

    run_demo(screenshot)
