"""After a crash: which zones of a store are as they were written, and everything else erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.images.pyramid import part_at, sampled
from napari_exactile.images.store.image import StoredImage
from napari_exactile.images.store.shards import Zone


def checksum(images: Iterable[NDArray[Any]], before: int = 0) -> int:
    """Return one checksum of what a zone holds in all images of a store, and of what had that of `before`."""
    found = before
    for pixels in images:
        found = crc32(np.ascontiguousarray(pixels).data, found)
    return found


def recover(images: Sequence[StoredImage], zones: Iterable[Zone]) -> list[Zone]:
    """Return those finished zones that are on the disk as they were written, in all images of a store.

    The levels of these are put right where need be. Whatever else there is, of zones that were in flight or
    are damaged, is erased, so that they can be computed anew.
    """
    good, stale = list[Zone](), [set[int]() for _ in images]
    for zone in zones:
        found = _intact(images, zone)
        if found is None:
            continue
        good.append(zone)
        for image, pixels, wrong in zip(images, found, stale, strict=True):
            wrong.update(wrong_levels(image, zone, pixels))
    for image, wrong in zip(images, stale, strict=True):
        _repair(image, good, wrong)
    return good


def damage(images: Sequence[StoredImage], zone: Zone) -> set[int]:
    """Return the levels in which a finished zone is not what was written; nothing is changed.

    Where it is level 0, nothing can be said of the others.
    """
    found = _intact(images, zone)
    if found is None:
        return {0}
    wrong = (wrong_levels(image, zone, pixels) for image, pixels in zip(images, found, strict=True))
    return set[int]().union(*wrong)


def _intact(images: Sequence[StoredImage], zone: Zone) -> list[NDArray[Any]] | None:
    try:
        found = [image.read(zone.plane, zone.box) for image in images]
    except Exception:  # a damaged file can make a codec raise anything
        return None
    return found if checksum(found) == zone.checksum else None


def holds_something(images: Sequence[StoredImage], plane: tuple[int, ...], box: Box) -> bool:
    """Tell whether any level holds more in a zone than what stands for pixels that are not done."""
    levels = ((image, level) for image in images for level in range(len(image.levels)))
    return any(_is_begun(image, level, plane, box) for image, level in levels)


def _is_begun(image: StoredImage, level: int, plane: tuple[int, ...], box: Box) -> bool:
    part, fill = part_at(level, box), image.levels[level].fill_value
    if part is None or not any(path.exists() for path in image.shards(level, plane, box)):
        return False
    try:
        found = image.read(plane, part, level)
    except Exception:  # as above
        return True
    return not np.array_equal(found, np.full_like(found, fill), equal_nan=True)


def wrong_levels(image: StoredImage, zone: Zone, pixels: NDArray[Any]) -> set[int]:
    """Return the levels that do not hold what they take of the `pixels` of a zone."""
    return {level for level in range(1, len(image.levels)) if _differs(image, level, zone, pixels)}


def _differs(image: StoredImage, level: int, zone: Zone, pixels: NDArray[Any]) -> bool:
    part = part_at(level, zone.box)
    if part is None:
        return False
    try:
        found = image.read(zone.plane, part, level)
    except Exception:  # as above
        return True
    # What no network has given numbers for is not a number anywhere.
    return not np.array_equal(found, sampled(level, pixels, zone.box), equal_nan=True)


def _repair(image: StoredImage, good: Sequence[Zone], stale: set[int]) -> None:
    """Keep good zones and nothing else; write them anew into `stale` levels, and into those with damage."""
    stale = stale | {n for n in range(1, len(image.levels)) if any(_broken(image, n, good))}
    for level in range(len(image.levels)):
        _erase(image, level, [] if level in stale else good)
    _salvage(image, good)
    for level in sorted(stale):
        for zone in good:
            image.write_level(level, zone.plane, zone.box, image.read(zone.plane, zone.box))


def _broken(image: StoredImage, level: int, zones: Iterable[Zone]) -> Iterator[Path]:
    """Yield the files of these zones that cannot be read as a whole."""
    array = image.levels[level]
    paths = {path for zone in zones for path in image.shards(level, zone.plane, zone.box)}
    for path in filter(Path.exists, paths):
        place = map(int, path.relative_to(image.files(level)).parts)
        sizes = array.shards or array.chunks
        try:
            array[tuple(slice(n * size, (n + 1) * size) for n, size in zip(place, sizes, strict=True))]
        except Exception:  # as above
            yield path


def _erase(image: StoredImage, level: int, good: Iterable[Zone]) -> None:
    """Remove all files of a level but those that hold good zones."""
    kept = {path for zone in good for path in image.shards(level, zone.plane, zone.box)}
    for path in image.files(level).rglob("*"):
        if path not in kept and not path.is_dir():
            path.unlink()


def _salvage(image: StoredImage, good: Sequence[Zone]) -> None:
    """Take good zones out of files of level 0 in which something else is damaged.

    Zones that share a chunk with the damage could not be written otherwise: zarr reads the chunk first.
    """
    for path in set(_broken(image, 0, good)):
        beside = [zone for zone in good if path in image.shards(0, zone.plane, zone.box)]
        pixels = [image.read(zone.plane, zone.box) for zone in beside]
        path.unlink()
        for zone, own in zip(beside, pixels, strict=True):
            image.write(zone.plane, zone.box, own)
            image.flush(0, zone.plane, zone.box)
