"""Layers that the overlay owns: where they lie, and how they are made once, changed, hidden and made anew."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.transforms import Affine

from napari_exactile.widget.form.unlisted import unlist
from napari_exactile.widget.form.world import factors
from napari_exactile.widget.work.busy import busy

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the last axes of an image, y and x or z, y and x, lie in the world, and in which units."""

    scale: tuple[float, ...] = (1.0, 1.0)
    translate: tuple[float, ...] = (0.0, 0.0)
    units: tuple[Any, ...] | None = None
    axis_labels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, layer: Layer, axes: int = 2) -> Frame:
        """Return the frame of a layer's last axes.

        Raises ValueError where these are rotated or sheared: tiles would be drawn in the wrong place.
        """
        own = Affine(scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear)
        matrix = np.asarray(layer.affine.affine_matrix) @ own.affine_matrix
        linear = matrix[:-1, :-1]
        mixed = linear - np.diag(np.diag(linear))
        if mixed[-axes:].any() or mixed[:, -axes:].any():
            raise ValueError(f"the image {layer.name!r} is rotated or sheared: its tiles cannot be drawn")
        scale, translate = np.diag(linear)[-axes:].tolist(), matrix[-axes - 1 : -1, -1].tolist()
        return cls(
            tuple(scale), tuple(translate), tuple(layer.units[-axes:]), tuple(layer.axis_labels[-axes:])
        )

    def shown_in(self, viewer: ViewerModel) -> Frame:
        """Return the frame in the units of the viewer's world, in which camera, cursor and dims are."""
        times = factors(viewer, self.units) if self.units else (1.0,) * len(self.scale)
        scale, translate = np.multiply(self.scale, times), np.multiply(self.translate, times)
        return replace(self, scale=tuple(scale.tolist()), translate=tuple(translate.tolist()))

    def even(self, viewer: ViewerModel) -> tuple[Frame, tuple[float, ...]]:
        """Return a frame here whose units are as long along all axes, and how many of them a pixel is.

        What has a width, such as a line, is as wide along all axes there, also where z is coarse.
        """
        shown = np.abs(self.shown_in(viewer).scale)
        steps = tuple((shown / shown.min()).tolist())
        scale = tuple(one / step for one, step in zip(self.scale, steps, strict=True))
        return replace(self, scale=scale), steps

    def width(self, viewer: ViewerModel, pixels: float) -> float:
        """Return the width of a line of so many pixels of the screen, in pixels of the image."""
        scale = self.shown_in(viewer).scale
        return float(pixels / viewer.scene.camera.zoom / abs(np.prod(scale)) ** (1 / len(scale)))

    @property
    def flat(self) -> Frame:
        """The frame of y and x alone."""
        units, labels = self.units and self.units[-2:], self.axis_labels and self.axis_labels[-2:]
        return Frame(self.scale[-2:], self.translate[-2:], units, labels)

    def shifted(self, pixels: tuple[float, ...]) -> Frame:
        """Return the frame of data that starts at `pixels` of this one."""
        moved = (t + s * p for t, s, p in zip(self.translate, self.scale, pixels, strict=True))
        return Frame(self.scale, tuple(moved), self.units, self.axis_labels)

    def position(self, world: Sequence[float]) -> tuple[float, ...]:
        """Return where a point in the world lies, in pixels from the image's corner; its last axes count."""
        axes = zip(world[-len(self.scale) :], self.translate, self.scale, strict=True)
        return tuple((w - t) / s + 0.5 for w, t, s in axes)

    def pixel(self, world: Sequence[float]) -> tuple[int, ...]:
        """Return the pixel at a point in the world, of which the last coordinates count."""
        return tuple(int(np.floor(place)) for place in self.position(world))

    def as_arguments(self) -> dict[str, Any]:
        """Return what a layer's constructor takes, by name."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}

    def apply(self, layer: Layer) -> None:
        """Move a layer into this frame; what it has already is left alone, as each change costs a redraw."""
        for name, value in self.as_arguments().items():
            if tuple(getattr(layer, name)) != tuple(value):
                setattr(layer, name, value)


OWN = "napari-exactile: own"
"""Marks in their metadata the layers that the dock draws: they are no images to segment."""

RESULT = "napari-exactile: result"
"""Marks images that a run gave: they can be segmented, but nobody is led to that."""

RELEASED = "napari-exactile: released"
"""Where a layer's metadata say which part of an overlay it was, once that overlay has let go of it."""


