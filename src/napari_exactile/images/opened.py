"""An image in a file that has been opened, and how its array is known again."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies: along each axis of its array the distance of elements and the centre of the first.

    Along the axes that have a unit of length, they are in micrometres: `measured` says which do.
    """

    scale: tuple[float, ...]
    translation: tuple[float, ...]
    measured: tuple[bool, ...]

    @classmethod
    def of(cls, axes: str, sizes: Sequence[float] | None = None) -> Place:
        """Return the place of an image with pixels of these sizes along its last spatial axes.

        It begins at the origin; along axes without a size, elements are one apart.
        """
        space, sizes = [axis for axis in axes if axis in "zyx"], tuple(sizes or ())
        if not all(isfinite(size) and size > 0 for size in sizes):
            raise ValueError(f"a pixel size is in micrometres along the last axes, not {sizes}")
        sizes = sizes[-len(space) :]
        known = dict(zip(space[len(space) - len(sizes) :], sizes, strict=True))
        scale = tuple(float(known.get(axis, 1.0)) for axis in axes)
        return cls(scale, (0.0,) * len(axes), tuple(axis in known for axis in axes))

    def along(self, own: str, wanted: str) -> Place:
        """Return the place along the `wanted` ones of its `own` axes; of others, nothing is known."""
        places = [own.find(axis) for axis in wanted]
        return Place(
            tuple(1.0 if n < 0 else self.scale[n] for n in places),
            tuple(0.0 if n < 0 else self.translation[n] for n in places),
            tuple(n >= 0 and self.measured[n] for n in places),
        )


@dataclass(frozen=True, slots=True, eq=False)
class OpenedImage:
    """An image in a file: `array` is sliced like numpy's and reads, at most, what the slice touches.

    `axes` has a letter for each axis of the array, "c" for channels and colours; None where the file names
    none. `pixel_size` is in micrometres along as many of the last spatial axes, None where it is unknown.
    `channels` are names. `coarser` are smaller versions of the same image, the largest first; `notes` say
    what costs more than one would think. `place` is known where a file says it of every axis. Raises
    ValueError for axes that do not fit.
    """

    name: str
    array: Any
    axes: str | None
    pixel_size: tuple[float, ...] | None = None
    channels: tuple[str, ...] = ()
    coarser: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    place: Place | None = None

    def __post_init__(self) -> None:
        axes, shape = self.axes, tuple(self.array.shape)
        if axes is not None and not len(set(axes)) == len(axes) == len(shape):
            raise ValueError(f"axes {axes!r} do not fit '{self.name}' of shape {shape}")

    @property
    def levels(self) -> tuple[Any, ...]:
        """The array and its coarser versions."""
        return (self.array, *self.coarser)

    def placed(self, axes: str) -> Place:
        """Return where the image lies along `axes`, as far as its file says."""
        if self.place is not None and self.axes is not None:
            return self.place.along(self.axes, axes)
        return Place.of(axes, self.pixel_size)


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file at one time: what is written to it later makes another version of it."""

    path: Path
    modified: int
    size: int

    @classmethod
    def of(cls, path: Path) -> FileVersion:
        """Return the version that lies there now; raises OSError."""
        stat = path.stat()
        return cls(path.resolve(), stat.st_mtime_ns, stat.st_size)


_VERSIONS: dict[int, tuple[FileVersion, Any]] = {}


def remember(array: Any, version: FileVersion, part: Any = None) -> None:
    """Note which file, and which `part` of it, an array reads, for as long as the array lives."""
    _VERSIONS[id(array)] = version, part
    weakref.finalize(array, _VERSIONS.pop, id(array), None)


def file_of(array: Any) -> Path | None:
    """Return the file or folder that an array reads, whatever has become of it; None where nobody knows."""
    if known := _VERSIONS.get(id(array)):
        return known[0].path
    root = getattr(getattr(array, "store", None), "root", None)  # an array of zarr in a folder
    return None if root is None else (Path(root) / getattr(array, "path", "")).resolve()


def opened_version(array: Any) -> FileVersion | None:
    """Return the version of the file that was opened for an array; None where nobody knows."""
    known = _VERSIONS.get(id(array))
    return known and known[0]


def version_of(array: Any) -> tuple[FileVersion, Any] | None:
    """Return what file an array reads; None where nobody knows, or the file is no longer what was opened."""
    known = _VERSIONS.get(id(array))
    if known is None:
        return None
    try:
        return known if FileVersion.of(known[0].path) == known[0] else None
    except OSError:
        return None
