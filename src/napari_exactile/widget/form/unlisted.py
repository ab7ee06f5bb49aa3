"""Layers that are no layers of the person's: they stay out of napari's list, and are switched in the dock."""

from __future__ import annotations

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QListView

# napari's list of layers, among the lists of its windows.
LIST = "QtLayerList"


def unlist(layer: Layer) -> None:
    """Leave a layer out of the list of its window, wherever it is moved later."""
    if QApplication.instance() is None:
        return
    views = (view for window in QApplication.topLevelWidgets() for view in window.findChildren(QListView))
    for view in views:
        if type(view).__name__ != LIST:
            continue
        model = view.model()
        for row in range(model.rowCount()):
            if model.index(row, 0).data(Qt.ItemDataRole.UserRole) is layer:
                view.setRowHidden(row, True)
