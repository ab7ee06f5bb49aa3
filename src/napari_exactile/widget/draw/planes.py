"""The plane, volume or stack of a napari layer that is segmented, and where its channels lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_exactile.geometry.interval import Box, full_box
from napari_exactile.geometry.words import counted, member, times
from napari_exactile.images.about.opened import Place
from napari_exactile.images.grey import GREYS, Grey
from napari_exactile.images.planes import Planes, check_channels
from napari_exactile.images.source import ArraySource, ImageSource, LayeredSource, as_array
from napari_exactile.widget.draw.in_view import NotInSightError, box_in_view, displayed_axes
from napari_exactile.widget.form.world import data_at

# Where the channels lie: the axis that seems to hold them, an axis of the person's choice, nowhere, or in the
# selected layers; or what is made of a colour image for a model of one channel.
Channels = int | Literal["automatic", "none", "selected layers"] | Grey


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The plane or volume of an Image layer that is in sight: its source, and where it lies in a stack.

    `spatial` are the layer's axes that the model takes, `stack` those before them, `channel_axis` that of the
    channels (None: none, or the colours of an RGB image). `index` is the place in the stack. `layers` are all
    that the pixels are taken from, `names` theirs where the channels lie in several. `grey` is what is made
    of the colours of an RGB image.
    """

    layer: Image
    source: ImageSource
    index: tuple[int, ...]
    stack: tuple[int, ...]
    spatial: tuple[int, ...]
    channel_axis: int | None
    whole: ImageSource
    names: tuple[str, ...] = ()
    layers: tuple[Image, ...] = ()
    grey: Grey | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in pixels of the full resolution."""
        return self.source.shape

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Number of planes along each axis of the stack."""
        return tuple(data_of(self.layer).shape[axis] for axis in self.stack)

    @property
    def is_flat(self) -> bool:
        """Whether y and x are the layer's last axes, on which tiles can be drawn."""
        return self.spatial[-2:] == (self.layer.ndim - 2, self.layer.ndim - 1)

    def planes(self, everything: bool) -> Planes:
        """Return the plane in sight, or all planes of the stack."""
        shape, axes = self.stack_shape, "tqrsuvw"[: len(self.stack)] + "zyx"[-len(self.spatial) :]
        if not everything or not shape:
            return Planes((self.source,), (self.index,), shape, axes, self.source, self.pixel_size)
        indices = tuple(np.ndindex(*shape))
        sources = tuple(map(self.source.at, indices))
        return Planes(sources, indices, shape, axes, self.whole, self.pixel_size)

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """Size of a pixel along the spatial axes in micrometres; None where there are no physical units."""
        return micrometres(self.layer, self.spatial)

    @property
    def place(self) -> Place:
        """Where the image lies along the axes of its `planes`; turns and shears are left out."""
        layer, axes = self.layer, (*self.stack, *self.spatial)
        units = [_in_micrometres(layer.units[axis]) for axis in axes]
        return Place(
            tuple(float(layer.scale[a]) * (unit or 1.0) for a, unit in zip(axes, units, strict=True)),
            tuple(float(layer.translate[a]) * (unit or 1.0) for a, unit in zip(axes, units, strict=True)),
            tuple(unit is not None for unit in units),
        )

    def describe(self, everything: bool = False) -> str:
        """Return shape, type, channels and pixel size in one line."""
        facts = [times(self.shape), str(data_of(self.layer).dtype)]
        if self.names:
            facts.append(f"channels {', '.join(self.names)}")
        elif self.source.channels > 1:
            facts.append(counted(self.source.channels, "channel"))
        elif self.grey is not None:
            facts.append(f"{self.grey} as grey")
        if self.pixel_size is not None:
            sides = dict.fromkeys(f"{size:.3g}" for size in self.pixel_size)
            facts.append(f"{times(sides)} µm per px".replace(" ", "\u00a0"))
        if everything and self.index:
            facts.append(counted(prod(self.stack_shape), member(len(self.spatial))))
        elif self.index:
            facts.append(f"{member(len(self.spatial))} {', '.join(map(str, self.index))}")
        return " - ".join(facts)

    @property
    def whole_words(self) -> str:
        """What all of it is called: the whole image, or one plane, or volume, of a stack."""
        return (
            f"{member(len(self.spatial))} {', '.join(map(str, self.index))}" if self.index else "whole image"
        )

    @property
    def identity(self) -> tuple[Any, ...]:
        """Return what tells its pixels from others: those of `stack_identity`, and its place there."""
        return self.stack_identity, self.index

    @property
    def stack_identity(self) -> tuple[Any, ...]:
        """Return what tells the pixels of all planes from others."""
        pixels = tuple(id(data_of(layer)) for layer in self.layers)
        return id(self.layer), pixels, self.channel_axis, self.names, self.grey


