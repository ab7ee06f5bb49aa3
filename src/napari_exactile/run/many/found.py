"""Which images people mean: files, folders, patterns, the fields of plates, all images of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from napari_exactile.images.about.chosen import Wanted
from napari_exactile.images.about.zarr_folders import is_zarr
from napari_exactile.images.read.open import open_image
from napari_exactile.why import why

# What files in a folder are taken for images by: who names one file may call it as they like.
ENDINGS = (
    ".tif", ".tiff", ".svs", ".btf", ".tf8", ".ndpi", ".scn", ".bif", ".npy", ".zarr", ".zarr.zip",
)  # fmt: skip
# Endings that are no part of an image's name.
TYPES = (".companion.ome", ".ome.tiff", ".ome.tif", ".ome.zarr.zip", ".ome.zarr", ".zarr.zip")


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image to be segmented: its file or folder, which of several images there, and what it is called.

    `name` is without endings, and tells a field of a plate, or one of several images of a file, from others.
    """

    path: Path
    name: str
    series: Wanted = None

    def __str__(self) -> str:
        return str(self.path) if self.series is None else f"{self.path}, image {self.series}"


def found_images(images: Any, series: Wanted = None, allow_missing: bool = False) -> tuple[FoundImage, ...]:
    """Return all images that are meant, in order and each once; nothing is read but what files say of them.

    `images` is a path or several: a file, a folder with images, a pattern such as "day1/*.tif" ("**" for
    folders in folders), or an OME-Zarr plate, or well, all fields of which are meant. `series` "all" means
    each image of a file. Raises ValueError where nothing is meant: a folder without images, a pattern that
    matches nothing, a file that is not there.
    """
    given = [images] if isinstance(images, str | PathLike) else images
    if not isinstance(given, Iterable) or not all(isinstance(one, str | PathLike) for one in given):
        raise ValueError(f"images are paths of files and folders, such as ['a.tif', 'day1'], not {images!r}")
    paths = [path for one in given for path in _paths(fspath(one))]
    found = [image for path in dict.fromkeys(paths) for image in _in_file(path, series, allow_missing)]
    if not found:
        raise ValueError("there is no image to segment: name files, folders or patterns such as 'day1/*.tif'")
    return tuple(found)


def is_several(image: str | Path) -> bool:
    """Tell whether a path means several images: a pattern, a folder, a plate or a well."""
    path = Path(image)
    if not path.exists():
        return has_magic(str(image))
    return path.is_dir() and (not is_zarr(path) or bool(_fields(path)))


def _paths(text: str) -> list[Path]:
    path = Path(text)
    if not path.exists() and has_magic(text):
        matches = [Path(one) for one in sorted(glob(text, recursive=True)) if _is_image(Path(one))]
        if not matches:
            raise ValueError(f"the pattern {text} matches no image: correct it, or name files and folders")
        return matches
    if not path.exists():
        raise ValueError(f"there is no file or folder {text}: correct its name")
    if not path.is_dir() or is_zarr(path):
        return [path]
    return _in_folder(path)


def _in_folder(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if _is_image(path))
    except OSError as error:
        raise ValueError(f"{folder} cannot be read ({why(error)}): choose another folder") from error
    if not found:
        raise ValueError(
            f"the folder {folder} holds no image: choose another one, or a pattern such as "
            f"'{folder}/**/*.tif'"
        )
    return found


def _is_image(path: Path) -> bool:
    if path.name.startswith(".") or not path.name.lower().endswith(ENDINGS):
        return False
    return is_zarr(path) and not _is_labels(path) if path.is_dir() else True


def _in_file(path: Path, series: Wanted, allow_missing: bool) -> Iterator[FoundImage]:
    fields = _fields(path) if path.is_dir() else []
    stem = _stem(path)
    if fields:
        yield from (FoundImage(path / one, f"{stem}_{one.replace('/', '_')}") for one in fields)
    elif series == "all":
        several = open_image(path, series="all", allow_missing=allow_missing)
        numbers = [image.number for image in several]
        yield from (FoundImage(path, f"{stem}_{n}" if len(numbers) > 1 else stem, n) for n in numbers)
    else:
        yield FoundImage(path, stem, series)


def _stem(path: Path) -> str:
    name = path.resolve().name
    ending = next((one for one in TYPES if name.lower().endswith(one)), path.suffix)
    return name[: len(name) - len(ending)] or name


def _fields(path: Path) -> list[str]:
    """Return the folders of all fields of a plate, or of a well; none for others."""
    about = _about(path)
    if "plate" in about:
        wells = [str(one["path"]) for one in _listed(about["plate"], "wells")]
        return [f"{well}/{field}" for well in wells for field in _fields(path / well)]
    return [str(one["path"]) for one in _listed(about.get("well", {}), "images")]


def _listed(about: Any, name: str) -> list[dict[str, Any]]:
    found = about.get(name, []) if isinstance(about, dict) else []
    return [one for one in found if isinstance(one, dict) and "path" in one]


def _is_labels(path: Path) -> bool:
    return "image-label" in _about(path)


def _about(path: Path) -> dict[str, Any]:
    """Return what OME-NGFF says of a zarr folder; nothing where it says nothing that can be read."""
    for name in ("zarr.json", ".zattrs"):
        try:
            content = json.loads((path / name).read_bytes())
        except (OSError, ValueError):
            continue
        attributes = content.get("attributes", {}) if name == "zarr.json" else content
        about = attributes.get("ome", attributes) if isinstance(attributes, dict) else {}
        if isinstance(about, dict):
            return about
    return {}
