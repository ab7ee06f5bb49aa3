"""The folder of a store: what may become one, how it begins, and how it is emptied."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zarr

from napari_exactile.images.store.files import OWN
from napari_exactile.images.store.lock import Lock
from napari_exactile.images.store.shards import StoreLayout

__all__ = ["OWN"]

# What only a store has that was whole once; the beginnings of one have none of it.
MARKS = ("run.json", "journal", "report.json", "kept")
# What lies in a store, beside its levels, and what systems leave in every folder.
PARTS = {OWN, "zarr.json", "labels", "probabilities", "values", ".DS_Store", "Thumbs.db", "desktop.ini"}

# Chunks, also those under way, and what a run adds to; a store that somebody has begun there has more.
AFTERWARDS = re.compile(rf"(\w+/)?\d+/c(/\d+)+(\.\w+\.partial)?|{OWN}/(journal|report\.json|lock)")


class StoreGoneError(OSError):
    """A store was removed, or moved away, and the labels in it with it.

    >>> import napari_exactile as ex
    >>> try:
    ...     refuse_gone(Path("labels.ome.zarr"))
    ... except ex.StoreGoneError as error:
    ...     print(error)
    labels.ome.zarr was removed, and the labels in it with it: run again
    """


def is_complete(path: Path) -> bool:
    """Tell whether there is a label store, whole or still growing, damaged or not."""
    marked = any((path / OWN / name).exists() for name in MARKS)
    return marked or ((path / OWN).is_dir() and any(path.glob("*/c")))


def refuse_gone(path: Path) -> None:
    """Raise StoreGoneError where a store is not there any more."""
    if not is_complete(path):
        raise StoreGoneError(f"{path} was removed, and the labels in it with it: run again")


@contextmanager
def telling_gone(path: Path) -> Iterator[None]:
    """Raise StoreGoneError where a store is removed in this block, whatever else is raised because of it.

    Files that are open can be written to after they were removed, so that nothing may be raised at all.
    """
    with (path / OWN / "journal").open("rb") as journal:
        try:
            yield
        except Exception as error:
            if _is_gone(journal):
                raise _swept(path, journal) from error
            raise
        if _is_gone(journal):
            raise _swept(path, journal)


def _is_gone(journal: IO[bytes]) -> bool:
    """Tell whether a file that is open has no name any more, or another file has it.

    As long as it is open, no file that is made after it was removed gets its number.
    """
    try:
        return not os.path.samestat(os.stat(journal.name), os.fstat(journal.fileno()))
    except OSError:
        return True


def _swept(path: Path, journal: IO[bytes]) -> StoreGoneError:
    journal.close()
    _sweep(path)
    return StoreGoneError(
        f"{path} was removed during the run, and the labels in it with it: nothing is kept, run again"
    )


def _sweep(path: Path) -> None:
    """Remove what a run has written after its store was gone; where anything else is there, nothing."""
    files = [file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()]
    if all(AFTERWARDS.fullmatch(file) for file in files):
        shutil.rmtree(path, ignore_errors=True)


def refuse_none(path: Path) -> None:
    """Raise ValueError where there is no label store."""
    if not is_complete(path):
        raise ValueError(f"{path} is no label store of napari-exactile: choose one that it has written")


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
    if path.is_dir():
        refuse_foreign(path)
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for the labels: make it, or choose another one")


def refuse_foreign(path: Path) -> None:
    """Raise ValueError where a folder that is to be emptied holds more than a store does."""
    foreign = sorted(item.name for item in path.iterdir() if not _is_part(item.name))
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ValueError(
            f"{path} holds {', '.join(foreign[:3])}{more} beside labels: move that away, or choose another "
            "name"
        )


def _is_part(name: str) -> bool:
    """Tell whether a store may hold what is called so; a crash can leave files that are not complete."""
    return name in PARTS or name.isdigit() or name.endswith(".partial")


def clear(path: Path) -> None:
    """Remove the labels of a store, so that `create` can begin anew; raises InUseError while a run has it."""
    refuse_none(path)
    refuse_foreign(path)
    lock = Lock(path / OWN / "lock")
    try:
        remove_all(path)
    finally:
        lock.release()


def remove_all(path: Path) -> None:
    """Remove what is in a store whose lock is held, but for the lock.

    The journal goes first and the file that says what the store is of last: at any moment, what is left is a
    store of which nothing is finished.
    """
    (path / OWN / "journal").unlink(missing_ok=True)
    for folder in path, path / OWN:
        for item in folder.iterdir():
            if item.name in {OWN, "lock", "run.json"}:
                continue
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink()
    (path / OWN / "run.json").unlink(missing_ok=True)


def remove_empty(path: Path) -> None:
    """Remove the folder of a store that `remove_all` has emptied, unless somebody has put something there."""
    with suppress(OSError):
        (path / OWN / "lock").unlink(missing_ok=True)
        (path / OWN).rmdir()
        path.rmdir()


def check_room(path: Path, needed: int) -> None:
    """Raise OSError where the disk of `path` has less than `needed` bytes left."""
    free = free_bytes(path)
    if free < needed:
        raise OSError(
            f"labels in {path} can take up to {_size(needed)}, but only {_size(free)} are free there: "
            "choose another disk"
        )


def free_bytes(path: Path) -> int:
    """Return what the disk has left that a store is on, or will be."""
    return shutil.disk_usage(next(one for one in (path, *path.parents) if one.exists())).free


def _size(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


@dataclass(frozen=True, slots=True)
class NewImage:
    """An image that a store is to hold, and the attributes of its group."""

    layout: StoreLayout
    metadata: dict[str, Any]


def make_images(path: Path, images: Mapping[str, NewImage]) -> None:
    """Make the groups of a store's images with all their levels, without any pixel.

    The first one is the store itself, others lie in it under their names.
    """
    for name, image in images.items():
        make_image(folder_of(path, name, images), image)
    # So that who lists the store finds nothing but zarr in it.
    zarr.open_group(path, mode="r+").create_group(OWN)


def make_image(folder: Path, image: NewImage) -> None:
    """Make the group of an image with all its levels, without any pixel."""
    group = zarr.create_group(folder, zarr_format=3, attributes=image.metadata, overwrite=False)
    _make_levels(group, image.layout)


def folder_of(path: Path, name: str, names: Iterable[str]) -> Path:
    """Return where one of a store's images lies."""
    return path if name == next(iter(names)) else path / name


def _make_levels(group: zarr.Group, layout: StoreLayout) -> None:
    for level, shape in enumerate(layout.levels):
        group.create_array(
            str(level),
            shape=(*layout.leading, *shape),
            shards=layout.shard,
            chunks=layout.chunk,
            dtype=layout.dtype,
            fill_value=layout.unfinished,
            dimension_names=tuple(layout.axes),
            overwrite=True,
        )
