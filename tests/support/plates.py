"""A small OME-Zarr plate, as its format describes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr


def plate(path: Path, image: Any, wells: tuple[str, ...] = ("A/1", "B/2"), fields: int = 2) -> Path:
    """Write a plate in whose fields the image lies, each a little brighter than the one before."""
    root = zarr.create_group(path)
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": well} for well in wells]}}
    number = 0
    for well in wells:
        group = root.create_group(well)
        names = [str(field) for field in range(fields)]
        group.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": name} for name in names]}}
        for name in names:
            _field(group.create_group(name), image + np.asarray(number, image.dtype))
            number += 1
    return path


def _field(group: Any, image: Any) -> None:
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    level = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
    group.create_array("0", data=image)
