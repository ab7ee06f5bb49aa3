"""What happens in the viewer that changes a plan: to the picked image, to the axes in view, to the camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_exactile.widget.form.settled import Settled

OF_IMAGE = "data", "scale", "translate", "units", "name"
OF_AXES = "ndisplay", "order", "current_step"


class Followed:
    """Calls `on_change` once napari has come back from a change, and `on_camera` at each move of the view.

    All methods belong to the GUI thread.
    """

    def __init__(
        self, viewer: ViewerModel, settled: Settled, on_change: Callable[[], None],
        on_camera: Callable[[], None],
    ) -> None:  # fmt: skip
        self._viewer, self._settled = viewer, settled
        self._on_change, self._on_camera = on_change, on_camera
        self._image: Image | None = None
        for emitter, callback in self._connections():
            emitter.connect(callback)

    def image(self, layer: Image | None) -> None:
        """Follow this image from now on, and no other."""
        if layer is self._image:
            return
        for emitter in self._of_image():
            emitter.disconnect(self._changed)
        self._image = layer
        for emitter in self._of_image():
            emitter.connect(self._changed)

    def leave(self) -> None:
        """Let go of the viewer."""
        self.image(None)
        for emitter, callback in self._connections():
            emitter.disconnect(callback)

    def _of_image(self) -> list[Any]:
        return [] if self._image is None else [self._image.events[name] for name in OF_IMAGE]

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        dims, camera = self._viewer.dims.events, self._viewer.scene.camera.events
        return [
            *((dims[name], self._changed) for name in OF_AXES),
            *((emitter, self._moved) for emitter in (camera.center, camera.zoom)),
        ]

    def _changed(self, event: Any = None) -> None:
        self._settled.call(self._on_change)

    def _moved(self, event: Any = None) -> None:
        self._on_camera()
