"""The one place where pixels are read off arrays of any kind: what comes has the shape that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.carried import Carried
from napari_exactile.geometry.words import times
from napari_exactile.images.gaps import GAPS
from napari_exactile.images.slicing import Part
from napari_exactile.why import UnreadError


class OtherShapeError(ValueError):
    """An array gives something else than it has announced."""


class MaskedError(Carried, ValueError):
    """An array of numpy.ma has pixels that are masked: what a network is to see there, nobody has said.

    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> try:
    ...     ex.segment(np.ma.masked_equal(np.zeros((64, 64)), 0), "colonies-demo")
    ... except ex.MaskedError as error:
    ...     print(str(error).partition(":")[0])
    'image' has masked pixels, which a network cannot leave out
    """

    def __init__(self, name: str = "image") -> None:
        super().__init__(
            f"'{name}' has masked pixels, which a network cannot leave out: fill them with a value, as "
            "image.filled(0) does, and pass ignore=0 to leave that value out of what is measured"
        )


def pixels(array: Any, index: tuple[Part, ...]) -> NDArray[Any]:
    """Return what an index takes of an array: an integer or a slice with steps forwards for each axis.

    Raises OtherShapeError where that has not the shape and type that the array has announced, MaskedError
    where pixels are masked, and what the array raises.
    """
    if isinstance(array, np.memmap):
        _refuse_shorter(array)
    found = unmasked(array[index])
    check(found, array, index)
    gaps = GAPS.of(array)
    if gaps is not None:
        gaps.look(bounds(index, array.shape))
    return found


def unmasked(found: Any) -> NDArray[Any]:
    """Return what was read as an array of numpy; raise MaskedError where some of it is masked."""
    if np.ma.is_masked(found):
        raise MaskedError
    return np.asarray(found)


def given(found: Any) -> NDArray[Any]:
    """Return what somebody's own code gives as pixels; raise OtherShapeError where that is no array of numpy.

    Raises MaskedError where pixels are masked.
    """
    if not isinstance(found, np.ndarray):
        what = "None" if found is None else f"an object of type {type(found).__name__}"
        raise OtherShapeError(f"it gives {what} instead of an array of numpy; let it return one")
    return unmasked(found)


def check_real(dtype: Any, name: str) -> None:
    """Raise ValueError where pixels are of a type that is none of real numbers."""
    if np.dtype(dtype).kind not in "buif":
        raise ValueError(f"'{name}' has pixels of type {dtype}: only real numbers can be used")


def native(found: NDArray[Any]) -> NDArray[Any]:
    """Return pixels in the machine's byte order: what follows computes with bits, or not at all."""
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def bounds(index: tuple[Part, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return from where to where an index reaches along each axis."""
    whole = (_bounds(part, length) for part, length in zip(index, shape, strict=True))
    return tuple(slice(start, max(start, stop)) for start, stop in whole)


def _bounds(part: Part, length: int) -> tuple[int, int]:
    if isinstance(part, slice):
        return part.indices(length)[:2]
    return part % length, part % length + 1


def check(found: NDArray[Any], array: Any, index: tuple[Part, ...]) -> None:
    """Raise OtherShapeError where what was found at an index is not what an array has announced."""
    sides = zip(index, array.shape, strict=True)
    shape = tuple(len(range(*part.indices(length))) for part, length in sides if isinstance(part, slice))
    check_shape(found.shape, shape)
    if found.dtype.newbyteorder("=") != np.dtype(array.dtype).newbyteorder("="):
        words = f"it gives {found.dtype} where it has announced {array.dtype}"
        raise OtherShapeError(f"{words}; let both be the same")


def check_shape(given: tuple[int, ...], announced: tuple[int, ...]) -> None:
    """Raise OtherShapeError where these differ."""
    if tuple(given) != announced:
        here, there = (times(sizes) or "one pixel" for sizes in (given, announced))
        raise OtherShapeError(f"it gives {here} where it has announced {there}; let both be the same")


def _refuse_shorter(mapped: np.memmap[Any, Any]) -> None:
    """Raise OSError where the file of a mapped array has become shorter: reading it would end the process."""
    whole: Any = mapped
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    try:
        size = Path(whole.filename).stat().st_size if whole.filename else None
    except FileNotFoundError:  # what is mapped stays readable
        return
    if size is not None and size < whole.offset + whole.nbytes:
        raise UnreadError(f"{whole.filename} has become shorter since it was mapped; copy it again")