def plane_of(
    layer: Image,
    viewer: ViewerModel,
    channels: int,
    space: str = "yx",
    where: Channels = "automatic",
    everything: bool = False,
) -> Plane:
    """Return the plane (or volume, for a model of `space` "zyx") of `layer` that the viewer shows.

    `channels` is how many the model takes, `where` says where they lie. With `everything`, the view need not
    show a single plane. Raises ValueError, in words for the person, where the layer holds nothing that the
    model can take.
    """
    data = as_array(data_of(layer), layer.name)
    grey = _grey(layer, channels, where)
    axis = channel_axis(layer, channels, space, where)
    others = [a for a in range(layer.ndim) if a != axis]
    _check_axes(layer, len(others), space)
    stack, spatial = tuple(others[: -len(space)]), tuple(others[-len(space) :])
    index = tuple(_shown_index(layer, viewer, a, data.shape[a]) for a in stack)
    # The colours of an RGB image are an axis of the data that the layer does not count.
    kept, data_axis = (3, -1) if layer.rgb else (None, axis)
    source: ImageSource = ArraySource(data, data_axis, index, kept, layer.name, grey)
    whole: ImageSource = ArraySource(data, data_axis, (), kept, layer.name, grey)
    layers, names = [layer], tuple[str, ...]()
    if where == "selected layers":
        layers = _selected(layer, viewer)
        names = tuple(one.name for one in layers)
        whole = LayeredSource(tuple(ArraySource(as_array(data_of(one)), name=one.name) for one in layers))
        source = whole.at(index)
    check_channels(source.channels, channels, " + ".join(names) or layer.name)
    if not everything:
        _check_view(layer, viewer, spatial, bool(stack))
    return Plane(layer, source, index, stack, spatial, axis, whole, names, tuple(layers), grey)


def _grey(layer: Image, channels: int, where: Channels) -> Grey | None:
    """Return what is made of the colours of an RGB image; raise ValueError where that is to be chosen."""
    if not layer.rgb:
        return None
    grey = next((one for one in GREYS if one == where), None)
    if grey is None and channels == 1:
        raise ValueError(
            f"'{layer.name}' is a colour image, but this model takes 1 channel: choose under Channels what "
            "it is to see as grey, such as Luminance"
        )
    if grey is not None and channels > 1:
        raise ValueError(
            f"'{layer.name}' is read as grey, but this model takes {channels} channels: choose Automatic "
            "under Channels"
        )
    return grey


def micrometres(layer: Layer, axes: Sequence[int]) -> tuple[float, ...] | None:
    """Return the size of a pixel along some axes of a layer; None where one has no physical unit."""
    units = [_in_micrometres(layer.units[axis]) for axis in axes]
    known = [unit for unit in units if unit is not None]
    if len(known) < len(units):
        return None
    return tuple(float(layer.scale[axis]) * unit for axis, unit in zip(axes, known, strict=True))


def _in_micrometres(unit: Any) -> float | None:
    """Return a unit of length in micrometres; None for what is none, such as a pixel."""
    return float((1 * unit).to("micrometer").magnitude) if (1 * unit).check("[length]") else None


