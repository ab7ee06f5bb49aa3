"""What tells, without reading them, that the pixels of a file are still the same."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from napari_exactile.images.opened import version_of
from napari_exactile.images.source import ArraySource, LayeredSource
from napari_exactile.images.view import View

# File systems tell times in steps of up to 2 s: what was written in the last ones may change unnoticed.
SETTLED_NS = 2 * 10**9


def fingerprint(source: Any) -> Hashable | None:
    """Return what stays equal while the files under a source stay as they are; None where nobody can tell.

    It knows files by name, time and size: TIFF and .npy files that were opened by `open_image`, and zarr
    folders, file by file. Arrays in memory have none: a checksum of them takes as long as measuring them.
    """
    if isinstance(source, LayeredSource):
        parts = tuple(map(fingerprint, source.sources))
        return None if None in parts else parts
    if not isinstance(source, ArraySource):
        return None
    pixels = _of(source.array)
    place = source.channel_axis, source.plane, source.keep_channels
    return None if pixels is None else (pixels, place)


def _of(array: Any) -> Hashable | None:
    known = version_of(array)
    if known is not None:
        version, part = known
        return (version, repr(part)) if _settled(version.modified) else None
    if isinstance(array, View):
        pixels = _of(array.array)
        return None if pixels is None else (pixels, repr(array.parts))
    # The folder of a zarr array in local files; other stores and other arrays have no such root.
    root = getattr(getattr(array, "store", None), "root", None)
    return _folder(root / array.path) if isinstance(root, Path) else None


def _folder(folder: Path) -> str | None:
    """Return a checksum of the names, times and sizes of all files in a folder."""
    found, newest = sha256(str(folder.resolve()).encode()), 0
    try:
        for name, stat in _files(folder):
            found.update(f"{name} {stat.st_mtime_ns} {stat.st_size}\n".encode())
            newest = max(newest, stat.st_mtime_ns)
    except OSError:
        return None
    return found.hexdigest() if _settled(newest) else None


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(Path(entry.path))
        else:
            yield entry.path, entry.stat()


def _settled(modified: int) -> bool:
    return time.time_ns() - modified > SETTLED_NS
