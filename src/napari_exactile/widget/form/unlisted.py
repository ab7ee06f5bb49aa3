"""Layers that are no layers of the person's: they stay out of napari's list, and are switched in the dock."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListView

# napari's list of layers, among the lists of its window.
LIST = "QtLayerList"


def unlist(viewer: ViewerModel, layer: Layer) -> None:
    """Leave a layer out of the list, wherever it is moved later; a viewer without a window has none."""
    window = getattr(viewer, "window", None)
    views = window._qt_window.findChildren(QListView) if window is not None else []
    for view in views:
        if type(view).__name__ != LIST:
            continue
        model = view.model()
        for row in range(model.rowCount()):
            if model.index(row, 0).data(Qt.ItemDataRole.UserRole) is layer:
                view.setRowHidden(row, True)
