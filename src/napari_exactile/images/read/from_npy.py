"""Images from files of numpy arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.images.about.chosen import Images, Wanted
from napari_exactile.images.about.opened import FileVersion, OpenedFiles, OpenedImage, remember
from napari_exactile.images.read.raw import RawArray
from napari_exactile.why import CUT_OFF, why


def open_npy(path: Path, wanted: Wanted = None) -> OpenedImage:
    """Open a .npy file, which names no axes; pixels are read when they are asked for.

    Raises ValueError for what is not a readable array, and for another image than the first that is `wanted`.
    """
    try:
        version = FileVersion.of(path)
        array = _unmapped(path, np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # a header that is damaged can raise anything
        raise ValueError(f"{path} cannot be opened as a numpy array: {_why(error)}") from error
    Images.of_one(path.name, array.shape).chosen(wanted)
    image = OpenedImage(path.name, array, None)
    remember(array, OpenedFiles(path.resolve(), (version,)))
    return image


def _why(error: Exception) -> str:
    """Return why a file is no array, by what numpy says of it."""
    if "greater than file size" in str(error):
        return CUT_OFF
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return "it holds objects of Python, not numbers; save it as an array of numbers"
    return why(error)


def _unmapped(path: Path, mapped: np.memmap[Any, Any]) -> RawArray:
    """Return what reads the file of a mapped array, of which nothing has been touched."""
    fortran = mapped.flags.f_contiguous and not mapped.flags.c_contiguous
    return RawArray(path, mapped.dtype, mapped.shape, mapped.offset, fortran=fortran)
