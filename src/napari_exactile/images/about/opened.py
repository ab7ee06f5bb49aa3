"""An image in a file that has been opened, and how its array is known again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from napari_exactile.geometry.axes import check_axes
from napari_exactile.images.about.chosen import Images, Wanted
from napari_exactile.images.about.zarr_folders import outermost_zarr
from napari_exactile.images.known import KnownOf


def _lengths(sizes: Any) -> tuple[float, ...]:
    """Return the lengths of a pixel; raise ValueError for what is none."""
    try:
        lengths = tuple(map(float, () if isinstance(sizes, str) else sizes))
        if all(isfinite(length) and length > 0 for length in lengths) and not isinstance(sizes, str):
            return lengths
    except (TypeError, ValueError):
        pass
    words = "a pixel size is micrometres along the last axes, such as (0.5, 0.5)"
    raise ValueError(f"{words}, not {sizes!r}")


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
        space, sizes = [axis for axis in axes if axis in "zyx"], _lengths(() if sizes is None else sizes)
        sizes = sizes[-len(space) :]
        known = dict(zip(space[len(space) - len(sizes) :], sizes, strict=True))
        scale = tuple(float(known.get(axis, 1.0)) for axis in axes)
        return cls(scale, (0.0,) * len(axes), tuple(axis in known for axis in axes))

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """Sizes of a pixel in micrometres along as many of the last axes as are measured; None for none."""
        count = next((n for n, known in enumerate(reversed(self.measured)) if not known), len(self.scale))
        return self.scale[len(self.scale) - count :] or None

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
    what costs more than one would think. `place` is known where a file says it of every axis. `number` is
    that of the image among all `images` of the file. Raises ValueError for axes that do not fit.

    >>> import numpy as np
    >>> import napari_exactile as ex
    >>> image = ex.OpenedImage("cells", np.zeros((2, 64, 64)), "cyx", pixel_size=(0.5, 0.5))
    >>> image.placed("yx").scale, len(image.levels)
    ((0.5, 0.5), 1)
    """

    name: str
    array: Any
    axes: str | None
    pixel_size: tuple[float, ...] | None = None
    channels: tuple[str, ...] = ()
    coarser: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    place: Place | None = None
    number: int = 0
    images: Images | None = None

    def __post_init__(self) -> None:
        if self.axes is not None:
            check_axes(self.axes, self.array.shape, self.name)

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


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """What an array reads: files as they were when they were opened, all those that its image is made of.

    `path` is what was opened, and `part` what of the image the array is. `versions` may be empty: of the
    folder of a zarr, all files are looked at. `series` chooses the image among the `images` in the file. What
    of it is `missing`, in sentences, was allowed to be.
    """

    path: Path
    versions: tuple[FileVersion, ...] = ()
    part: Any = None
    series: Wanted = 0
    images: Images | None = None
    missing: tuple[str, ...] = ()

    def changed(self) -> Iterator[tuple[FileVersion, FileVersion | None]]:
        """Yield the files that are not what was opened any more, with what is there now: None if gone."""
        for version in self.versions:
            try:
                now = FileVersion.of(version.path)
            except OSError:
                yield version, None
            else:
                if now != version:
                    yield version, now


_OPENED: KnownOf[OpenedFiles] = KnownOf()


def remember(array: Any, files: OpenedFiles) -> None:
    """Note what an array reads, for as long as the array lives."""
    _OPENED.keep(array, files)


def opened_files(array: Any) -> OpenedFiles | None:
    """Return what was opened for an array, whatever has become of it; None where nobody knows."""
    return _OPENED.of(array)


def version_of(array: Any) -> OpenedFiles | None:
    """Return what an array reads; None where nobody knows, or a file is no longer what was opened."""
    known = _OPENED.of(array)
    return known if known and known.versions and not any(known.changed()) else None


def file_of(array: Any) -> Path | None:
    """Return the file or folder that an array reads, whatever has become of it; None where nobody knows."""
    known = _OPENED.of(array)
    if known and known.versions:
        return known.path
    return zarr_folder(array) or mapped_file(array)


def files_of(array: Any) -> tuple[Path, ...]:
    """Return all files that hold pixels of an array, or its folder; that of a zarr is the outermost one."""
    known, folder = _OPENED.of(array), zarr_folder(array)
    if known and known.versions:
        return tuple(version.path for version in known.versions)
    if folder is not None:
        return (outermost_zarr(folder),)
    file = mapped_file(array)
    return (*getattr(array, "files", ()), *([file] if file else []))


def zarr_folder(array: Any) -> Path | None:
    """Return the folder of a zarr array in local files; other stores and other arrays have no such root."""
    root = getattr(getattr(array, "store", None), "root", None)
    return (root / array.path).resolve() if isinstance(root, Path) else None


def mapped_file(array: Any) -> Path | None:
    """Return the file that an array of numpy is mapped to."""
    name = array.filename if isinstance(array, np.memmap) else None
    return Path(name).resolve() if name else None
