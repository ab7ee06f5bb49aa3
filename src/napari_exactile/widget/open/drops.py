"""Large images, and folders of models, that are dropped onto the viewer while the dock is open.

napari's own reader claims every TIFF and every folder, and reads them whole; a second reader in the manifest
would make napari ask, at each file and folder, which one is meant. So the dock takes those drops itself that
are too large, OME-Zarr, or packages, and leaves all others to napari.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari import Viewer
from napari.plugins.utils import get_preferred_reader
from npe2 import PluginManager
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QDropEvent, QGuiApplication
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_exactile.images.about.zarr_folders import ZARR_FILES, is_zarr
from napari_exactile.widget.open.image_reader import SLIDES, add_image_or_say
from napari_exactile.widget.open.model_files import is_model_folder

# Larger images cannot be drawn at once, or take long to read: the side in pixels, and the bytes.
LARGEST_SIDE, LARGEST_BYTES = 16384, 2**30
OWN_READERS = {"napari", "napari-exactile"}
# Files of this size are looked at; smaller ones are never large enough images to matter.
SMALLEST_FILE = 2**20


class Drops(QObject):
    """Watches what is dropped onto the window in which `dock` is, for as long as the dock lives.

    `open_model` is called with the folder of a package.
    """

    def __init__(self, dock: QWidget, viewer: Viewer, open_model: Callable[[Path], None]) -> None:
        super().__init__(dock)
        self._viewer, self._open_model = viewer, open_model
        self._watched: set[int] = set()
        dock.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Open what is dropped, if it is for us; return whether it was."""
        if event is None or watched is None:
            return False
        if watched is self.parent():
            if event.type() == QEvent.Type.Show:
                self._watch(watched)
            return False
        return isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop and self._take(event)

    def _watch(self, dock: Any) -> None:
        """Find where the window takes drops: on the picture, not on docks."""
        window = dock.window()
        centre = window.centralWidget() if isinstance(window, QMainWindow) else None
        for widget in (centre, *centre.findChildren(QWidget)) if centre is not None else ():
            if widget.acceptDrops() and id(widget) not in self._watched:
                self._watched.add(id(widget))
                widget.installEventFilter(self)

    def _take(self, event: QDropEvent) -> bool:
        data = event.mimeData()
        urls = data.urls() if data is not None else []
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        # With these keys, napari stacks files or asks for a reader.
        keys = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
        if QGuiApplication.keyboardModifiers() & keys or not paths or len(paths) != len(urls):
            return False
        if not all(map(is_for_us, paths)):
            return False
        event.acceptProposedAction()
        for path in paths:
            if is_model_folder(path):
                self._open_model(path)
            else:
                add_image_or_say(self._viewer, path)
        return True


def is_for_us(path: Path) -> bool:
    """Tell whether it is a package, or an image that is large or OME-Zarr, which nobody else is to take.

    That is another plugin, or a reader that the person prefers.
    """
    readers = {reader.plugin_name for reader in PluginManager.instance().iter_compatible_readers(str(path))}
    preferred = get_preferred_reader(path)
    if readers - OWN_READERS or preferred not in {None, "napari-exactile"}:
        return False
    if path.is_dir():
        return is_zarr(path) or is_model_folder(path)
    return path.name in ZARR_FILES or path.suffix.lower() in SLIDES or is_large(path)


def is_large(path: Path) -> bool:
    """Tell whether a file is an image that is too large to be read and drawn at once; reads no pixels."""
    from napari_exactile.images.read.open import open_image

    try:
        if path.stat().st_size < SMALLEST_FILE:
            return False
        array = open_image(path, allow_missing=True).array  # what is missing is told when it is opened
    except (ValueError, OSError):
        return False
    too_wide = array.ndim > 1 and max(array.shape) > LARGEST_SIDE
    return too_wide or array.size * array.dtype.itemsize > LARGEST_BYTES
