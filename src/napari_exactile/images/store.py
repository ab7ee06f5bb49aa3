"""Results on disk as OME-Zarr 0.5 images with all their levels, written zone by zone, safe against crashes.

labels.ome.zarr/
  zarr.json          axes, scale, classes
  0/  1/  2/  ...    levels: each half as large as the one before, in shards of one zone or a few
  probabilities/     another image of the same kind, if they are kept
  exactile/          what made them: run.json, journal, report.json, lock; kept/ as long as a run needs it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.images.journal import Journal, read_json, write_json
from napari_exactile.images.layout import Zone
from napari_exactile.images.lock import Lock
from napari_exactile.images.recovery import checksum, damage, recover
from napari_exactile.images.store_folder import (
    OWN,
    NewImage,
    StoreGoneError,
    check_room,
    clear,
    folder_of,
    is_complete,
    make_images,
    refuse_gone,
    refuse_none,
    refuse_other,
    remove_all,
    telling_gone,
)
from napari_exactile.images.stored_image import StoredImage

__all__ = [
    "OWN", "LabelStore", "StoreGoneError", "check_room", "clear", "is_complete", "refuse_gone",
    "telling_gone",
]  # fmt: skip

IMAGES = "images"


class LabelStore:
    """The images that a run gives, on disk: labels, beside them probabilities, or values alone.

    `images` are known by these names; the first of them is the store itself, whose `levels` are zarr arrays,
    level 0 first. Anyone may read them while they grow. The store belongs to one run at a time: `about` is
    what `create` was told, `journal` what has been done since. One thread at a time calls the methods;
    `close` lets other runs have the store. One that is opened `read_only` need not be writable, and nothing
    in it is changed. Raises InUseError where another run has it, ValueError for a folder that is none,
    OSError where the disk does not do what it should.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        refuse_none(path)
        self.path, self._lock = path, Lock(path / OWN / "lock", reading=read_only)
        try:
            self.about: dict[str, Any] = read_json(path / OWN / "run.json")
            self.journal = Journal(path / OWN / "journal", read_only)
            self.images = _images(path, self.about, read_only)
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path, images: Mapping[str, NewImage], about: dict[str, Any]) -> LabelStore:
        """Make a new store with these images; `about` is kept with it, and must fit into JSON.

        What a crash left of an earlier attempt is replaced, nothing else ever is. Raises ValueError where
        something else is there, and OSError where the disk has not enough room.
        """
        refuse_other(path)
        check_room(path, sum(image.layout.nbytes for image in images.values()))
        (path / OWN).mkdir(parents=True, exist_ok=True)
        lock = Lock(path / OWN / "lock")
        try:
            remove_all(path)
            make_images(path, images)
            # The last file: without it, there is no store yet.
            write_json(path / OWN / "run.json", about | {IMAGES: _facts(images)})
        finally:
            lock.release()
        return cls(path)

    @property
    def levels(self) -> tuple[Any, ...]:
        """All levels of the first image as zarr arrays, level 0 first."""
        return self._first.levels

    @property
    def nbytes(self) -> int:
        """Bytes of all levels of all images before they are compressed."""
        return sum(array.nbytes for image in self.images.values() for array in image.levels)

    def close(self) -> None:
        """Let other runs have the store; its arrays can still be read. May be called twice."""
        self._lock.release()

    def write(self, plane: tuple[int, ...], box: Box, pixels: NDArray[Any]) -> None:
        """Write a box of level 0 of one plane of the stack in the first image."""
        self._first.write(plane, box, pixels)

    def read(self, plane: tuple[int, ...], box: Box, level: int = 0) -> NDArray[Any]:
        """Return a box of one level of the first image: ([channels,] *box)."""
        return self._first.read(plane, box, level)

    def finish(self, plane: tuple[int, ...], box: Box) -> Zone:
        """Write the other levels of a zone whose level 0 is written in all images.

        All is on the disk when this returns.
        """
        return Zone(plane, box, checksum(image.finish(plane, box) for image in self.images.values()))

    def wrong_levels(self, zone: Zone) -> tuple[int, ...]:
        """Return the levels in which a finished zone is not what was written, without changing anything.

        Where it is level 0, nothing can be said of the others.
        """
        return tuple(sorted(damage(tuple(self.images.values()), zone)))

    def recover(self, zones: Iterable[Zone]) -> list[Zone]:
        """Return those finished zones that are on the disk as they were written; see `recovery.recover`."""
        return recover(tuple(self.images.values()), zones)

    @property
    def _first(self) -> StoredImage:
        return next(iter(self.images.values()))


def _facts(images: Mapping[str, NewImage]) -> dict[str, Any]:
    """Return what must be known of each image to write it."""
    layouts = {name: image.layout for name, image in images.items()}
    return {name: {"spatial": len(one.shape), "channel": one.channel} for name, one in layouts.items()}


def _images(path: Path, about: dict[str, Any], read_only: bool) -> dict[str, StoredImage]:
    if IMAGES not in about:
        raise ValueError(f"{path} was written by another version of napari-exactile")
    facts = about[IMAGES]
    return {
        name: StoredImage(folder_of(path, name, facts), **fact, read_only=read_only)
        for name, fact in facts.items()
    }
