"""Whether the layers that a run reads still show the pixels that it began with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from napari.layers import Image

from napari_exactile.widget.draw.planes import data_of


class WatchedPixels:
    """Knows the arrays of some layers, and tells `on_change` when one gets another, or changed, array.

    All methods belong to the GUI thread.
    """

    def __init__(self, layers: Sequence[Image], on_change: Callable[[str], None]) -> None:
        self._pixels = [(layer, data_of(layer)) for layer in layers]
        self._on_change = on_change

    @property
    def replaced(self) -> str:
        """The name of a layer that shows another array now; "" where none does."""
        return next((layer.name for layer, pixels in self._pixels if data_of(layer) is not pixels), "")

    def follow(self) -> None:
        """Tell of changes from now on, with the name of the layer."""
        for layer, _pixels in self._pixels:
            layer.events.data.connect(self._on_data)

    def leave(self) -> None:
        """Tell of none any more."""
        for layer, _pixels in self._pixels:
            layer.events.data.disconnect(self._on_data)

    def _on_data(self, event: Any) -> None:
        self._on_change(event.source.name)
