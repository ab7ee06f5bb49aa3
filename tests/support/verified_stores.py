"""A store to be verified, and labels in it that somebody changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

import napari_exactile as ex
from integer_runs import pixels, unet


def unet_store(folder: Path) -> Path:
    """A complete store of zones of 32 px, whose image is a file beside it."""
    np.save(folder / "image.npy", pixels(100, 150))
    ex.segment(folder / "image.npy", unet(), tile=56, output=folder / "a.ome.zarr")
    return folder / "a.ome.zarr"


def change(path: Path, index: Any, level: str = "0") -> None:
    """Change labels on the disk."""
    labels: Any = zarr.open_group(path, mode="r+")[level]
    labels[index] = (labels[index] + 1) % 3
