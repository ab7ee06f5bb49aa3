"""Results on disk as OME-Zarr 0.5 images with all their levels, written zone by zone, safe against crashes.

labels.ome.zarr/
  zarr.json          axes, scale, classes
  0/  1/  2/  ...    levels: each half as large as the one before, in shards of one zone or a few
  probabilities/     another image of the same kind, if they are kept
  exactile/          what made them: run.json, journal, report.json, lock; kept/ as long as a run needs it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import lcm
from pathlib import Path
from typing import Any

from msgspec import UNSET, structs
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.words import counted
from napari_exactile.images.store.files import (
    EVERYWHERE,
    RUN,
    AboutLine,
    Fault,
    ImageFacts,
    StoreFacts,
    about_of,
    be,
    damaged_beyond,
    file_faults,
    files_of,
    put_back,
    told_in,
    write_again,
)
from napari_exactile.images.store.folder import (
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
    remove_empty,
    telling_gone,
)
from napari_exactile.images.store.image import StoredImage
from napari_exactile.images.store.journal import Content, Journal, write_json, write_lines
from napari_exactile.images.store.lock import Lock
from napari_exactile.images.store.recovery import checksum, damage, holds_something, recover
from napari_exactile.images.store.shards import Zone

__all__ = [
    "OWN", "LabelStore", "StoreGoneError", "check_room", "clear", "is_complete", "refuse_gone",
    "telling_gone",
]  # fmt: skip


class LabelStore:
    """The images that a run gives, on disk: labels, beside them probabilities, or values alone.

    `images` are known by these names; the first of them is the store itself, whose `levels` are zarr arrays,
    level 0 first. Anyone may read them while they grow. The store belongs to one run at a time: `about` is
    what `create` was told, `journal` what has been done since. One thread at a time calls the methods;
    `close` lets other runs have the store. `faults` are what is damaged beside pixels and is said elsewhere,
    too: `mend` writes it again, and until then nothing is changed; what its journal has lost counts as not
    done. Where zarr's files are damaged, it has no images before that. One that is opened `read_only` need
    not be writable. Raises InUseError where another run has it, ValueError for a folder
    that is none or is damaged beyond that, OSError where the disk does not do what it should.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        refuse_none(path)
        self.path, self._lock = path, Lock(path / OWN / "lock", reading=read_only)
        try:
            self.journal = Journal(path / OWN / "journal", read_only=True)
            self.about, wrong = about_of(path, self.journal.records)
            self._facts = StoreFacts.in_store(path, self.about)
            self._damaged = dict(file_faults(path, self._facts.written))
            self.faults = (*wrong, *self._damaged.values(), *self._lost_lines())
            unreadable = self._damaged.keys() - EVERYWHERE.keys()
            self.images = {} if unreadable else _images(path, self._facts.images, read_only)
        except BaseException:
            self.close()
            raise

    def _lost_lines(self) -> Iterator[Fault]:
        if lost := self.journal.found.lost:
            words = f"{counted(lost, 'line')} of {OWN}/journal {be(lost)} damaged or missing"
            yield Fault(words, "what is lost {be} taken from elsewhere, or done again")
        elif self.tells_of_itself and told_in(self.journal.records) is None:
            yield Fault(
                f"{OWN}/journal {{be}} empty or missing",
                "what is lost {be} taken from elsewhere, or done again",
            )

    def mend(self) -> None:
        """Write again what is damaged and known from elsewhere, once nothing more speaks against going on."""
        with put_back(self.path / name for name in self._damaged):
            for name in self._damaged:
                write_again(self.path, name, self._facts.written[name])
            self.images = self.images or _images(self.path, self._facts.images, read_only=False)
        self.journal.mend()
        if any(RUN in fault.what for fault in self.faults):
            write_json(self.path / RUN, self.about)
        if self.tells_of_itself and told_in(self.journal.records) is None:
            self.journal.append(AboutLine(about=self.about).as_json())

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
            whole = about | StoreFacts(images=_facts(images), files=files_of(path)).as_json()
            # The last files: without one of them, there is no store yet.
            write_lines(path / OWN / "journal", [AboutLine(about=whole).as_json()])
            write_json(path / RUN, whole)
        finally:
            lock.release()
        return cls(path)

    def tell(self, about: Content) -> None:
        """Say of a store of an earlier version what it was made of, in both places, and what its files are.

        As much as `create` would have said of it; it must be sound.
        """
        self._facts = structs.replace(self._facts, files=files_of(self.path))
        self.about = about | self._facts.as_json()
        self.journal.append(AboutLine(about=self.about).as_json())
        write_json(self.path / RUN, self.about)

    @property
    def facts(self) -> Mapping[str, ImageFacts]:
        """What it says of the axes of its images, by their names."""
        return self._facts.images

    @property
    def tells_of_itself(self) -> bool:
        """Whether it says what its files are, as those of earlier versions do not."""
        return self._facts.files is not UNSET

    @property
    def levels(self) -> tuple[Any, ...]:
        """All levels of the first image as zarr arrays, level 0 first."""
        return self._first.levels

    @property
    def shard(self) -> tuple[int, ...]:
        """Spatial shape of what holds whole shards of level 0 of all images."""
        return tuple(map(lcm, *(image.shard for image in self.images.values())))

    @property
    def nbytes(self) -> int:
        """Bytes of all levels of all images before they are compressed."""
        return sum(array.nbytes for image in self.images.values() for array in image.levels)

    def close(self) -> None:
        """Let other runs have the store; its arrays can still be read. May be called twice."""
        self._lock.release()

    @property
    def is_bare(self) -> bool:
        """Whether its journal says nothing but what it was made for."""
        return len(self.journal.records) == 1

    def withdraw(self) -> None:
        """Close the store, of which nothing is done, and remove it, unless somebody has."""
        there = self._lock.is_there
        if there:
            remove_all(self.path)
        self.close()
        if there:
            remove_empty(self.path)

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

    def holds_something(self, plane: tuple[int, ...], box: Box) -> bool:
        """Tell whether there is anything in a zone, in any level, but what stands for unfinished pixels."""
        return holds_something(tuple(self.images.values()), plane, box)

    def recover(self, zones: Iterable[Zone]) -> list[Zone]:
        """Return those finished zones that are on the disk as they were written; see `recovery.recover`."""
        return recover(tuple(self.images.values()), zones)

    @property
    def _first(self) -> StoredImage:
        return next(iter(self.images.values()))


def _facts(images: Mapping[str, NewImage]) -> dict[str, ImageFacts]:
    layouts = {name: image.layout for name, image in images.items()}
    return {name: ImageFacts(spatial=len(one.shape), channel=one.channel) for name, one in layouts.items()}


def _images(path: Path, facts: Mapping[str, ImageFacts], read_only: bool) -> dict[str, StoredImage]:
    try:
        return {
            name: StoredImage(folder_of(path, name, facts), fact.spatial, fact.channel, read_only)
            for name, fact in facts.items()
        }
    except Exception as error:  # whatever zarr makes of a damaged file
        raise damaged_beyond(path, f"a zarr.json, or {RUN}", "they do not describe these labels") from error
