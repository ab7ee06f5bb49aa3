"""Model files that are dropped onto napari, or opened by File > Open, are offered to the dock."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

if TYPE_CHECKING:
    from napari_exactile.widget.dock import ExactileDock

PLUGIN, WIDGET = "napari-exactile", "Exact segmentation"
PATTERNS = ("*.pt", "*.pth", "*.ts", "*.torchscript", "*.pt2", "*.safetensors", "*.zip", "*.yaml")
"""What models are called; the manifest names the same."""
NO_LAYERS = [(None,)]
"""What napari takes for a file that was read, and has no layers."""
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
# At the top level of YAML, or of JSON, which is YAML too.
MODEL = re.compile(rb"""(^|[{,]\s*)['"]?type['"]?\s*:\s*['"]?model\b""", re.MULTILINE)
HEAD = 1 << 16
"""Bytes that are enough to tell."""


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


def is_model_file(path: Path) -> bool:
    """Tell whether a file holds a model, by its name and first bytes: weights and videos share endings."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        match path.suffix.lower():
            case ".pt" | ".pth":
                return head.startswith((ZIP, PICKLE))
            case ".ts" | ".torchscript" | ".pt2":
                return head.startswith(ZIP)
            case ".safetensors":
                return head[8:9] == b"{"  # after the length of the header that it begins
            case ".yaml":
                return MODEL.search(head) is not None
            case ".zip":
                return _describes_a_model(path)
    except OSError:
        pass
    return False


def _describes_a_model(path: Path) -> bool:
    try:
        with ZipFile(path) as archive:
            texts = [name for name in archive.namelist() if name.endswith(DESCRIPTIONS)]
            return any(MODEL.search(archive.open(name).read(HEAD)) for name in texts)
    except BadZipFile:
        return False
