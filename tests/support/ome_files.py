"""OME-TIFFs whose planes lie in several files, as microscopes write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

SIZE = (64, 72)
NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def planes(count: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(100, 4000, (count, *SIZE)).astype(np.uint16)


def ome(inside: str, uuid: str) -> bytes:
    head = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{NAMESPACE}" UUID="urn:uuid:{uuid}">'
    return f"{head}{inside}</OME>".encode()


def image(name: str, inside: str, **sizes: int) -> str:
    """Describe an image with so many z, c and t (1 each); `inside` says where its planes are."""
    lengths = {"SizeX": SIZE[1], "SizeY": SIZE[0], "SizeZ": 1, "SizeC": 1, "SizeT": 1} | sizes
    about = " ".join(f'{key}="{value}"' for key, value in lengths.items())
    channels = "".join(f'<Channel ID="Channel:{n}" SamplesPerPixel="1"/>' for n in range(lengths["SizeC"]))
    return (
        f'<Image ID="{name}" Name="{name}"><Pixels ID="{name}" DimensionOrder="XYZCT" Type="uint16" {about} '
        f'PhysicalSizeX="0.5" PhysicalSizeY="0.5">{channels}{inside}</Pixels></Image>'
    )


def in_file(number: int, first: str = "FirstZ", place: int = 0) -> str:
    """Say that a plane is the first one in file `number`."""
    return (
        f'<TiffData {first}="{place}" IFD="0" PlaneCount="1"><UUID FileName="f{number}.ome.tif">'
        f"urn:uuid:{number}</UUID></TiffData>"
    )


def write(folder: Path, number: int, plane: Any, inside: str, **kind: Any) -> Path:
    path = folder / f"f{number}.ome.tif"
    tifffile.imwrite(path, plane, description=ome(inside, str(number)), metadata=None, **kind)
    return path


def volume(folder: Path, pixels: Sequence[Any], **kind: Any) -> Path:
    """Write a volume of a file for each plane; return the first one."""
    inside = image("A", "".join(in_file(n, place=n) for n in range(len(pixels))), SizeZ=len(pixels))
    first, *_rest = [write(folder, n, plane, inside, **kind) for n, plane in enumerate(pixels)]
    return first


def positions(folder: Path, pixels: Sequence[Any]) -> Path:
    """Write an image of one plane to each file, all of them described in each; return the first one."""
    inside = "".join(image(f"Pos {n}", in_file(n)) for n in range(len(pixels)))
    first, *_rest = [write(folder, n, plane, inside) for n, plane in enumerate(pixels)]
    return first


def one_file(path: Path, pixels: Sequence[Any], inside: str = "<TiffData/>", **sizes: int) -> Path:
    """Write planes to one file that announces an image of such sizes."""
    with tifffile.TiffWriter(path) as file:
        for number, plane in enumerate(pixels):
            about = ome(image("A", inside, **sizes), "one") if number == 0 else None
            file.write(plane, description=about, metadata=None, contiguous=False)
    return path
