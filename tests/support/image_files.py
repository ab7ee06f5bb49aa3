"""Files that hold images, and whether windows of them are those of the array they were made from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import zarr

from napari_exactile.run.engine.events import Event, TileFinished

WINDOWS = [np.s_[0:5, 0:7], np.s_[37:90, 101:150], np.s_[119:120, 0:160], np.s_[:, 159:]]


def pixels(*shape: int, dtype: str = "uint16") -> Any:
    return np.random.default_rng(7).integers(0, 255, shape).astype(dtype)


def assert_windows(array: Any, expected: Any) -> None:
    """Windows of y and x, with all there is along other axes, are numpy's."""
    assert (tuple(array.shape), array.ndim) == (expected.shape, expected.ndim)
    for window in WINDOWS:
        index = window if expected.shape[-1] > 4 else (*window, slice(None))
        np.testing.assert_array_equal(np.asarray(array[(..., *index)]), expected[(..., *index)])


def write_ngff(
    path: Path, image: Any, version: str, axes: str = "cyx", unit: str | None = "micrometer"
) -> None:
    """Write a pyramid as OME-NGFF says, with a second image and labels beside the first."""
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for number, step in enumerate((1, 2)):
        level = image[..., ::step, ::step]
        chunks = (*(1,) * (image.ndim - 2), 50, 50)
        group.create_array(f"s{number}", data=level, chunks=chunks)
        scale = [1.0] * (image.ndim - 2) + [0.5 * step, 0.25 * step]
        datasets.append({"path": f"s{number}", "coordinateTransformations": [scaling(scale)]})
    group.create_array("other", data=image[..., :3, :3])
    labels = group.create_group("labels/cells")
    labels.create_array("0", data=np.ones(image.shape[-2:], np.uint8))
    kinds = [{"name": a, "type": "channel"} if a == "c" else space(a, unit) for a in axes]
    images = [
        {"axes": kinds, "datasets": datasets, "coordinateTransformations": [scaling([2.0] * len(axes))]}
    ]
    images.append({"axes": kinds, "datasets": [{"path": "other"}]})
    about: dict[str, Any] = {"multiscales": images, "version": version}
    about["omero"] = {"channels": [{"label": "red"}, {"label": "green"}]}
    group.attrs.update({"ome": about} if version == "0.5" else about)
    flat: Any = {"multiscales": [{"axes": kinds[-2:], "datasets": [{"path": "0"}]}], "image-label": {}}
    labels.attrs.update({"ome": flat} if version == "0.5" else flat)


def scaling(scale: list[float]) -> dict[str, Any]:
    return {"type": "scale", "scale": scale}


def space(axis: str, unit: str | None) -> dict[str, str]:
    return {"name": axis, "type": "space"} | ({"unit": unit} if unit else {})


def after(tiles: int, act: Callable[[], Any]) -> Callable[[Event], None]:
    """Return what hears events and acts once, when so many tiles are done."""
    done: list[Event] = []

    def hear(event: Event) -> None:
        if isinstance(event, TileFinished):
            done.append(event)
            if len(done) == tiles:
                act()

    return hear


def age(path: Path, seconds: int = 60) -> None:
    """Let files have been written some time ago."""
    for file in [path, *path.rglob("*")]:
        before = file.stat().st_mtime_ns - seconds * 10**9
        os.utime(file, ns=(before, before))


def zipped(folder: Path, inside: str = "", compression: int = ZIP_STORED) -> Path:
    """Zip a folder beside it, its content under the name `inside`."""
    path = folder.with_name(f"{folder.name}.zip")
    with ZipFile(path, "w", compression) as file:
        for one in sorted(folder.rglob("*")):
            if one.is_file():
                file.write(one, Path(inside) / one.relative_to(folder))
    return path
