"""Folders that are zarr, told by the files in them."""

from __future__ import annotations

from pathlib import Path

ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
"""Files that stand for the zarr folder in which they lie."""


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr array or group."""
    return any((path / name).is_file() for name in ZARR_FILES)


def outermost_zarr(path: Path) -> Path:
    """Return the outermost zarr folder to which a file or folder belongs; itself where there is none."""
    while is_zarr(path.parent):
        path = path.parent
    return path
