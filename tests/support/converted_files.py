"""Several images as bioformats2raw writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zarr

from image_files import pixels, write_ngff


def converted(folder: Path, version: str = "0.4") -> tuple[Path, list[Any]]:
    """Write three series as bioformats2raw does; the second is the largest."""
    path, images = folder / "a.zarr", [pixels(1, 40, 50), pixels(1, 60, 70), pixels(1, 20, 30)]
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    layout = {"bioformats2raw.layout": 3}
    group.attrs.update(layout if version == "0.4" else {"ome": {**layout, "version": version}})
    for number, image in enumerate(images):
        write_ngff(path / str(number), image, version)
    return path, images
