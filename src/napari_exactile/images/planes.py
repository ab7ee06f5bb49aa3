"""Which axes of an array are what: one image, or the planes of a stack, with the channels a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from napari_exactile.geometry.axes import check_axes
from napari_exactile.geometry.words import counted, joined, times
from napari_exactile.images.grey import Grey
from napari_exactile.images.source import ArraySource, ImageSource, as_array


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes (or volumes) of a stack that are wanted: a source for each, and its index in the stack.

    `shape` is the stack's, empty for an image by itself; `axes` names all axes but the channels. `whole` is
    the stack as one image. `pixel_size` is in micrometres along as many of the last axes, None where it is
    not known.
    """

    sources: tuple[ImageSource, ...]
    indices: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    axes: str
    whole: ImageSource
    pixel_size: tuple[float, ...] | None = None

    @classmethod
    def single(cls, source: ImageSource) -> Planes:
        """Return a source by itself."""
        return cls((source,), ((),), (), "zyx"[-len(source.shape) :], source)

    def only(self, index: tuple[int, ...]) -> Planes:
        """Return one plane of the stack; raises ValueError where it has none of this index."""
        if index not in self.indices:
            there = (
                f"its planes are numbered from 0 on along {times(self.shape)}" if self.shape else "it has one"
            )
            raise ValueError(
                f"there is no plane {', '.join(map(str, index))} in the image: {there}; choose one"
            )
        source = self.sources[self.indices.index(index)]
        return replace(self, sources=(source,), indices=(index,), whole=source)


def plane_words(planes: Planes) -> str:
    """Return which planes of a stack these are, such as "plane 3" or "all planes"; "" where there is none."""
    if not planes.shape:
        return ""
    one = len(planes.indices) == 1 and prod(planes.shape) > 1
    return f"plane {', '.join(map(str, planes.indices[0]))}" if one else "all planes"


def source_of(
    image: Any, channels: int, axes: str | None = None, name: str = "image", space: str | None = None,
    grey: Grey | None = None,
) -> ArraySource:  # fmt: skip
    """Return the source for a whole array, given how many channels and which axes the model takes.

    `axes` names the array's axes ("yx", "cyx", "yxc", ...); where it is None, they are the model's `space`
    (None: y and x) and, if there is one more, channels, in the order that fits. `grey` makes one channel of
    a colour image. Raises ValueError where nothing fits, saying what to do.
    """
    array = as_array(image, name)
    if axes is None:
        axes = _guess_axes(array.shape, 3 if grey else channels, name, space or "yx")
    check_axes(axes, array.shape, name)
    if axes.replace("c", "") not in ("x", "yx", "zyx"):
        raise ValueError(
            f"axes {axes!r} do not fit '{name}': give z, y and x in this order, and c for channels"
        )
    channel_axis = axes.index("c") if "c" in axes else None
    kept = _kept(array, channel_axis, channels)
    source = ArraySource(array, channel_axis, keep_channels=kept, name=name, grey=grey)
    check_channels(source.channels, channels, name)
    return source


def stack_of(
    image: Any, channels: int, axes: str | None = None, name: str = "image", space: str | None = None,
    grey: Grey | None = None,
) -> Planes:  # fmt: skip
    """Return an array's planes or volumes: as `source_of`, but other axes, named first, are a stack."""
    array = as_array(image, name)
    if axes is None:
        return Planes.single(source_of(array, channels, None, name, space, grey))
    ends = (end for end in ("zyx", "yx", "x") if axes.replace("c", "").endswith(end))
    return planes_of(array, axes, channels, name, space or next(ends, "yx"), grey)


def planes_of(
    array: Any, axes: str, channels: int, name: str = "image", space: str = "yx", grey: Grey | None = None
) -> Planes:
    """Return the planes of an array whose axes are named: `space` last, channels "c", the rest a stack.

    A single plane has an empty stack shape. Raises ValueError for axes that do not fit, or where an image has
    not the `channels` that the model takes.
    """
    array = as_array(array, name)
    check_axes(axes, array.shape, name)
    if not axes.replace("c", "").endswith(space):
        raise ValueError(
            f"axes {axes!r} do not fit '{name}': give {joined(space)} as the last ones, and c for channels"
        )
    stack = axes.replace("c", "").removesuffix(space)
    channel_axis = axes.index("c") if "c" in axes else None
    kept = _kept(array, channel_axis, channels)
    shape = tuple(array.shape[axes.index(axis)] for axis in stack)
    sources, indices = [], tuple(np.ndindex(*shape))
    for plane in indices:
        place = "".join(f", {axis} {number}" for axis, number in zip(stack, plane, strict=True))
        sources.append(ArraySource(array, channel_axis, plane, kept, name + place, grey))
    check_channels(sources[0].channels, channels, name, _channels_in(array.shape, axes, stack, channels))
    whole = ArraySource(array, channel_axis, (), kept, name, grey)
    return Planes(tuple(sources), indices, shape, stack + space, whole)


def check_channels(found: int, wanted: int, name: str, remedy: str = "") -> None:
    """Raise ValueError where an image has not the model's channels, and say the `remedy` if one is known."""
    if found != wanted:
        here, there = counted(found, "channel"), counted(wanted, "channel")
        words = f"'{name}' has {here}, but the model takes {there}"
        raise ValueError(f"{words}: {remedy or f'choose an image of {there}, or another model'}")


def _channels_in(shape: Sequence[int], axes: str, stack: str, channels: int) -> str:
    """Return what to do where the axes call something else what could be the channels; "" for nothing."""
    if "c" in axes:
        return ""
    number = next((n for n, axis in enumerate(axes) if axis in stack and shape[n] == channels), None)
    if number is None:
        return ""
    meant = f"{axes[:number]}c{axes[number + 1 :]}"
    return f"if its axis {axes[number]!r} holds them, say so (axes={meant!r}, --axes {meant})"


def _guess_axes(shape: Sequence[int], channels: int, name: str, space: str) -> str:
    if len(shape) == len(space):
        return space
    one_more = len(shape) == len(space) + 1
    if one_more and shape[-1] in {3, 4} and channels == 3:
        return f"{space}c"
    if one_more and shape[0] == channels:
        return f"c{space}"
    if one_more and shape[-1] == channels > 1:
        return f"{space}c"
    if len(shape) < len(space):
        have = counted(len(shape), "axis", "axes")
        words = f"'{name}', of shape {tuple(shape)}, has {have}, but the model takes {joined(space)}"
        raise ValueError(f"{words}: choose an image that has these, or another model")
    like = f"{'tc'[-(len(shape) - len(space)) :]}{space}"
    raise ValueError(
        f"the axes of '{name}', of shape {tuple(shape)}, are not clear: give a letter for each, such as "
        f"axes='{like}' (--axes {like})"
    )


def _kept(array: Any, channel_axis: int | None, channels: int) -> int | None:
    """Drop the alpha channel of RGBA where the model wants RGB."""
    rgba = channel_axis is not None and channels == 3 and array.shape[channel_axis] == 4
    return 3 if rgba else None