def data_of(layer: Image) -> Any:
    """Return the pixels of a layer in full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def channel_axis(layer: Image, channels: int, space: str, where: Channels) -> int | None:
    """Return the layer's axis that holds the channels; None where none does, or for an RGB image.

    Automatically, it is one that is called c or channel, or else, for a model of several channels, the first
    one of that length that leaves enough axes.
    """
    if isinstance(where, int):
        if where >= layer.ndim:
            raise ValueError(f"'{layer.name}' has no axis {where}: choose another one for the channels")
        return where
    if layer.rgb or where != "automatic":
        return None
    shape = data_of(layer).shape
    called = [a for a, name in enumerate(layer.axis_labels) if name.lower() in {"c", "channel", "channels"}]
    if called and shape[called[0]] == channels:
        return called[0]
    if channels == 1 or layer.ndim <= len(space):
        return None
    # A leading axis rather than the last one, and neither of those in which images are large.
    order = [*range(layer.ndim - len(space)), layer.ndim - 1, *range(layer.ndim - len(space), layer.ndim - 1)]
    return next((axis for axis in order if shape[axis] == channels), None)


def channel_choices(layer: Image | None) -> list[tuple[str, Channels]]:
    """Return where the channels of a layer can lie, in words, beginning with what is found automatically.

    Of an RGB image, it is known where they lie, but not what a model of one channel is to see of them.
    """
    if layer is not None and layer.rgb:
        return [("Automatic", "automatic"), *((grey.capitalize(), grey) for grey in GREYS)]
    axes = [] if layer is None or layer.ndim < 3 else range(layer.ndim)
    shape = () if layer is None else data_of(layer).shape
    named: list[tuple[str, Channels]] = [(f"Axis {axis} ({shape[axis]})", axis) for axis in axes]
    return [("Automatic", "automatic"), *named, ("No axis", "none"), ("Selected layers", "selected layers")]


def _check_axes(layer: Image, count: int, space: str) -> None:
    if count < 2:
        raise ValueError(f"'{layer.name}' has one axis: only images with y and x can be segmented")
    if count < len(space):
        raise ValueError(f"'{layer.name}' is a plane, but this model takes volumes of {len(space)} axes")


def _selected(layer: Image, viewer: ViewerModel) -> list[Image]:
    """Return the selected Image layers from the lowest to the highest; they must be alike."""
    chosen = [one for one in viewer.layers if one in viewer.layers.selection and isinstance(one, Image)]
    layers = chosen if layer in chosen else [layer, *chosen]
    for one in layers:
        if one.rgb or data_of(one).shape != data_of(layer).shape:
            raise ValueError(
                f"'{one.name}' has not the shape of '{layer.name}': select the layers that hold its channels"
            )
    return layers


def _check_view(layer: Image, viewer: ViewerModel, spatial: Sequence[int], stacked: bool) -> None:
    dims = viewer.dims
    if len(spatial) > 2 or layer.ndim == 2:
        return
    if dims.ndisplay == 3 and stacked:
        raise ValueError("A 3D view shows no single plane: switch to 2D to choose the plane to segment")
    world = {axis + dims.ndim - layer.ndim for axis in spatial}
    if stacked and set(dims.displayed) != world:
        raise ValueError(
            "The view shows other axes than y and x: roll the axes back to segment the plane, or segment "
            "all planes"
        )


def _shown_index(layer: Image, viewer: ViewerModel, axis: int, length: int) -> int:
    """Return the place in sight along one axis of the layer."""
    place = data_at(layer, viewer, viewer.dims.point)[axis]
    return int(np.clip(round(float(place)), 0, length - 1))


def region_in_view(plane: Plane, viewer: ViewerModel, otherwise: str = "segment the whole image") -> Box:
    """Return the part of the plane that is in sight, or of all planes of a volume.

    Raises ValueError where none is, with what else a person can do.
    """
    if viewer.dims.ndisplay == 3:
        raise ValueError(f"The current view is a part of the image in 2D only: switch to 2D, or {otherwise}")
    if not plane.is_flat:
        raise ValueError("The current view can be taken where y and x are the last axes: they are not")
    if set(displayed_axes(plane.layer, viewer)) != set(plane.spatial[-2:]):
        raise ValueError(f"The view shows other axes than y and x: roll the axes back, or {otherwise}")
    try:
        box = box_in_view(plane.layer, viewer)
    except NotInSightError as error:
        raise ValueError(f"{error}, or {otherwise}") from error
    return (*full_box(plane.shape[:-2]), *box[-2:])
