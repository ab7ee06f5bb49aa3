"""What tells, without reading them, that the pixels of a file are still the same."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from napari_exactile.images.about.opened import (
    FileVersion,
    OpenedFiles,
    mapped_file,
    opened_files,
    version_of,
    zarr_folder,
)
from napari_exactile.images.source import ArraySource, LayeredSource
from napari_exactile.images.view import View
from napari_exactile.why import why

# File systems tell times in steps of up to 2 s: what was written in the last ones may change unnoticed.
SETTLED_NS = 2 * 10**9


def fingerprint(source: Any) -> Hashable | None:
    """Return what stays equal while the files under a source stay as they are; None where nobody can tell.

    It knows files by name, time and size: all those of a TIFF, and .npy files, that were opened by
    `open_image`, and zarr folders, file by file. Arrays in memory have none: a checksum of them takes as long
    as measuring them.
    """
    if isinstance(source, LayeredSource):
        parts = tuple(map(fingerprint, source.sources))
        return None if None in parts else parts
    if not isinstance(source, ArraySource):
        return None
    pixels = _of(source.array)
    place = source.channel_axis, source.plane, source.keep_channels, source.grey
    return None if pixels is None else (pixels, place)


def _of(array: Any) -> Hashable | None:
    known = version_of(array)
    if known is not None:
        settled = _settled(max(version.modified for version in known.versions))
        return (known.versions, known.series, bool(known.missing), repr(known.part)) if settled else None
    if isinstance(array, View):
        pixels = _of(array.array)
        return None if pixels is None else (pixels, repr(array.parts))
    folder = zarr_folder(array)
    return None if folder is None else _settled_folder(folder)


def stamp_of(source: Any) -> str:
    """Return what tells the files under a source from all other versions of them, wherever they lie.

    It goes by times and sizes of the files that `fingerprint` knows; there is nothing of arrays that nobody
    knows the files of. Raises ChangedError where a file is no longer what was opened. One that was deleted
    has not changed: who has it open reads on.
    """
    if isinstance(source, LayeredSource):
        return "; ".join(dict.fromkeys(filter(None, map(stamp_of, source.sources))))
    return _stamp(source.array) if isinstance(source, ArraySource) else ""


class ChangedError(ValueError):
    """The file of an image is no longer what it was.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    ...     path = Path(folder, "cells.npy")
    ...     np.save(path, np.zeros((64, 64), np.float32))
    ...     image = ex.open_image(path)
    ...     np.save(path, np.zeros((65, 64), np.float32))
    ...     try:
    ...         ex.segment(image, "colonies-demo")
    ...     except ex.ChangedError as error:
    ...         print(str(error).partition("cells.npy ")[2])
    has been changed since it was opened: open it again
    """


def _stamp(array: Any) -> str:
    known = opened_files(array)
    if known is not None and known.versions:
        _refuse_changed(known)
        return _stamp_of_files(known)
    if isinstance(array, View):
        return _stamp(array.array)
    if (file := mapped_file(array)) is not None and file.exists():
        return _stamp_of_files(OpenedFiles(file, (FileVersion.of(file),)))
    folder = zarr_folder(array)
    try:
        return "" if folder is None else f"folder {_listed(folder)[0][:16]}"
    except OSError as error:
        # Of chunks that are gone, zarr would give zeros.
        raise ChangedError(f"{folder} cannot be read any more ({why(error)}): open it again") from error


def _stamp_of_files(files: OpenedFiles) -> str:
    """Return sizes and times: of one file as they are, of several as a checksum with their names."""
    if len(files.versions) == 1:
        (version,) = files.versions
        return f"{version.size} bytes, {version.modified}"
    found, folder = sha256(), files.path.resolve().parent
    for version in sorted(files.versions, key=lambda one: one.path):
        name = Path(os.path.relpath(version.path, folder)).as_posix()
        found.update(f"{name} {version.modified} {version.size}\n".encode())
    return f"{len(files.versions)} files {found.hexdigest()[:16]}"


def _refuse_changed(files: OpenedFiles) -> None:
    for version, now in files.changed():
        if now is not None:
            raise ChangedError(f"{version.path} has been changed since it was opened: open it again")


def _settled_folder(folder: Path) -> tuple[Path, str] | None:
    try:
        found, newest = _listed(folder)
    except OSError:
        return None
    return (folder.resolve(), found) if _settled(newest) else None


def _listed(folder: Path) -> tuple[str, int]:
    """Return a checksum of the names, times and sizes of all files in a folder, and the latest time."""
    found, newest = sha256(), 0
    for path, stat in _files(folder):
        name = Path(path).relative_to(folder).as_posix()
        found.update(f"{name} {stat.st_mtime_ns} {stat.st_size}\n".encode())
        newest = max(newest, stat.st_mtime_ns)
    return found.hexdigest(), newest


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(Path(entry.path))
        else:
            yield entry.path, entry.stat()


def _settled(modified: int) -> bool:
    return time.time_ns() - modified > SETTLED_NS
