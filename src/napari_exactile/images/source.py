"""Where pixels come from: one narrow protocol, and its form for anything that can be sliced like an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval, box_shape, full_box, slices
from napari_exactile.geometry.words import counted
from napari_exactile.images.blocks import blocks_of, is_dask
from napari_exactile.images.reading import (
    MaskedError,
    OtherShapeError,
    check_real,
    check_shape,
    given,
    native,
    pixels,
)


class ImageSource(Protocol):
    """An image of `channels` and spatial `shape`, read box by box. `read` may be called from any thread.

    >>> import numpy as np
    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> class Ramp:
    ...     shape, channels = (40, 30), 1
    ...     def read(self, box):
    ...         y, x = (np.arange(side.start, side.stop, dtype=np.float32) for side in box)
    ...         return (y[:, None] + x)[None]
    >>> ex.segment(Ramp(), nn.Conv2d(1, 2, 3, padding=1).eval()).labels.shape
    (40, 30)
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape in pixels."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    def read(self, box: Box) -> NDArray[Any]:
        """Return the pixels in `box`: (channels, *spatial). Nothing outside is read."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """A numpy, dask or zarr array, or one plane of it, without a copy.

    `channel_axis` is the axis of the channels, None for one channel; `keep_channels` keeps the first so many
    (3 of RGBA). `plane` fixes the leading ones of the other axes: the plane of a stack. What is left are the
    spatial axes. Raises ValueError for arrays that hold no image; `read` raises OSError where the pixels
    cannot be had, and ValueError where some are masked.
    """

    array: Any
    channel_axis: int | None = None
    plane: tuple[int, ...] = ()
    keep_channels: int | None = None
    name: str = "image"

    def __post_init__(self) -> None:
        check_real(self.array.dtype, self.name)
        if 0 in self.array.shape:
            raise ValueError(f"'{self.name}' is empty: its shape is {tuple(self.array.shape)}")

    def at(self, plane: tuple[int, ...]) -> ArraySource:
        """Return the source of another plane of the same stack."""
        return replace(self, plane=plane)

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape: without channel axis and fixed axes."""
        return tuple(self.array.shape[axis] for axis in self.spatial_axes)

    @property
    def channels(self) -> int:
        """Number of channels that `read` gives."""
        if self.channel_axis is None:
            return 1
        return self.keep_channels or int(self.array.shape[self.channel_axis])

    @property
    def _channel(self) -> int | None:
        return None if self.channel_axis is None else self.channel_axis % self.array.ndim

    @property
    def _other_axes(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(self.array.ndim) if axis != self._channel)

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The spatial axes of the array."""
        return self._other_axes[len(self.plane) :]

    def read(self, box: Box) -> NDArray[Any]:
        """Return the pixels in `box`, channels first."""
        index: list[Any] = [slice(None)] * self.array.ndim
        for axis, part in zip(self._other_axes, (*self.plane, *slices(box)), strict=True):
            index[axis] = part
        if self._channel is None:
            return self._pixels(index)[None]
        index[self._channel] = slice(self.channels)
        dropped = sum(axis < self._channel for axis in self._other_axes[: len(self.plane)])
        return np.moveaxis(self._pixels(index), self._channel - dropped, 0)

    def _pixels(self, index: list[Any]) -> NDArray[Any]:
        """Read from the array; whatever goes wrong in its file or its graph, the pixels cannot be had."""
        try:
            return native(pixels(self.array, tuple(index)))
        except MaskedError:
            raise MaskedError(self.name) from None
        except MemoryError:
            raise
        except Exception as error:
            raise OSError(f"the pixels of '{self.name}' cannot be read: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class OwnSource:
    """A source that somebody has written, whose boxes are the pixels that were asked for, or refused."""

    source: ImageSource

    @property
    def name(self) -> str:
        """Its name, if it has one."""
        return getattr(self.source, "name", "image")

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape in pixels."""
        return self.source.shape

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.source.channels

    def read(self, box: Box) -> NDArray[Any]:
        """Return the pixels in `box`, channels first.

        Raises OSError where something else is read, and ValueError where it is masked, or no real numbers.
        """
        try:
            found = given(self.source.read(box))
            check_shape(found.shape, (self.channels, *box_shape(box)))
        except MaskedError:
            raise MaskedError(self.name) from None
        except OtherShapeError as error:
            raise OSError(f"the pixels of '{self.name}' cannot be read: {error}") from error
        check_real(found.dtype, self.name)
        return native(found)


