"""Where labels go if nobody says otherwise, what a store is called, and how large it can become."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.words import times

# What graphics cards show as one texture: longer labels can be seen only where they have levels.
LONGEST = 2**14
# Bytes of labels with all their probabilities.
MOST_IN_MEMORY = 2**30
SUFFIX = ".ome.zarr"


def is_large(shape: Sequence[int], each: int = 1) -> bool:
    """Tell whether labels of this shape go to disk if nobody says otherwise; `each` takes so many bytes."""
    return max(shape[-2:]) > LONGEST or prod(shape) > LONGEST**2 or prod(shape) * each > MOST_IN_MEMORY


def as_file(name: str) -> str:
    """Return a name without what some system does not allow in files.

    >>> as_file("a/b: c")
    'a-b- c'
    """
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "-", name).strip(". ") or "labels"


def box_words(box: Box) -> str:
    """Return the pixels of a box, such as 0-64 x 64-128."""
    return times(f"{side.start}-{side.stop}" for side in box)


def place_words(path: Path, nbytes: int, beside: Path | None = None) -> str:
    """Return where labels go, and how large they may become with all levels.

    The folder that the image lies in (`beside`) and the home folder are known to the person.

    >>> place_words(Path("slides/a.ome.zarr"), 600_000_000, Path("slides"))
    'Labels go to a.ome.zarr, beside the image (at most 800 MB)'
    """
    size = nbytes * 4 / 3
    words = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
    known = {Path.home(): "in your home folder", beside: "beside the image"}
    place = f"{path.name}, {known[path.parent]}" if path.parent in known else path
    return f"Labels go to {place} (at most {words})"
