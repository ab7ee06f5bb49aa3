"""Model files that are dropped onto napari, or opened by File > Open, are offered to the dock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_exactile.widget.open.model_files import is_model_file

if TYPE_CHECKING:
    from napari_exactile.widget.dock import ExactileDock

PLUGIN, WIDGET = "napari-exactile", "Exact segmentation"
NO_LAYERS = [(None,)]
"""What napari takes for a file that was read, and has no layers."""


def get_reader(path: str | list[str]) -> Callable[[str], list[tuple[None]]] | None:
    """Return what offers a model file to the dock; None for stacks, folders and files that hold no model.

    Reads a few bytes, and imports nothing heavy: napari asks this for many kinds of files.
    """
    return offer if isinstance(path, str) and is_model_file(Path(path)) else None


def offer(path: str) -> list[tuple[None]]:
    """Open a model in the dock of the current viewer, and the dock where there is none.

    Raises ValueError where napari has no window.
    """
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        raise ValueError(f"{path} is a model: open it in a window of napari")
    dock_of(viewer).opener.open(Path(path))
    return NO_LAYERS


def dock_of(viewer: Any) -> ExactileDock:
    """Return the viewer's dock, shown; it is added where there is none."""
    from napari_exactile.widget.dock import ExactileDock

    docks = [dock for dock in viewer.window.dock_widgets.values() if isinstance(dock, ExactileDock)]
    dock: ExactileDock = docks[0] if docks else viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)[1]
    dock.parentWidget().show()
    dock.parentWidget().raise_()
    return dock
