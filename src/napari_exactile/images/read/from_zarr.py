"""Images from zarr arrays and OME-Zarr groups (versions 2 and 3, OME-NGFF 0.4 and 0.5), zipped or not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from napari_exactile.geometry.words import times
from napari_exactile.images.about.chosen import NoSuchImageError, Wanted
from napari_exactile.images.about.incomplete import IncompleteError
from napari_exactile.images.about.opened import FileVersion, OpenedFiles, OpenedImage, remember
from napari_exactile.images.gaps import gap_words
from napari_exactile.images.read.zarr_gaps import count_gaps
from napari_exactile.images.read.zarr_members import (
    Member,
    images_among,
    lost_among,
    members_of,
    named_member,
    ome_of,
)
from napari_exactile.images.read.zarr_place import axes_of, pixel_size, place_of, wrong_scales
from napari_exactile.why import DAMAGED, FileRefusedError, WhyError, why

DESCRIPTIONS, AGAIN = "its zarr.json (.zarray, .zgroup, .zattrs)", "copy it again, or write it anew"
# A million times the largest slides; what is larger is a mistake, of which lists would be made.
MOST_PIXELS = 2**53
LETTERS = {"time": "t", "channel": "c", "channels": "c"}


def open_zarr(path: Path, wanted: Wanted = None, allow_missing: bool = False) -> OpenedImage:
    """Open a zarr array, or an image of an OME-Zarr group; chunks are read when they are asked for.

    Of several images, it is the `wanted` one, by default the largest. It may lie in a zip file as it is.
    Chunks that are not stored are the fill value, and told; images and levels that are announced and not
    there are refused by name, unless `allow_missing` leaves them out. Raises ValueError for folders and zip
    files that are not zarr, or hold no image, or arrays of which one must be named.
    """
    import zarr

    zipped = path.is_file()
    try:
        version = FileVersion.of(path) if zipped else None
        node = _in_zip(path) if zipped else zarr.open(path, mode="r")
    except FileNotFoundError:
        kind = "zip file" if zipped else "folder"
        words = f"{path} is a {kind} without a zarr array or an OME-Zarr image: choose one that holds one"
        raise ValueError(words) from None
    except Exception as error:
        raise _unreadable(path, error) from error
    try:
        return _image(path, node, version, wanted, allow_missing)
    except (FileRefusedError, IncompleteError, NoSuchImageError):
        raise
    except Exception as error:  # what is said of images can be wrong in every way
        raise _unreadable(path, error) from error


def _image(
    path: Path, node: Any, version: FileVersion | None, wanted: Wanted, allow_missing: bool
) -> OpenedImage:
    member = named_member(node, wanted)
    where, named = (path, wanted) if member is None else (path / str(wanted), None)
    members = members_of(where, node if member is None else member)
    images = images_among(where.name, members)
    if not images.there:
        lost = [one.what for one in lost_among(members)] if len(members) > 1 else [members[0].lost]
        raise FileRefusedError(f"{where} cannot be opened as zarr: {'; '.join(lost)}; {AGAIN}")
    number = images.chosen(named)
    missing = (*members[number].missing_levels, *(lost_among(members) if named is None else ()))
    if missing and not allow_missing:
        raise IncompleteError(where, missing)
    image = _opened(members[number], images.called(number))
    if prod(image.array.shape) > MOST_PIXELS:
        words = f"{times(image.array.shape)} px are more than any disk holds"
        raise WhyError(f"{words}: {DESCRIPTIONS} is damaged; {AGAIN}")
    told = tuple(map(str, missing))
    versions = () if version is None else (version,)
    series = number if member is None else wanted
    remember(image.array, OpenedFiles(path.resolve(), versions, None, series, images, told))
    count_gaps(image.array)
    notes = (
        *filter(None, [images.note(number) if named is None else ""]),
        *(f"'{image.name}' is incomplete: {words}" for words in told),
        *image.notes,
        *([f"of '{image.name}', {words}"] if (words := gap_words(image.array)) else []),
    )
    return replace(image, notes=notes, number=number, images=images)


def _in_zip(path: Path) -> Any:
    """Return what is in a zip file, or in the only folder in it; it is closed when nobody has its arrays."""
    import zarr

    with ZipFile(path) as file:
        names = [name for name in file.namelist() if not name.startswith("__MACOSX/")]
    tops = {name.partition("/")[:2] for name in names}
    ((folder, slash),) = tops if len(tops) == 1 else {("", "")}
    store = zarr.storage.ZipStore(path, mode="r")
    try:
        return zarr.open(store, mode="r", path=folder if slash else "")
    except Exception:
        store.close()
        raise


def _opened(member: Member, name: str) -> OpenedImage:
    if member.multiscale is None:
        return OpenedImage(name, member.node, _array_axes(member.node))
    return _multiscale(name, member, member.multiscale)


def _multiscale(name: str, member: Member, image: Mapping[str, Any]) -> OpenedImage:
    arrays = member.levels
    axes, about = axes_of(image), ome_of(member.node)
    if len(axes) != arrays[0].ndim:
        names = ", ".join(str(axis["name"]) for axis in axes)
        words = f"its axes {names} do not fit its shape, {times(arrays[0].shape)}"
        raise WhyError(f"{words}; {AGAIN}")
    place, named = place_of(image, axes), _letters([str(axis["name"]) for axis in axes])
    return OpenedImage(
        name, arrays[0], named, pixel_size(axes, place), _channel_names(about, named, arrays[0].shape),
        tuple(arrays[1:]), tuple(wrong_scales(name, image, axes)), place,
    )  # fmt: skip


def _channel_names(about: Mapping[str, Any], axes: str | None, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the labels of the channels; none where not all of them have one."""
    try:
        names = tuple(str(channel["label"]) for channel in about["omero"]["channels"])
        return names if axes is not None and len(names) == shape[axes.index("c")] else ()
    except (KeyError, TypeError, ValueError):
        return ()


def _array_axes(array: Any) -> str | None:
    """Return the axes of a plain array, as zarr 3 names them, or xarray in zarr 2."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return _letters([str(name) for name in names]) if names and len(names) == array.ndim else None


def _letters(names: Sequence[str]) -> str | None:
    """Return a letter for each name; None where one is unknown, or two are the same."""
    found = [LETTERS.get(name.lower(), name.lower()) for name in names]
    known = all(len(letter) == 1 for letter in found) and len(set(found)) == len(found)
    return "".join(found) if known else None


def _no_codec(error: Exception) -> str:
    """Return what to do where a codec is not installed; "" for other errors. It has no class in common."""
    if type(error).__name__ != "UnknownCodecError":
        return ""
    # Versions of zarr word it differently, but all quote the name.
    name = next(iter(re.findall("'[^']+'", str(error))), "")
    codec = f"codec {name}".strip()
    return f"no {codec} is installed, in which its chunks are written; install it, or save it with zstd"


def _unreadable(path: Path, error: Exception) -> ValueError:
    damaged = DAMAGED if path.is_file() else f"{DESCRIPTIONS} is damaged; {AGAIN}"
    words = _no_codec(error) or why(error, damaged)
    return ValueError(f"{path} cannot be opened as zarr: {words}")
