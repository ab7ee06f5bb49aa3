"""Files that become several levels or layers in napari: pyramids, channels, and images with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile
import zarr


def pyramid(path: Path, image: Any, axes: str = "YX", channels: Any = None) -> None:
    about = {"axes": axes, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    if channels:
        about["Channel"] = {"Name": channels}
    kind: dict[str, Any] = {"tile": (32, 32), "photometric": "rgb" if axes.endswith("S") else "minisblack"}
    steps = (slice(None), slice(None, None, 4))
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(image, subifds=1, metadata=about, **kind)
        small = image[steps[1], steps[1]] if axes.endswith("S") else image[..., steps[1], steps[1]]
        file.write(small, subfiletype=1, **kind)


def write_image(path: Path, labels: Any, image: Any) -> None:
    """Write an image whose labels lie at a place of their own."""
    group = zarr.create_group(path)
    group.create_array("0", data=image)
    group.attrs["ome"] = {"version": "0.5", "multiscales": [scales([0.5, 0.5], [10.0, 20.0])]}
    beside = group.create_group("labels")
    beside.attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    cells = beside.create_group("cells")
    cells.create_array("0", data=labels)
    colors = [{"label-value": 1, "rgba": [255, 0, 0, 255]}]
    names = [{"label-value": 1, "class": "cell"}]
    cells.attrs["ome"] = {
        "version": "0.5", "multiscales": [scales([1.0, 1.0], [12.0, 24.0])],
        "image-label": {"colors": colors, "properties": names},
    }  # fmt: skip


def scales(scale: list[float], translation: list[float]) -> dict[str, Any]:
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    return {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
