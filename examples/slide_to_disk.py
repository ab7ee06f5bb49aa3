"""
Segment a slide into a folder on disk
=====================================

Image and labels can be larger than memory: tiles of the file are read as they are needed, labels are stored
as they come. A run that ended early, by a crash too, goes on where it was. `verify` checks the labels later.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile

import napari_exactile as ex
from napari_exactile.images.colonies import PIXEL_SIZE_UM, draw_colonies


def write_slide(path: Path, side: int) -> None:
    """Write a tiled TIFF with its pixel size, as a scanner would; draw a part of it, and mirror that."""
    part = draw_colonies((512, 512), seed=7).image
    size = {"resolution": (1e4 / PIXEL_SIZE_UM,) * 2, "resolutionunit": "CENTIMETER"}
    image = np.pad(part, (0, side - len(part)), mode="symmetric")
    tifffile.imwrite(path, image, tile=(256, 256), compression="zlib", **size)


with TemporaryDirectory() as folder:
    slide, labels = Path(folder, "slide.tif"), Path(folder, "labels.ome.zarr")
    write_slide(slide, side=768)

    # As if it were cut short after a few tiles ...
    done: list[ex.TileFinished] = []

    def hear(event: object) -> None:
        if isinstance(event, ex.TileFinished):
            done.append(event)

    run = partial(ex.segment, slide, "colonies-demo", output=labels, tile=448)
    run(on_event=hear, cancel=lambda: len(done) >= 2)
    print(f"{len(done)} tiles are done")

    # ... and called again: it continues.
    result = run()
    print(f"{result.report.tiles_done} of {result.report.tiles} tiles, exact: {result.report.exact}")

    verified = ex.verify(labels)
    print(f"as they were written: {verified.is_whole}")
    print(f"computed again, they agree: {verified.agrees}")
