"""Open an image of any size, whatever its format, without reading its pixels."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

from napari_exactile.images.about.chosen import Images, Wanted
from napari_exactile.images.about.opened import OpenedImage, opened_files, remember

# Paths turn the two slashes of an address into one; drives of Windows have one letter.
REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BYTE_ORDERS = (b"II", b"MM", b"EP")
NPY_START, ZIP_START = b"\x93NUMPY", b"PK\x03\x04"
TIFF_ENDINGS = {".tif", ".tiff", ".svs", ".btf", ".tf8"}
# Describes images in other files.
COMPANION = ".companion.ome"
UNKNOWN = (
    "is no image that can be opened: TIFF (SVS, NDPI, SCN and BIF, too), OME-Zarr and zarr (folders or zip "
    "files) and .npy can; save it as OME-TIFF or OME-Zarr"
)

NO_TIFF = (
    "cannot be opened as a TIFF file: it does not begin as one, whatever its name says; save it as OME-TIFF"
)


@overload
def open_image(  # type: ignore[overload-overlap]  # "all" is no other text
    path: str | os.PathLike[str], *, series: Literal["all"], allow_missing: bool = False
) -> tuple[OpenedImage, ...]: ...


@overload
def open_image(
    path: str | os.PathLike[str], *, series: Wanted = None, allow_missing: bool = False
) -> OpenedImage: ...


def open_image(
    path: str | os.PathLike[str], *, series: Wanted = None, allow_missing: bool = False
) -> OpenedImage | tuple[OpenedImage, ...]:
    """Open a TIFF of any kind, a zarr array, an OME-Zarr image or a .npy file; its pixels are read later.

    Many scanners write slides as TIFF, whatever their endings. Zarr lies in a folder or a zip file. Of a file
    with several images, `series` chooses one, by its number from 0 on or by its name, or "all" of them, which
    come in a tuple; by default, it is the largest, and a note names the others. Files, planes, images
    and levels that are announced and not there are refused by name, unless `allow_missing` has planes read
    as nothing, and leaves out the others; notes and reports then say so.

    Raises ValueError, in a sentence that names the file, for what is not one of these, is cut off or
    incomplete, needs a codec that is not installed, or lies on another machine.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    ...     path = Path(folder, "cells.npy")
    ...     np.save(path, np.zeros((3, 4), np.uint8))
    ...     image = ex.open_image(path)
    ...     print(image.name, image.array.shape, image.array.dtype)
    cells.npy (3, 4) uint8
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"an image is opened by its path, not by {path!r}: name its file or folder")
    if series != "all":
        return _one(Path(path), series, allow_missing)
    known = _one(Path(path), None, allow_missing).images  # that refuses a file of which images are missing
    if known is None:
        return (_one(Path(path), 0, allow_missing),)
    return tuple(_among(known, _one(Path(path), number, allow_missing)) for number in known.there)


def _among(known: Images, image: OpenedImage) -> OpenedImage:
    """Return one of all images of a file, which tells, and lets reports tell, which of them are not there."""
    files = opened_files(image.array)
    assert files is not None, "it is one of several"
    remember(image.array, replace(files, missing=(*known.lost, *files.missing)))
    told = tuple(f"'{known.file}' is incomplete: {words}" for words in known.lost)
    return replace(image, notes=(*told, *image.notes))


def _one(path: Path, series: Wanted, allow_missing: bool) -> OpenedImage:
    if REMOTE.match(str(path)):
        raise ValueError(
            f"{path} is a remote address, which cannot be opened: copy the image to this machine"
        )
    start = _start(path)
    if start.startswith(ZIP_START) or (_is_folder(path) and path.suffix.lower() not in TIFF_ENDINGS):
        from napari_exactile.images.read.from_zarr import open_zarr

        return open_zarr(path, series, allow_missing)
    if start.startswith(NPY_START) or path.suffix.lower() == ".npy":
        from napari_exactile.images.read.from_npy import open_npy

        return open_npy(path, series)
    name = path.name.lower()
    if start and not start.startswith(TIFF_STARTS) and not name.endswith((*TIFF_ENDINGS, COMPANION)):
        raise ValueError(f"{path} {UNKNOWN}")
    if start and not start.startswith(BYTE_ORDERS) and not name.endswith(COMPANION):
        raise ValueError(f"{path} {NO_TIFF}")
    from napari_exactile.images.read.from_tiff import open_tiff

    return open_tiff(path, series, allow_missing)


def opened(image: Any, series: Wanted = None, allow_missing: bool = False) -> Any:
    """Return an image as it is, but open a path; its notes become warnings."""
    if not isinstance(image, str | os.PathLike):
        if series is not None:
            raise ValueError("series chooses an image of a file: give the file's path")
        return image
    return _noted(_one(Path(image), series, allow_missing))


def opened_all(image: Any, allow_missing: bool = False) -> tuple[OpenedImage, ...]:
    """Return all images of the file at a path; their notes become warnings."""
    if not isinstance(image, str | os.PathLike):
        raise ValueError("series chooses an image of a file: give the file's path")
    return tuple(map(_noted, open_image(image, series="all", allow_missing=allow_missing)))


def _noted(image: OpenedImage) -> OpenedImage:
    for note in image.notes:
        warnings.warn(note, stacklevel=4)
    return image


def as_opened(
    image: Any,
    axes: str | None = None,
    name: str = "image",
    series: Wanted = None,
    allow_missing: bool = False,
) -> tuple[Any, str | None, str]:
    """Return what holds the pixels, its axes and its name; a path is opened.

    `axes` comes before what the file says.
    """
    image = opened(image, series, allow_missing)
    if isinstance(image, OpenedImage):
        return image.array, axes or image.axes, image.name
    return image, axes, name


def _is_folder(path: Path) -> bool:
    """Tell whether there is a folder; raise ValueError for what can be the name of nothing."""
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        name = f"{str(path)[:80]!r}"
        raise ValueError(f"{name} is no name that a file can have: give that of the image") from error


def _start(path: Path) -> bytes:
    """Return the first bytes; none of what cannot be read, which its reader says better."""
    try:
        with path.open("rb") as file:
            return file.read(8)
    except (OSError, ValueError):
        return b""
