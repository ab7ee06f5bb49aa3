"""Open an image of any size, whatever its format, without reading its pixels."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

from napari_exactile.images.opened import OpenedImage

# Paths turn the two slashes of an address into one; drives of Windows have one letter.
REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NPY_START, ZIP_START = b"\x93NUMPY", b"PK\x03\x04"
TIFF_ENDINGS = {".tif", ".tiff", ".svs", ".btf", ".tf8"}
UNKNOWN = (
    "is no image that can be opened: TIFF (SVS, NDPI, SCN and BIF, too), OME-Zarr and zarr (folders or zip "
    "files) and .npy can; save it as OME-TIFF or OME-Zarr"
)


def open_image(path: str | os.PathLike[str]) -> OpenedImage:
    """Open a TIFF of any kind, a zarr array, an OME-Zarr image or a .npy file; its pixels are read later.

    Many scanners write slides as TIFF, whatever their endings. Zarr lies in a folder or a zip file.

    Raises ValueError, in a sentence that names the file, for what is not one of these, is cut off, needs a
    codec that is not installed, or lies on another machine.
    """
    path = Path(path)
    if REMOTE.match(str(path)):
        raise ValueError(
            f"{path} is a remote address, which cannot be opened: copy the image to this machine"
        )
    start = _start(path)
    if start.startswith(ZIP_START) or (path.is_dir() and path.suffix.lower() not in TIFF_ENDINGS):
        from napari_exactile.images.from_zarr import open_zarr

        return open_zarr(path)
    if start.startswith(NPY_START) or path.suffix.lower() == ".npy":
        from napari_exactile.images.from_npy import open_npy

        return open_npy(path)
    if start and not start.startswith(TIFF_STARTS) and path.suffix.lower() not in TIFF_ENDINGS:
        raise ValueError(f"{path} {UNKNOWN}")
    from napari_exactile.images.from_tiff import open_tiff

    return open_tiff(path)


def opened(image: Any) -> Any:
    """Return an image as it is, but open a path; its notes become warnings."""
    if not isinstance(image, str | os.PathLike):
        return image
    found = open_image(image)
    for note in found.notes:
        warnings.warn(note, stacklevel=4)
    return found


def as_opened(image: Any, axes: str | None = None, name: str = "image") -> tuple[Any, str | None, str]:
    """Return what holds the pixels, its axes and its name; a path is opened.

    `axes` comes before what the file says.
    """
    image = opened(image)
    if isinstance(image, OpenedImage):
        return image.array, axes or image.axes, image.name
    return image, axes, name


def _start(path: Path) -> bytes:
    """Return the first bytes; none of what cannot be read, which its reader says better."""
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError:
        return b""
