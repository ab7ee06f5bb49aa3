"""Memory of the first tiles of a 100,000 x 50,000 px BigTIFF, segmented into an OME-Zarr without a window.

.venv/bin/python bench/sparse_tiles.py FOLDER [HEIGHT WIDTH [TILES]]
"""

from __future__ import annotations

import shutil
import sys
from typing import Any

import numpy as np
import psutil

from scale import slide_of

EVERY = 20


def main() -> None:
    import napari_exactile as ex
    from napari_exactile.run.engine.events import TileFinished

    path, tiles = slide_of(sys.argv[1:])
    ex.segment(np.zeros((512, 512), np.uint16), "colonies-demo")  # everything is imported and warm
    process, done = psutil.Process(), 0
    before = process.memory_info().rss

    def follow(event: Any) -> None:
        nonlocal done
        done += isinstance(event, TileFinished)
        if isinstance(event, TileFinished) and done % EVERY == 0:
            more = (process.memory_info().rss - before) / 1e6
            print(f"{done:6} tiles {more:7.0f} MB above the imported program", flush=True)

    out = path.with_suffix(".ome.zarr")
    shutil.rmtree(out, ignore_errors=True)
    ex.segment(
        path, "colonies-demo", output=out, normalization="fixed 10000 2500", on_event=follow,
        cancel=lambda: done >= tiles,
    )  # fmt: skip


if __name__ == "__main__":
    main()
