"""Files of images of every kind that can be opened, small ones, to be damaged."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from file_mutants import changes, fields
from image_files import pixels, write_ngff, zipped

SIZE = (70, 90)


def plain(path: Path, **kind: Any) -> None:
    tifffile.imwrite(path, pixels(*SIZE), **kind)


def pyramid(path: Path) -> None:
    image, kind = pixels(*SIZE), {"tile": (32, 32), "compression": "zlib"}
    with tifffile.TiffWriter(path) as file:
        file.write(
            image, subifds=1, metadata={"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}, **kind
        )
        file.write(image[::2, ::2], subfiletype=1, **kind)


def stack(path: Path) -> None:
    tifffile.imwrite(path, pixels(3, *SIZE), metadata={"axes": "ZYX"}, photometric="minisblack")


def pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for plane in pixels(3, *SIZE):
            file.write(plane, contiguous=False, metadata=None)


def array(path: Path, **kind: Any) -> None:
    zarr.create_array(path, data=pixels(*SIZE), chunks=(50, 50), **kind)


def converted(path: Path) -> None:
    zarr.create_group(path, zarr_format=2).attrs["bioformats2raw.layout"] = 3
    write_ngff(path / "0", pixels(1, *SIZE), "0.4")
    (path / "OME").mkdir()
    (path / "OME" / ".zgroup").write_text('{"zarr_format": 2}')
    (path / "OME" / ".zattrs").write_text('{"series": ["0"]}')


def inside_zip(path: Path) -> None:
    folder = path.with_name("inside.ome.zarr")
    write_ngff(folder, pixels(1, *SIZE), "0.5")
    zipped(folder).rename(path)


# By the name of the file or folder; the image is one of y and x, or has an axis more.
MAKERS: dict[str, Callable[[Path], Any]] = {
    "plain.tif": plain,
    "tiled.tif": lambda path: plain(path, tile=(32, 32), compression="zlib"),
    "strips.tif": lambda path: plain(path, rowsperstrip=7, compression="lzw", predictor=True),
    "big.tif": lambda path: plain(path, bigtiff=True, tile=(32, 32)),
    "other.tif": lambda path: plain(path, byteorder=">", metadata=None),
    "imagej.tif": lambda path: plain(path, imagej=True, resolution=(2.0, 2.0), metadata={"unit": "um"}),
    "stack.tif": stack,
    "stack.ome.tif": stack,
    "pages.tif": pages,
    "pyramid.ome.tif": pyramid,
    "array.npy": lambda path: np.save(path, pixels(*SIZE)),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(pixels(*SIZE))),
    "two.zarr": lambda path: array(path, zarr_format=2),
    "three.zarr": lambda path: array(path, zarr_format=3),
    "shards.zarr": lambda path: zarr.create_array(path, data=pixels(*SIZE), chunks=(25, 25), shards=(50, 50)),
    "old.ome.zarr": lambda path: write_ngff(path, pixels(1, *SIZE), "0.4"),
    "new.ome.zarr": lambda path: write_ngff(path, pixels(1, *SIZE), "0.5"),
    "converted.zarr": converted,
    "packed.ome.zarr.zip": inside_zip,
}  # fmt: skip


def mutants(base: Path, folder: Path, seed: str, count: int) -> Iterator[tuple[str, Path]]:
    """Yield so many damaged copies of an image, one after the other in the same place, and what was done."""
    chance, path = random.Random(seed), folder / base.name
    files = [base] if base.is_file() else sorted(file for file in base.rglob("*") if file.is_file())
    found = [(file, change) for file in files for change in _changes(file)]
    for file, (words, content) in chance.sample(found, min(count, len(found))):
        if base.is_dir():
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(base, path)
        damaged = path if base.is_file() else path / file.relative_to(base)
        damaged.unlink(missing_ok=True)
        if content is not None:
            damaged.write_bytes(content)
        yield f"{file.relative_to(base.parent)}: {words}", path


def _changes(file: Path) -> list[tuple[str, bytes | None]]:
    content = file.read_bytes()
    described = file.name.startswith((".z", "zarr."))
    return [*changes(file.name, content, 4), *(fields(content) if described else ())]
