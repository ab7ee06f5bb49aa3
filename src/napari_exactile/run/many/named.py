"""Where the labels of each image go: one folder, names by a pattern, and no two alike."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from string import Formatter

from napari_exactile.images.store.guard import refuse_over
from napari_exactile.run.file.keys import nearest
from napari_exactile.run.many.found import FoundImage
from napari_exactile.why import why

NAMES = "{name}_labels.ome.zarr"
FIELDS = ("name", "number", "folder")
FILES, STORES = (".tif", ".tiff"), (".zarr",)


def outputs(images: Sequence[FoundImage], folder: Path, names: str = NAMES) -> tuple[Path, ...]:
    """Return where the labels of each image go; nothing is written, not even the folder.

    `names` has {name} for an image's own name, {number} for its place in the row, from 1 on, {folder} for the
    name of its folder. Raises ValueError for a pattern that cannot be one, for two images with one name, for
    labels that would lie over an image, and for a folder that is a file or cannot be written to.
    """
    _check_pattern(names)
    _check_folder(folder)
    found = tuple(folder / _named(image, number, names) for number, image in enumerate(images, start=1))
    _refuse_same(images, found)
    files = [image.path for image in images]
    for out in found:
        refuse_over(out, files, "the labels")
    return found


def is_store(out: Path) -> bool:
    """Tell whether labels become a store, or a file."""
    return out.suffix.lower() in STORES


def _named(image: FoundImage, number: int, names: str) -> str:
    return names.format(name=image.name, number=number, folder=image.path.absolute().parent.name)


def _check_pattern(names: str) -> None:
    if not isinstance(names, str) or not names.lower().endswith((*STORES, *FILES)):
        raise ValueError(f"names of labels must end in .ome.zarr or .tif, not {names!r}: such as {NAMES}")
    try:
        fields = [field for _text, field, _form, _how in Formatter().parse(names) if field is not None]
        names.format(**dict.fromkeys(fields, 1))
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{names!r} is no pattern for names: write it such as {NAMES}") from error
    unknown = next((field for field in fields if field not in FIELDS), None)
    if unknown is not None:
        raise ValueError(f"there is no {{{unknown}}} in names: use {{{nearest(unknown, FIELDS)}}} instead")
    if "/" in names or "\\" in names:
        raise ValueError(f"{names!r} names folders, and labels go to one: leave slashes out")


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: choose a folder for the labels")
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise ValueError(
            f"the folder {folder} cannot be written to ({why(error)}): choose another one"
        ) from error


def _refuse_same(images: Sequence[FoundImage], found: Sequence[Path]) -> None:
    first: dict[str, FoundImage] = {}
    for image, out in zip(images, found, strict=True):
        key = out.name.casefold()  # disks that do not tell capitals apart are common
        if key in first:
            raise ValueError(
                f"the labels of {first[key]} and of {image} would both be called {out.name}: let their names "
                'differ, such as by --names "{folder}_{name}_labels.ome.zarr"'
            )
        first[key] = image
