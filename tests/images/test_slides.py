"""Slides of scanners, imitated: what opens is the slide, with its levels and the size of its pixels."""

from __future__ import annotations

import re
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_exactile as ex
from image_files import assert_windows, pixels


def test_slides_of_scanners(tmp_path: Path) -> None:
    """Of an SVS, the slide counts, with its size in its description; thumbnail and label are left alone."""
    image, path = pixels(120, 160, 3, dtype="uint8"), tmp_path / "slide.svs"
    about = "Aperio Image Library v11.2.1\n160x120|AppMag = 20|MPP = 0.499"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        kind: dict[str, Any] = {"photometric": "rgb", "metadata": None, "description": about}
        file.write(image, tile=(64, 64), **kind)
        file.write(image[::8, ::8], **kind)
        file.write(image[::2, ::2], tile=(64, 64), **kind)
    opened = ex.open_image(path)
    assert (opened.axes, opened.pixel_size) == ("yxc", (0.499, 0.499))
    assert [level.shape for level in opened.levels] == [(120, 160, 3), (60, 80, 3)]
    assert_windows(opened.array, image)


def leica_slide(path: Path, image: Any, areas: int = 1) -> None:
    """Write a picture of the glass, and then smaller and smaller areas with two levels each, as in SCN."""
    pages = [(0, 0, image[::9, ::9])]
    for area in range(areas):
        pages += [(area + 1, level, image[area * 20 :: 2**level, :: 2**level]) for level in range(2)]
    images = ""
    for number in range(areas + 1):
        own = [(ifd, level) for ifd, (area, level, _pixels) in enumerate(pages) if area == number]
        levels = "".join(f'<dimension sizeX="9" sizeY="9" r="{level}" ifd="{ifd}"/>' for ifd, level in own)
        images += f'<image name="image_{number}"><pixels sizeX="9" sizeY="9">{levels}</pixels></image>'
    about = f'<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection>{images}</collection></scn>'
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number, (_area, _level, part) in enumerate(pages):
            size: dict[str, Any] = {"resolution": (40000, 20000), "resolutionunit": "CENTIMETER"}
            text = about if number == 0 else None
            kind: dict[str, Any] = {"photometric": "rgb", "metadata": None, "description": text, **size}
            file.write(part, tile=(32, 32), compression="zlib", **kind)


@pytest.mark.parametrize("areas", [1, 2])
def test_the_largest_area_of_a_leica_slide(tmp_path: Path, areas: int) -> None:
    """Of an SCN, after a picture of the glass, the largest area counts; a note tells of others."""
    image, path = pixels(120, 160, 3, dtype="uint8"), tmp_path / "slide.scn"
    leica_slide(path, image, areas)
    opened = ex.open_image(path)
    assert (opened.axes, opened.pixel_size) == ("yxc", pytest.approx((0.5, 0.25)))
    assert [level.shape for level in opened.levels] == [(120, 160, 3), (60, 80, 3)]
    several = (
        "'slide.scn' holds 2 images: 0 'image_1' (120 x 160 x 3), 1 'image_2' (100 x 160 x 3); the largest"
    )
    assert [note.startswith(several) for note in opened.notes] == [True] * (areas - 1)
    assert_windows(opened.array, image)


def jpeg_with_restarts(image: Any) -> tuple[bytes, list[int]]:
    """Return a JPEG and where in it each piece of 4 blocks of 8 x 8 px begins."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95, subsampling=0, restart_marker_blocks=4)
    content = file.getvalue()
    scan = content.index(b"\xff\xda")
    first = scan + 2 + int.from_bytes(content[scan + 2 : scan + 4])
    return content, [first, *(match.end() for match in re.finditer(rb"\xff[\xd0-\xd7]", content[first:]))]


def with_long_offsets(content: bytes) -> bytes:
    """Return a TIFF with the 64-bit offsets of its pages that Hamamatsu's scanners write."""
    pages, (at,) = [], struct.unpack_from("<I", content, 4)
    while at:
        (count,) = struct.unpack_from("<H", content, at)
        pages.append((count, content[at + 2 : at + 2 + 12 * count]))
        (at,) = struct.unpack_from("<I", content, at + 2 + 12 * count)
    made = bytearray(content)
    struct.pack_into("<Q", made, 4, len(made))
    for count, tags in pages:
        after = len(made) + 10 + 16 * count if (count, tags) != pages[-1] else 0
        made += struct.pack("<H", count) + tags + struct.pack("<Q", after) + bytes(4 * count)
    return bytes(made)


def test_hamamatsu_slides(tmp_path: Path) -> None:
    """Of an NDPI, whose levels are one JPEG each, pieces are read, and the picture of the glass is not."""
    y, x = np.mgrid[:120, :160]
    image = np.stack([y, x, (y + x) // 2], axis=-1).astype(np.uint8)
    path, jpegs = tmp_path / "slide.ndpi", []
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for step, magnification in ((1, 20.0), (2, 10.0), (9, -1.0)):
            part = image[::step, ::step]
            jpeg, starts = jpeg_with_restarts(part)
            jpegs.append(np.asarray(Image.open(BytesIO(jpeg))))
            starts = [starts[0], *(starts[0] + start for start in starts[1:])]
            tags: list[Any] = [(65420, "I", 1, 1, True), (271, "s", 0, "Hamamatsu", True)]
            tags += [(65421, "f", 1, magnification, True), (65426, "I", len(starts), starts, True)]
            size: dict[str, Any] = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
            kind: dict[str, Any] = {"photometric": "ycbcr", "metadata": None, "extratags": tags, **size}
            kind |= {"compression": "jpeg", "rowsperstrip": len(part), "subfiletype": int(step > 1)}
            file.write(iter([jpeg]), shape=part.shape, dtype=part.dtype, subsampling=(1, 1), **kind)
    path.write_bytes(with_long_offsets((tmp_path / "a.tif").read_bytes()))
    opened = ex.open_image(path)
    assert (opened.axes, opened.pixel_size, opened.notes) == ("yxc", (0.5, 0.5), ())
    assert [level.shape for level in opened.levels] == [(120, 160, 3), (60, 80, 3)]
    assert opened.array.chunks == (8, 32, 3)
    whole = np.asarray(opened.array[...])
    assert np.abs(whole.astype(int) - jpegs[0]).max() <= 2, "decoders round in their own ways"
    assert_windows(opened.array, whole)


def test_ventana_slides(tmp_path: Path) -> None:
    """Of a BIF, the levels of the slide are read, not its label; a note says that tiles are not moved."""
    image, path = pixels(120, 160, 3, dtype="uint8"), tmp_path / "slide.bif"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for step, about in ((9, "Label Image"), (1, "level=0 mag=20"), (2, "level=1 mag=10")):
            tags = [(700, "B", 8, b"<iScan/>", True)]
            kind: dict[str, Any] = {"photometric": "rgb", "metadata": None, "extratags": tags}
            file.write(image[::step, ::step], tile=(32, 32), description=about, **kind)
    opened = ex.open_image(path)
    assert opened.axes == "yxc"
    assert [level.shape for level in opened.levels] == [(120, 160, 3), (60, 80, 3)]
    assert opened.notes[0].startswith("'slide.bif' is read as its tiles lie in the file")
    assert_windows(opened.array, image)