class OwnLayer:
    """One layer of the overlay: made on first use, changed from then on, made anew where a person deleted it.

    `make` takes a name and a frame as keyword arguments and returns an empty layer; it is put under `below`.
    An `optional` one is made hidden, and comes back as the person had left it: their eye icon decides. One
    that is not `listed` stays out of napari's list of layers, in which there would be more of ours than
    theirs.
    """

    def __init__(
        self, viewer: ViewerModel, name: str, make: Callable[..., Layer], below: OwnLayer | None = None,
        *, optional: bool = False, listed: bool = True,
    ) -> None:  # fmt: skip
        self._viewer, self._listed = viewer, listed
        self._name = name
        self._make = make
        self._below = below
        self._layer: Layer | None = None
        self._drawn: Hashable = None
        self._optional, self._hidden, self._wanted = optional, False, not optional

    @property
    def layer(self) -> Layer | None:
        """The layer while it is in the viewer."""
        return self._layer if self._layer in self._viewer.layers else None

    def draw(self, frame: Frame, key: Hashable, paint: Callable[[Layer], None]) -> None:
        """Show the layer in its frame; call `paint` only where what it shows (`key`) has changed."""
        layer = self.layer or self._take_over() or self._add(frame)
        wanted = self._wanted if self._hidden else layer.visible
        frame.apply(layer)
        if key != self._drawn:
            # napari keeps the extent of a hidden layer whose data change.
            layer.visible = True
            paint(layer)
            self._drawn = key
        layer.visible, self._hidden = wanted, False

    def restyle(self, width: float) -> None:
        """Change the line width of a layer of shapes, where the difference can be seen."""
        layer = self.layer
        if layer is None or self._hidden or np.allclose(layer.edge_width, width, rtol=0.02):
            return
        layer.edge_width = width
        layer.refresh(extent=False, thumbnail=False, highlight=False)

    def hide(self, *, erase: bool = False) -> None:
        """Hide the layer, and empty it if `erase`."""
        if (layer := self.layer) is None:
            return
        if self._optional and not self._hidden:
            self._wanted = layer.visible
        if erase and self._drawn is not None:
            layer.visible, layer.data = True, self._make(self._name).data  # visible: see above
            self._drawn = None
        layer.visible, self._hidden = False, True

    def remove(self) -> None:
        """Take the layer out of the viewer: hidden, it would still keep the viewer's axes."""
        if (layer := self.layer) is not None:
            self._viewer.layers.remove(layer)
        self._layer = None

    def release(self) -> None:
        """Leave the layer to the next overlay, empty and hidden.

        It is not removed: with Mesa's software renderer, a layer of shapes takes the process down with it.
        """
        if (layer := self.layer) is not None:
            self.hide(erase=True)
            layer.metadata[RELEASED] = self._name, self._wanted
        self._layer = None

    def _take_over(self) -> Layer | None:
        """Return the layer that an earlier overlay has left in the viewer, if there is one."""
        for layer in self._viewer.layers:
            name, wanted = layer.metadata.get(RELEASED, ("", True))
            if name == self._name:
                del layer.metadata[RELEASED]
                self._layer, self._drawn, self._hidden, self._wanted = layer, None, True, wanted
                return layer
        return None

    def _add(self, frame: Frame) -> Layer:
        layer = self._make(self._name, **frame.as_arguments())
        layer.visible, layer.editable = self._wanted, False
        layer.metadata[OWN] = True
        # napari makes a layer editable again whenever its data or the number of displayed axes change.
        layer.events.editable.connect(_keep_fixed)
        above = self._below.layer if self._below else None
        layers = self._viewer.layers
        with busy(), selection_kept(self._viewer):
            layers.insert(len(layers) if above is None else layers.index(above), layer)
        if not self._listed:
            unlist(layer)
        self._layer, self._drawn, self._hidden = layer, None, False
        return layer


def _keep_fixed(event: Any) -> None:
    event.source.editable = False


def follow_units(viewer: ViewerModel) -> None:
    """Give hidden layers of ours the units of the others: beside one of unlike units, napari heeds none."""
    theirs = max((one for one in viewer.layers if OWN not in one.metadata), key=_axes, default=None)
    for layer in viewer.layers if theirs is not None else ():
        if OWN in layer.metadata and not layer.visible:
            units = theirs.units[-layer.ndim :]
            whole = (*layer.units[: layer.ndim - len(units)], *units)
            if whole != tuple(layer.units):
                layer.units = whole


def raise_over(viewer: ViewerModel, image: Layer) -> None:
    """Move layers of ours that lie under an image onto the top, as they would not be seen."""
    place = viewer.layers.index(image)
    under = [i for i, layer in enumerate(viewer.layers) if i < place and OWN in layer.metadata]
    if under:
        with selection_kept(viewer):
            viewer.layers.move_multiple(under, len(viewer.layers))


def _axes(layer: Layer) -> int:
    return int(layer.ndim)


@contextmanager
def selection_kept(viewer: ViewerModel) -> Iterator[None]:
    """Give the person's selection back after the block: napari selects each layer that is added."""
    selection = viewer.layers.selection
    chosen = set(selection)
    try:
        yield
    finally:
        if set(selection) != chosen:
            selection.clear()
            selection.update(chosen)


MARK = "exactile"
