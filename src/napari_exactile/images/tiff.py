"""Images from TIFF files, and labels into tiled OME-TIFF files with their pixel size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Side of the tiles in the file: a common choice that viewers read quickly.
FILE_TILE = 512


@dataclass(frozen=True, slots=True, eq=False)
class TiffImage:
    """An opened TIFF: `array` is sliced like numpy's and read as needed, `axes` names its axes."""

    array: Any
    axes: str
    pixel_size: tuple[float, float] | None


def open_tiff(path: Path) -> TiffImage:
    """Open the first series of a TIFF at full resolution; pixels are read when they are asked for.

    Axes of length 1 are dropped; samples and channels are both called "c". Raises ValueError for what is
    not a readable TIFF.
    """
    import tifffile
    import zarr

    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError) as error:
        raise ValueError(f"{path} cannot be opened as a TIFF file: {error}") from error
    series = file.series[0]
    axes = series.get_axes(squeeze=True).lower().replace("s", "c")
    array = zarr.open_array(series.aszarr(level=0, squeeze=True), mode="r")
    return TiffImage(array, axes, _pixel_size(file))


def save_labels(
    path: Path,
    labels: NDArray[Any],
    class_names: Sequence[str],
    pixel_size: Sequence[float] | None = None,
    unit: str = "µm",
) -> None:
    """Write labels (a (y, x) plane or a stack of them) and their class names as a tiled, compressed OME-TIFF.

    `pixel_size` is (y, x) in `unit`. The file appears under its name only when it is complete.
    """  # fmt: skip
    import tifffile

    metadata: dict[str, Any] = {"axes": "TZYX"[-labels.ndim :], "Name": path.stem}
    metadata["Description"] = "; ".join(f"{i} = {name}" for i, name in enumerate(class_names))
    if pixel_size is not None:
        metadata |= {"PhysicalSizeY": pixel_size[-2], "PhysicalSizeX": pixel_size[-1]}
        metadata |= {"PhysicalSizeYUnit": unit, "PhysicalSizeXUnit": unit}
    partial = path.with_name(path.name + ".part")
    try:
        tifffile.imwrite(
            partial, np.ascontiguousarray(labels), ome=True, metadata=metadata, compression="zlib",
            tile=(FILE_TILE, FILE_TILE), photometric="minisblack", bigtiff=labels.nbytes > 2**31,
        )  # fmt: skip
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _pixel_size(file: Any) -> tuple[float, float] | None:
    """Return (y, x) in micrometres from the OME metadata, None where the file does not say."""
    import tifffile

    if not file.ome_metadata:
        return None
    image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    size = pixels.get("PhysicalSizeY"), pixels.get("PhysicalSizeX")
    return None if None in size else (float(size[0]), float(size[1]))
