"""Images from TIFF files, and labels and maps into tiled OME-TIFF files with their pixel size."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Side of the tiles in the file: a common choice that viewers read quickly.
FILE_TILE = 512


# Units of length as OME and ImageJ write them, in micrometres.
_MICROMETRES = {
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}


@dataclass(frozen=True, slots=True, eq=False)
class TiffImage:
    """An opened TIFF: `array` is sliced like numpy's and read as needed, `axes` names its axes.

    `pixel_size` is (y, x) in micrometres, None where the file does not say. The file is closed when nobody
    has the array any more.
    """

    array: Any
    axes: str
    pixel_size: tuple[float, float] | None


def open_tiff(path: Path) -> TiffImage:
    """Open the first series of a TIFF at full resolution; pixels are read when they are asked for.

    Axes of length 1 are dropped, except y and x; samples and channels are both called "c". Raises ValueError
    for what is not a readable TIFF.
    """
    import tifffile
    import zarr

    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError) as error:
        raise _unreadable(path, error) from error
    try:
        series = file.series[0]
        _refuse_truncated(file, series)
        axes = series.get_axes(squeeze=True).lower().replace("s", "c")
        array = zarr.open_array(series.aszarr(level=0, squeeze=True), mode="r")
        image = TiffImage(array, axes, _pixel_size(file))
    except Exception as error:
        file.close()
        raise _unreadable(path, error) from error
    # The array reads from the file as long as somebody has it, and nobody else knows when that ends.
    weakref.finalize(array, file.close)
    return image


def _refuse_truncated(file: Any, series: Any) -> None:
    """Raise ValueError where the file ends before its pixels do, as after a broken copy."""
    ends = [series.dataoffset + series.nbytes] if series.dataoffset is not None else []
    for page in filter(None, (series.pages[0], series.pages[-1])):
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        ends += [offset + count for offset, count in segments]
    if max(ends, default=0) > file.filehandle.size:
        raise ValueError("it ends before its pixels do, as if it had been cut off")


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = error.strerror if isinstance(error, OSError) else None
    return ValueError(f"{path} cannot be opened as a TIFF file: {reason or error}")


def save_labels(
    path: Path,
    labels: NDArray[Any],
    class_names: Sequence[str],
    pixel_size: Sequence[float] | None = None,
    unit: str = "µm",
    axes: str | None = None,
    note: str = "",
) -> None:
    """Write labels (a (y, x) plane or a stack of them) and their class names as a tiled, compressed OME-TIFF.

    `pixel_size` is (y, x) in `unit`; `axes` names the axes, by default "yx", "zyx" or "tzyx"; `note` says
    in the description, before the class names, what a reader must know of the labels. The file appears
    under its name only when it is complete. Raises ValueError for stacks that OME cannot hold.
    """
    words = [f"{i} = {name}" for i, name in enumerate(class_names)]
    metadata = {
        "axes": _ome_axes(axes or "tzyx"[-labels.ndim :]),
        "Name": path.stem,
        "Description": "; ".join([note, *words] if note else words),
        **_physical_size(pixel_size, unit),
    }
    _write(path, labels, metadata)


def save_values(
    path: Path,
    values: NDArray[np.float32],
    pixel_size: Sequence[float] | None,
    note: str,
    axes: str = "yx",
) -> None:
    """Write numbers as they are, as `save_labels` writes labels; `note` says what they are.

    `pixel_size` is in micrometres, along the last axes.
    """
    metadata = {"axes": _ome_axes(axes), "Name": path.stem, "Description": note}
    metadata |= _physical_size(pixel_size, "µm")
    _write(path, values, metadata)


def _physical_size(pixel_size: Sequence[float] | None, unit: str) -> dict[str, Any]:
    if pixel_size is None:
        return {}
    sizes = {
        f"PhysicalSize{axis}": size for axis, size in zip("ZYX"[-len(pixel_size) :], pixel_size, strict=True)
    }
    return sizes | {f"{name}Unit": unit for name in sizes}


def _write(path: Path, pixels: NDArray[Any], metadata: dict[str, Any]) -> None:
    """Write a tiled, compressed OME-TIFF that appears under its name only when it is complete."""
    import tifffile

    partial = path.with_name(path.name + ".part")
    try:
        tifffile.imwrite(
            partial, np.ascontiguousarray(pixels), ome=True, metadata=metadata, compression="zlib",
            tile=(FILE_TILE, FILE_TILE), photometric="minisblack", bigtiff=pixels.nbytes > 2**31,
        )  # fmt: skip
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _ome_axes(axes: str) -> str:
    """Return names that OME knows; other axes of a stack become Z, T or C, whichever is free."""
    named = "".join(axis if axis in "TZCYX" else "?" for axis in axes.upper())
    for free in "ZTC":
        named = named if free in named else named.replace("?", free, 1)
    if "?" in named:
        raise ValueError(f"an OME-TIFF holds stacks of at most three axes beside y and x, not {axes!r}")
    return named


def _pixel_size(file: Any) -> tuple[float, float] | None:
    """Return (y, x) in micrometres from what OME or ImageJ wrote, None where neither says."""
    try:
        if file.ome_metadata:
            return _ome_pixel_size(file.ome_metadata)
        return _imagej_pixel_size(file) if file.imagej_metadata else None
    except (KeyError, ValueError, ZeroDivisionError):
        return None  # the pixels can be read all the same


def _ome_pixel_size(text: str) -> tuple[float, float]:
    import tifffile

    image = tifffile.xml2dict(text)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    y, x = (_length(pixels[f"PhysicalSize{a}"], pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in "YX")
    return y, x


def _imagej_pixel_size(file: Any) -> tuple[float, float]:
    """ImageJ writes the pixels per unit as a fraction."""
    unit = file.imagej_metadata["unit"].replace(r"\u00B5", "µ")
    tags = file.pages[0].tags
    y, x = (tags[f"{axis}Resolution"].value for axis in "YX")
    return _length(y[1] / y[0], unit), _length(x[1] / x[0], unit)


def _length(value: Any, unit: str) -> float:
    # The sign of micro has two code points.
    return float(value) * _MICROMETRES[unit.replace("\u03bc", "\u00b5")]
