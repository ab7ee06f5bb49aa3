"""Where pixels come from: one narrow protocol, and its form for anything that can be sliced like an array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval, box_shape, full_box, slices
from napari_exactile.images.blocks import blocks_of, is_dask
from napari_exactile.images.grey import Grey, channels_of, check_grey, grey_of
from napari_exactile.images.reading import (
    MaskedError,
    OtherShapeError,
    check_real,
    check_shape,
    given,
    native,
    pixels,
)
from napari_exactile.images.view import View
from napari_exactile.why import UnreadError, WhyError, why


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
    (3 of RGBA), and `grey` makes one channel of them as they are read. `plane` fixes the leading ones of the
    other axes: the plane of a stack. What is left are the spatial axes. Raises ValueError for arrays that
    hold no image; `read` raises OSError where the pixels cannot be had, and ValueError where some are masked.
    """

    array: Any
    channel_axis: int | None = None
    plane: tuple[int, ...] = ()
    keep_channels: int | None = None
    name: str = "image"
    grey: Grey | None = None

    def __post_init__(self) -> None:
        check_real(self.array.dtype, self.name)
        colours = 1 if self.channel_axis is None else self.array.shape[self.channel_axis]
        check_grey(self.grey, colours, self.name)
        if 0 in self.array.shape:
            shape = tuple(map(int, self.array.shape))
            raise ValueError(f"'{self.name}' is empty, of shape {shape}: choose an image with pixels")

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
        if self.channel_axis is None or self.grey is not None:
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
        index[self._channel] = slice(self.channels) if self.grey is None else channels_of(self.grey)
        dropped = sum(axis < self._channel for axis in self._other_axes[: len(self.plane)])
        found = np.moveaxis(self._pixels(index), self._channel - dropped, 0)
        return found if self.grey is None else grey_of(found, self.grey)

    def _pixels(self, index: list[Any]) -> NDArray[Any]:
        """Read from the array; whatever goes wrong in its file or its graph, the pixels cannot be had."""
        try:
            return native(pixels(self.array, tuple(index)))
        except MaskedError:
            raise MaskedError(self.name) from None
        except MemoryError:
            raise
        except Exception as error:
            raise OSError(f"the pixels of '{self.name}' cannot be read: {_why(error, self.array)}") from error


def _why(error: Exception, array: Any) -> str:
    """Return why an array cannot be read: not in words of zarr's codecs, but in those of somebody's code."""
    while isinstance(array, View):
        array = array.array
    is_told = isinstance(error, WhyError | UnreadError) or (isinstance(error, OSError) and error.errno)
    if is_told or (hasattr(array, "store") and hasattr(array, "metadata")):
        return why(error, "a chunk of it is damaged, or was cut off; copy it again from where it came from")
    return " ".join(str(error).split()) or type(error).__name__


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
            raise ValueError("the images that hold the channels differ in shape: choose those of one shape")

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
    image = _computed(_of_numpy(image, name))
    if _is_masked(image):
        raise MaskedError(name)
    if hasattr(image, "dtype") and hasattr(image, "shape"):
        return image
    try:
        return np.asarray(image)
    except ValueError as error:  # lists in lists of different lengths
        words = f"'{name}' is no image: its rows have different lengths"
        raise ValueError(f"{words}; give it as an array of y and x") from error


def _of_numpy(image: Any, name: str) -> Any:
    """Return a tensor of torch as an array, in main memory without a copy, and all others as they are."""
    if type(image).__module__.partition(".")[0] != "torch" or not hasattr(image, "detach"):
        return image
    try:
        return image.detach().cpu().numpy()
    except (TypeError, RuntimeError) as error:  # of types that numpy has not, on devices without pixels
        words = f"'{name}' is a tensor of {str(image.dtype).partition('.')[2]}, which no array can hold"
        raise ValueError(f"{words}: pass its float(), loaded on the CPU") from error


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


def row_blocks(shape: tuple[int, ...], pixels: int) -> list[Box]:
    """Cut an image into boxes of whole rows with about `pixels` pixels each, in order."""
    per_row = max(1, int(np.prod(shape[1:], dtype=np.int64)))
    rows = max(1, pixels // per_row)
    rest = full_box(shape[1:])
    return [(Interval(y, min(y + rows, shape[0])), *rest) for y in range(0, shape[0], rows)]
