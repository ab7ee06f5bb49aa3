"""Labels on disk as an OME-Zarr 0.5 image with all its levels, written zone by zone, safe against crashes.

labels.ome.zarr/
  zarr.json          axes, scale, classes
  0/  1/  2/  ...    levels: each half as large as the one before, in shards of a zone's size
  exactile/          what made them: run.json, journal, report.json, lock
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.images.journal import Journal, read_json, write_json
from napari_exactile.images.lock import Lock
from napari_exactile.images.pyramid import level_shapes, part_at, sampled

OWN = "exactile"

# A shard holds as many zones as it takes to reach this many pixels: one, unless somebody chose tiny tiles.
SHARD_PIXELS = 2**16
# What viewers read at once: chunks inside a shard are as near to this as divides it.
CHUNK_SIDE = 256


@dataclass(frozen=True, slots=True)
class Layout:
    """The array of level 0: (*leading, *shape) of `dtype`, filled with `unfinished`, in zones of size `zone`.

    `leading` are channels and the axes of a stack, which have shards of their own; `axes` are the letters of
    all axes. Lengths are in labels.
    """

    leading: tuple[int, ...]
    shape: tuple[int, ...]
    zone: tuple[int, ...]
    axes: str
    dtype: str
    unfinished: int

    def __post_init__(self) -> None:
        if len(self.zone) != len(self.shape) or len(self.axes) != len(self.leading) + len(self.shape):
            raise ValueError(f"axes {self.axes!r} and zone {self.zone} do not fit labels of {self.shape}")
        if min(*self.leading, *self.shape, *self.zone) < 1:
            raise ValueError(f"labels of {(*self.leading, *self.shape)} in zones of {self.zone} are empty")
        if not 0 <= self.unfinished <= np.iinfo(self.dtype).max:
            raise ValueError(f"{self.dtype} cannot hold the label {self.unfinished}")

    @property
    def shard(self) -> tuple[int, ...]:
        """Spatial shape of a shard: that of a zone, or of a few that are tiny."""
        count = 1
        while prod(self.zone) * count ** len(self.zone) < SHARD_PIXELS:
            count += 1
        return tuple(length * count for length in self.zone)

    @property
    def chunk(self) -> tuple[int, ...]:
        """Spatial shape of the chunks inside a shard."""
        return tuple(map(_chunk_side, self.shard))

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Spatial shapes of all levels."""
        return level_shapes(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all levels before they are compressed: the most that they can take."""
        size = np.dtype(self.dtype).itemsize * prod(self.leading)
        return size * sum(prod(shape) for shape in self.levels)


def _chunk_side(shard: int) -> int:
    """Return the largest divisor up to CHUNK_SIDE; where all are tiny, as of a prime, the shard is one chunk.

    >>> _chunk_side(832), _chunk_side(100), _chunk_side(521)
    (208, 100, 521)
    """
    side = next(side for side in range(min(shard, CHUNK_SIDE), 0, -1) if shard % side == 0)
    return side if side * 8 > CHUNK_SIDE else shard


@dataclass(frozen=True, slots=True)
class Zone:
    """A finished zone: its place in the stack, its box in the labels, and the checksum of its labels."""

    plane: tuple[int, ...]
    box: Box
    checksum: int


class LabelStore:
    """A label image on disk that belongs to one run at a time.

    `levels` are zarr arrays, level 0 first; anyone may read them while they grow. `about` is what `create`
    was told, `journal` what has been done since. One thread at a time calls the methods; `close` lets other
    runs have the store. Raises InUseError where another run has it, ValueError for a folder that is none,
    OSError where the disk does not do what it should.
    """

    def __init__(self, path: Path) -> None:
        if not is_complete(path):
            raise ValueError(f"{path} is no label store of napari-exactile")
        self.path, self._lock = path, Lock(path / OWN / "lock")
        try:
            self.about: dict[str, Any] = read_json(path / OWN / "run.json")
            self.journal = Journal(path / OWN / "journal")
            self.levels = _arrays(path)
        except BaseException:
            self.close()
            raise
        self._spatial, self._channels = int(self.about["spatial"]), int(self.about["channels"])

    @classmethod
    def create(
        cls, path: Path, layout: Layout, metadata: dict[str, Any], about: dict[str, Any],
        channels: bool = False,
    ) -> LabelStore:  # fmt: skip
        """Make a new store with the attributes `metadata`; `about` is kept with it, and must fit into JSON.

        The first of the leading axes are `channels` where each channel has labels of its own: a zone covers
        all of them. What a crash left of an earlier attempt is replaced, nothing else ever is. Raises
        ValueError where something else is there, and OSError where the disk has not enough room.
        """
        refuse_other(path)
        check_room(path, layout.nbytes)
        (path / OWN).mkdir(parents=True, exist_ok=True)
        lock = Lock(path / OWN / "lock")
        try:
            _remove_all(path)
            _make_arrays(path, layout, metadata)
            facts = {"spatial": len(layout.shape), "channels": int(channels)}
            # The last file: without it, there is no store yet.
            write_json(path / OWN / "run.json", about | facts)
        finally:
            lock.release()
        return cls(path)

    def close(self) -> None:
        """Let other runs have the store; its arrays can still be read. May be called twice."""
        self._lock.release()

    def write(self, plane: tuple[int, ...], box: Box, labels: NDArray[Any]) -> None:
        """Write a box of level 0 of one plane of the stack."""
        self.levels[0][self._index(plane, box)] = labels

    def read(self, plane: tuple[int, ...], box: Box, level: int = 0) -> NDArray[Any]:
        """Return a box of one level: ([channels,] *box)."""
        return np.asarray(self.levels[level][self._index(plane, box)])

    def finish(self, plane: tuple[int, ...], box: Box) -> Zone:
        """Write the other levels of a zone whose level 0 is written; all is on the disk when this returns."""
        labels = self.read(plane, box)
        for level in range(1, len(self.levels)):
            self._write_level(level, plane, box, labels)
        for level in range(len(self.levels)):
            part = part_at(level, box)
            for path in self._shards(level, plane, part) if part else ():
                _flush(path)
        return Zone(plane, box, _checksum(labels))

    def wrong_levels(self, zone: Zone) -> tuple[int, ...]:
        """Return the levels in which a finished zone is not what was written, without changing anything.

        Where it is level 0, nothing can be said of the others.
        """
        labels = self._intact(zone)
        if labels is None:
            return (0,)
        return tuple(level for level in range(1, len(self.levels)) if self._differs(level, zone, labels))

    def recover(self, zones: Iterable[Zone]) -> list[Zone]:
        """Return those finished zones whose labels are on the disk as they were written.

        The levels of these are put right where need be. Whatever else there is, of zones that were in flight
        or are damaged, is erased, so that they can be computed anew.
        """
        good, stale = [], set()
        for zone in zones:
            labels = self._intact(zone)
            if labels is not None:
                good.append(zone)
                stale |= {level for level in range(1, len(self.levels)) if self._differs(level, zone, labels)}
        stale |= {level for level in range(1, len(self.levels)) if any(self._broken(level, good))}
        for level in range(len(self.levels)):
            self._erase(level, [] if level in stale else good)
        self._salvage(good)
        for level in sorted(stale):
            for zone in good:
                self._write_level(level, zone.plane, zone.box, self.read(zone.plane, zone.box))
        return good

    def _salvage(self, good: Sequence[Zone]) -> None:
        """Take good zones out of files of level 0 in which something else is damaged.

        Zones that share a chunk with the damage could not be written otherwise: zarr reads the chunk first.
        """
        for path in set(self._broken(0, good)):
            beside = [zone for zone in good if path in self._shards(0, zone.plane, zone.box)]
            labels = [self.read(zone.plane, zone.box) for zone in beside]
            path.unlink()
            for zone, pixels in zip(beside, labels, strict=True):
                self.write(zone.plane, zone.box, pixels)
                for shard in self._shards(0, zone.plane, zone.box):
                    _flush(shard)

    def _broken(self, level: int, zones: Iterable[Zone]) -> Iterator[Path]:
        """Yield the files of these zones that cannot be read as a whole."""
        parts = ((zone.plane, part_at(level, zone.box)) for zone in zones)
        paths = {path for plane, part in parts if part for path in self._shards(level, plane, part)}
        array, folder = self.levels[level], self.path / str(level) / "c"
        for path in filter(Path.exists, paths):
            place = map(int, path.relative_to(folder).parts)
            sizes = array.shards or array.chunks
            index = tuple(slice(n * size, (n + 1) * size) for n, size in zip(place, sizes, strict=True))
            try:
                array[index]
            except Exception:  # as above
                yield path

    def _intact(self, zone: Zone) -> NDArray[Any] | None:
        try:
            labels = self.read(zone.plane, zone.box)
        except Exception:  # a damaged file can make a codec raise anything
            return None
        return labels if _checksum(labels) == zone.checksum else None

    def _differs(self, level: int, zone: Zone, labels: NDArray[Any]) -> bool:
        part = part_at(level, zone.box)
        if part is None:
            return False
        try:
            return not np.array_equal(self.read(zone.plane, part, level), sampled(level, labels, zone.box))
        except Exception:  # as above
            return True

    def _write_level(self, level: int, plane: tuple[int, ...], box: Box, labels: NDArray[Any]) -> None:
        part = part_at(level, box)
        if part is not None:
            self.levels[level][self._index(plane, part)] = sampled(level, labels, box)

    def _index(self, plane: tuple[int, ...], box: Box) -> Any:
        return (*(slice(None),) * self._channels, *plane, *slices(box))

    def _shards(self, level: int, plane: tuple[int, ...], box: Box) -> Iterator[Path]:
        """Yield the files that hold a box of a level; those of nothing but `unfinished` need not exist."""
        array = self.levels[level]
        sizes = (array.shards or array.chunks)[-self._spatial :]
        places = [
            range(side.start // size, -(-side.stop // size)) for side, size in zip(box, sizes, strict=True)
        ]
        channels = [range(length) for length in array.shape[: self._channels]]
        stack = [[number] for number in plane]
        folder = self.path / str(level) / "c"
        return (folder.joinpath(*map(str, place)) for place in product(*channels, *stack, *places))

    def _erase(self, level: int, good: Iterable[Zone]) -> None:
        """Remove all files of a level but those that hold good zones."""
        kept: set[Path] = set()
        for zone in good:
            part = part_at(level, zone.box)
            kept.update(self._shards(level, zone.plane, part) if part else ())
        for path in (self.path / str(level) / "c").rglob("*"):
            if path not in kept and not path.is_dir():
                path.unlink()


def is_complete(path: Path) -> bool:
    """Tell whether there is a label store, whole or still growing."""
    return (path / OWN / "run.json").is_file()


def refuse_other(path: Path) -> None:
    """Raise ValueError where a new store would replace something, or cannot be.

    What may be there is an empty folder, or the beginnings of a store that was never complete.
    """
    if is_complete(path):
        raise ValueError(f"{path} holds labels already: choose another name")
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file: choose another name for the labels")
    if path.is_dir() and any(path.iterdir()) and not (path / OWN / "lock").exists():
        raise ValueError(f"{path} holds something else: choose another name for the labels")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for the labels")


def clear(path: Path) -> None:
    """Remove the labels of a store, so that `create` can begin anew; raises InUseError while a run has it."""
    if not is_complete(path):
        raise ValueError(f"{path} is no label store of napari-exactile")
    lock = Lock(path / OWN / "lock")
    try:
        _remove_all(path)
    finally:
        lock.release()


def _remove_all(path: Path) -> None:
    """Remove what is in a store whose lock is held, but for the lock; the mark of a store goes first."""
    (path / OWN / "run.json").unlink(missing_ok=True)
    for folder in path, path / OWN:
        for item in folder.iterdir():
            if item.name in {OWN, "lock"}:
                continue
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink()


def check_room(path: Path, needed: int) -> None:
    """Raise OSError where the disk of `path` has less than `needed` bytes left."""
    folder = path if path.exists() else path.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"labels in {path} can take up to {_size(needed)}, but only {_size(free)} are free there: "
            "choose another disk"
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


def _make_arrays(path: Path, layout: Layout, metadata: dict[str, Any]) -> None:
    group = zarr.create_group(path, zarr_format=3, attributes=metadata, overwrite=False)
    group.create_group(OWN)  # so that who lists the store finds nothing but zarr in it
    ones = (1,) * len(layout.leading)
    for level, shape in enumerate(layout.levels):
        group.create_array(
            str(level),
            shape=(*layout.leading, *shape),
            shards=(*ones, *layout.shard),
            chunks=(*ones, *layout.chunk),
            dtype=layout.dtype,
            fill_value=layout.unfinished,
            dimension_names=tuple(layout.axes),
            overwrite=True,
        )


def _arrays(path: Path) -> tuple[Any, ...]:
    group = zarr.open_group(path, mode="r+")
    attributes: Any = group.attrs["ome"]
    return tuple(group[entry["path"]] for entry in attributes["multiscales"][0]["datasets"])


def _checksum(labels: NDArray[Any]) -> int:
    return crc32(np.ascontiguousarray(labels).data)


def _flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return
    with file:
        os.fsync(file.fileno())


def zone_of(plane: Sequence[int], box: Sequence[Sequence[int]], checksum: int) -> Zone:
    """Return a zone from what JSON made of it."""
    return Zone(tuple(plane), tuple(Interval(*side) for side in box), checksum)