@dataclass(frozen=True, slots=True, eq=False)
class LayeredSource:
    """Several images of one shape as the channels of one, in order."""

    sources: tuple[ArraySource, ...]

    def __post_init__(self) -> None:
        if len({source.shape for source in self.sources}) != 1:
            raise ValueError("the images that hold the channels differ in shape")

    @property
    def name(self) -> str:
        """The names of the images."""
        return " + ".join(source.name for source in self.sources)

    def at(self, plane: tuple[int, ...]) -> LayeredSource:
        """Return the source of another plane of the same stacks."""
        return LayeredSource(tuple(source.at(plane) for source in self.sources))

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape in pixels."""
        return self.sources[0].shape

    @property
    def channels(self) -> int:
        """Channels of all images together."""
        return sum(source.channels for source in self.sources)

    def read(self, box: Box) -> NDArray[Any]:
        """Return the pixels in `box`, channels first."""
        return np.concatenate([source.read(box) for source in self.sources])


def source_of(
    image: Any, channels: int, axes: str | None = None, name: str = "image", space: str | None = None
) -> ArraySource:
    """Return the source for a whole array, given how many channels and which axes the model takes.

    `axes` names the array's axes ("yx", "cyx", "yxc", ...); where it is None, they are the model's `space`
    (None: y and x) and, if there is one more, channels, in the order that fits. Raises ValueError where
    nothing fits, saying what to do.
    """
    array = as_array(image, name)
    if axes is None:
        axes = _guess_axes(array.shape, channels, name, space or "yx")
    if len(axes) != array.ndim or axes.replace("c", "") not in ("x", "yx", "zyx"):
        raise ValueError(f"axes {axes!r} do not fit '{name}' of shape {tuple(array.shape)}: use y, x and c")
    channel_axis = axes.index("c") if "c" in axes else None
    source = ArraySource(array, channel_axis, keep_channels=_kept(array, channel_axis, channels), name=name)
    check_channels(source.channels, channels, name)
    return source


def own_source(image: Any) -> ImageSource | None:
    """Return what somebody has written to read an image box by box; None for arrays."""
    if not hasattr(image, "read"):
        return None
    return image if isinstance(image, ArraySource | LayeredSource | OwnSource) else OwnSource(image)


def as_array(image: Any, name: str = "image") -> Any:
    """Return what can be sliced as it is; dask arrays by their blocks, and numbers in lists, become arrays.

    Raises ValueError for dask arrays whose shape is not known, and for arrays with masked pixels.
    """
    if is_dask(image):
        return blocks_of(image, name)
    image = _computed(image)
    if _is_masked(image):
        raise MaskedError(name)
    return image if hasattr(image, "dtype") and hasattr(image, "shape") else np.asarray(image)


def _computed(image: Any) -> Any:
    """Return dask arrays in lists, and what only can be turned into an array, as arrays of numpy."""
    if isinstance(image, list | tuple):
        return [_computed(one) for one in image]
    if is_dask(image):
        return image.compute()
    return (
        image if hasattr(image, "dtype") else np.asanyarray(image) if hasattr(image, "__array__") else image
    )


def _is_masked(image: Any) -> bool:
    """Tell whether pixels are masked, also in a list of lists, of which an array would lose the masks."""
    return any(map(_is_masked, image)) if isinstance(image, list) else bool(np.ma.is_masked(image))


def stack_of(
    image: Any, channels: int, axes: str | None = None, name: str = "image", space: str | None = None
) -> Planes:
    """Return an array's planes or volumes: as `source_of`, but other axes, named first, are a stack."""
    array = as_array(image, name)
    if axes is None:
        return Planes.single(source_of(array, channels, None, name, space))
    ends = (end for end in ("zyx", "yx", "x") if axes.replace("c", "").endswith(end))
    return planes_of(array, axes, channels, name, space or next(ends, "yx"))


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


def planes_of(array: Any, axes: str, channels: int, name: str = "image", space: str = "yx") -> Planes:
    """Return the planes of an array whose axes are named: `space` last, channels "c", the rest a stack.

    A single plane has an empty stack shape. Raises ValueError for axes that do not fit, or where an image has
    not the `channels` that the model takes.
    """
    array, stack = as_array(array, name), axes.replace("c", "").removesuffix(space)
    if len(set(axes)) != array.ndim or len(axes) != array.ndim or not axes.replace("c", "").endswith(space):
        last = " and ".join((", ".join(space[:-1]), space[-1])) if len(space) > 1 else space
        raise ValueError(f"axes {axes!r} do not fit '{name}' of shape {tuple(array.shape)}: {last} come last")
    channel_axis = axes.index("c") if "c" in axes else None
    kept = _kept(array, channel_axis, channels)
    shape = tuple(array.shape[axes.index(axis)] for axis in stack)
    sources, indices = [], tuple(np.ndindex(*shape))
    for plane in indices:
        place = "".join(f", {axis} {number}" for axis, number in zip(stack, plane, strict=True))
        sources.append(ArraySource(array, channel_axis, plane, kept, name + place))
    check_channels(sources[0].channels, channels, name)
    whole = ArraySource(array, channel_axis, (), kept, name)
    return Planes(tuple(sources), indices, shape, stack + space, whole)


def check_channels(found: int, wanted: int, name: str) -> None:
    """Raise ValueError where an image has not the channels that the model takes."""
    if found != wanted:
        raise ValueError(
            f"'{name}' has {counted(found, 'channel')}, but the model takes {counted(wanted, 'channel')}"
        )


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
    raise ValueError(f"the axes of '{name}' of shape {tuple(shape)} are not clear: give axes='c{space}', say")


def _kept(array: Any, channel_axis: int | None, channels: int) -> int | None:
    """Drop the alpha channel of RGBA where the model wants RGB."""
    rgba = channel_axis is not None and channels == 3 and array.shape[channel_axis] == 4
    return 3 if rgba else None


def row_blocks(shape: tuple[int, ...], pixels: int) -> list[Box]:
    """Cut an image into boxes of whole rows with about `pixels` pixels each, in order."""
    per_row = max(1, int(np.prod(shape[1:], dtype=np.int64)))
    rows = max(1, pixels // per_row)
    rest = full_box(shape[1:])
    return [(Interval(y, min(y + rows, shape[0])), *rest) for y in range(0, shape[0], rows)]
