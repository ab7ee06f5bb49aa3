"""Layers whose units cannot be compared: said once, and not at every layer that is added."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.utils.notifications import notification_manager, show_warning

# How napari's own warning begins, which comes with each layer that is added, changed or removed.
NAPARIS = "Inconsistent units across layers"


class MixedUnits:
    """Says in place of napari what mixed units mean, once for as long as they are mixed in the same way.

    All methods belong to the GUI thread.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer, self._told, self._listens = viewer, frozenset[str](), True
        notification_manager.notification_ready.connect(self._on_notification, position="first")

    def leave(self) -> None:
        """Leave warnings to napari again."""
        if self._listens:
            notification_manager.notification_ready.disconnect(self._on_notification)
        self._listens = False

    def _on_notification(self, notification: Any) -> None:
        layers = self._viewer.layers
        if not notification.message.startswith(NAPARIS) or not layers or layers.extent.units is not None:
            return  # of another viewer
        units = frozenset(str(unit) for layer in layers for unit in layer.units)
        notification.blocked = True
        if units != self._told:
            self._told = units
            show_warning(
                f"Layers have units that cannot be compared ({', '.join(sorted(units))}): as long as that is "
                "so, napari shows all of them as if they had none, and their sizes do not fit each other."
            )
