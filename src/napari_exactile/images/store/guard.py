"""Results never destroy what they are made of: files and folders that must not be written to."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable
from pathlib import Path

# The group of a zarr in which, by its format, the labels of its image lie.
LABELS = "labels"


def refuse_over(out: Path, files: Iterable[Path], what: str) -> None:
    """Raise ValueError where writing `what` to `out` would change one of the files or folders of an image.

    That is where it is one of them, by whatever name, where it lies in one, or where one lies in it. `out`
    need not exist; until it is complete, it has another name. The labels of a zarr have a place in it.
    """
    chain = _chain(out.resolve())
    own, partial = chain[0], _identity(partial_of(out))
    for file in dict.fromkeys(files):
        above = _chain(file.resolve())
        if above[0] in {own, partial}:
            raise ValueError(f"{what} would replace the image {file}: choose another name")
        if own in above:
            raise ValueError(
                f"{what} would replace the folder {out}, in which the image {file} lies: choose another name"
            )
        if above[0] in chain and not _among_labels(out.resolve(), file.resolve()):
            raise ValueError(f"{what} would lie in the image {file}: choose a name outside")


def partial_of(path: Path) -> Path:
    """Return the name that a file has as long as it is not complete."""
    return path.with_name(f"{path.name}.part")


def _chain(path: Path) -> list[Hashable]:
    """Return what tells a file or folder, and those in which it lies, from all others."""
    return [_identity(one) for one in (path, *path.parents)]


def _identity(path: Path) -> Hashable:
    """Return what is the same for all names of a file; where there is none, its name alone."""
    try:
        stat = os.stat(path)
    except OSError:
        return path
    return stat.st_dev, stat.st_ino


def _among_labels(out: Path, image: Path) -> bool:
    group = image / LABELS
    return group in out.parents and group.is_dir()
