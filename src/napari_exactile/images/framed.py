"""An image as a network takes it, read box by box like any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.frame import Frame
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.images.source import ImageSource


@dataclass(frozen=True, slots=True, eq=False)
class FramedSource:
    """An image that a frame lays on what a network takes; only the pixels that a box shows are read."""

    image: ImageSource
    frame: Frame

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape of what the network takes."""
        return self.frame.taken

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.image.channels

    @property
    def name(self) -> str:
        """The name of the image."""
        return str(getattr(self.image, "name", "image"))

    def read(self, box: Box) -> NDArray[Any]:
        """Return the pixels in `box` of what the network takes: (channels, *box)."""
        if self.frame.inside(box):
            return self.image.read(box)
        places = [self.frame.shown(axis, side) for axis, side in enumerate(box)]
        window = tuple(Interval(min(each), max(each) + 1) for each in places)
        block = self.image.read(window)
        for axis, (each, side) in enumerate(zip(places, window, strict=True), start=1):
            block = np.take(block, np.subtract(each, side.start), axis=axis)
        return block
