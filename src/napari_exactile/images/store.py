"""Labels on disk as an OME-Zarr 0.5 image with all its levels, written zone by zone, safe against crashes.

labels.ome.zarr/
  zarr.json          axes, scale, classes
  0/  1/  2/  ...    levels: each half as large as the one before, in shards of a zone's size
  exactile/          what made them: run.json, journal, report.json, lock
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.images.journal import Journal, read_json, write_json
from napari_exactile.images.layout import Layout, Zone
from napari_exactile.images.lock import Lock
from napari_exactile.images.recovery import checksum, recover
from napari_exactile.images.store_folder import (
    OWN,
    check_room,
    clear,
    is_complete,
    make_arrays,
    refuse_none,
    refuse_other,
    remove_all,
)
from napari_exactile.images.stored_image import StoredImage

__all__ = ["LabelStore", "check_room", "clear", "is_complete"]


class LabelStore:
    """A label image on disk that belongs to one run at a time.

    `levels` are zarr arrays, level 0 first; anyone may read them while they grow. `about` is what `create`
    was told, `journal` what has been done since. One thread at a time calls the methods; `close` lets other
    runs have the store. Raises InUseError where another run has it, ValueError for a folder that is none,
    OSError where the disk does not do what it should.
    """

    def __init__(self, path: Path) -> None:
        refuse_none(path)
        self.path, self._lock = path, Lock(path / OWN / "lock")
        try:
            self.about: dict[str, Any] = read_json(path / OWN / "run.json")
            self.journal = Journal(path / OWN / "journal")
            self.image = StoredImage(path, int(self.about["spatial"]), int(self.about["channels"]))
        except BaseException:
            self.close()
            raise

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
            remove_all(path)
            make_arrays(path, layout, metadata)
            facts = {"spatial": len(layout.shape), "channels": int(channels)}
            # The last file: without it, there is no store yet.
            write_json(path / OWN / "run.json", about | facts)
        finally:
            lock.release()
        return cls(path)

    @property
    def levels(self) -> tuple[Any, ...]:
        """All levels as zarr arrays, level 0 first."""
        return self.image.levels

    def close(self) -> None:
        """Let other runs have the store; its arrays can still be read. May be called twice."""
        self._lock.release()

    def write(self, plane: tuple[int, ...], box: Box, labels: NDArray[Any]) -> None:
        """Write a box of level 0 of one plane of the stack."""
        self.image.write(plane, box, labels)

    def read(self, plane: tuple[int, ...], box: Box, level: int = 0) -> NDArray[Any]:
        """Return a box of one level: ([channels,] *box)."""
        return self.image.read(plane, box, level)

    def finish(self, plane: tuple[int, ...], box: Box) -> Zone:
        """Write the other levels of a zone whose level 0 is written; all is on the disk when this returns."""
        return Zone(plane, box, checksum(self.image.finish(plane, box)))

    def recover(self, zones: Iterable[Zone]) -> list[Zone]:
        """Return those finished zones whose labels are on the disk as they were written; see `recovery`."""
        return recover(self.image, zones)
