"""What lies under a source: arrays, the files that they read, and what is worth knowing of these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_exactile.images.about.opened import files_of, opened_files
from napari_exactile.images.blocks import Blocks
from napari_exactile.images.gaps import gap_words
from napari_exactile.images.read.zarr_gaps import count_gaps
from napari_exactile.images.source import ArraySource, LayeredSource
from napari_exactile.images.view import View


def arrays_under(source: Any) -> Iterator[Any]:
    """Yield the arrays that a source reads, which may be parts of each other: a channel, and its image."""
    for one in source.sources if isinstance(source, LayeredSource) else (source,):
        array = one.array if isinstance(one, ArraySource) else None
        while array is not None:
            yield array
            array = array.array if isinstance(array, View) else None


def begin_reading(source: Any) -> None:
    """Let nothing that was kept of an earlier run, as dask blocks are, stand for what is there now."""
    for blocks in _blocks_under(source):
        blocks.begin()


def end_reading(source: Any) -> None:
    """Let go of what is kept to be read again."""
    for blocks in _blocks_under(source):
        blocks.release()


def costs_of(source: Any) -> tuple[str, ...]:
    """Return in sentences what reading a source zone by zone will cost beyond reading it once."""
    sources = source.sources if isinstance(source, LayeredSource) else (source,)
    return tuple(
        f"'{one.name}' is read slowly: {cost}"
        for one in sources
        if isinstance(one, ArraySource) and isinstance(one.array, Blocks)
        if (cost := one.array.cost(one.spatial_axes))
    )


def _blocks_under(source: Any) -> Iterator[Blocks]:
    return (array for array in arrays_under(source) if isinstance(array, Blocks))


def files_under(source: Any) -> tuple[Path, ...]:
    """Return all files and folders, as far as they are known, that a source reads."""
    return tuple(dict.fromkeys(file for array in arrays_under(source) for file in files_of(array)))


def look_for_gaps(source: Any) -> None:
    """Find out what of the arrays under a source is not stored, where that is not known by now."""
    for array in arrays_under(source):
        count_gaps(array)


def notes_on(source: Any) -> tuple[str, ...]:
    """Return in sentences what of an image is missing, or not stored, and is read as something else, and what
    took longer than it had to."""
    notes = list[str]()
    for array in arrays_under(source):
        known = opened_files(array)
        notes += [f"the image is incomplete: {words}" for words in (known.missing if known else ())]
        notes += filter(None, [gap_words(array), array.describe() if isinstance(array, Blocks) else ""])
    return tuple(dict.fromkeys(notes))
