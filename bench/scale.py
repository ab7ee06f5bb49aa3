"""Memory and time of images of growing size, from a BigTIFF to an OME-Zarr, each in a process of its own.

.venv/bin/python bench/scale.py FOLDER [SIDE ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

CELL = 512


def main() -> None:
    folder, *sides = sys.argv[1:]
    print(f"{'':<20}{'tiles':>7}{'imported':>10}{'peak above':>12}{'time':>9}{'Mpx/s':>8}{'files':>8}")
    for side in map(int, sides or ["10000", "20000"]):
        path = Path(folder) / f"image{side}.tif"
        if not path.exists():
            write_image(path, (side, side))
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(path)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        figures = f"{found['before'] / 1e6:>7.0f} MB{(found['peak'] - found['before']) / 1e6:>9.0f} MB"
        speed = f"{found['seconds']:>7.0f} s{side**2 / found['seconds'] / 1e6:>8.2f}{found['files']:>8}"
        print(f"{f'{side} x {side} px':<20}{found['tiles']:>7}{figures}{speed}", flush=True)


def slide_of(arguments: Sequence[str]) -> tuple[Path, int]:
    """Return the image of FOLDER [HEIGHT WIDTH [TILES]], written where it is not there yet, and the tiles."""
    folder, *numbers = arguments
    height, width, tiles = (*map(int, numbers), *(50_000, 100_000, 200)[len(numbers) :])
    path = Path(folder) / f"image{height}x{width}.tif"
    if not path.exists():
        write_image(path, (height, width))
    return path, tiles


def write_image(path: Path, shape: tuple[int, int]) -> None:
    """Write a tiled BigTIFF cell by cell: colonies, mirrored at their edges."""
    import tifffile

    from napari_exactile.images.colonies import draw_colonies

    drawn = draw_colonies((2048, 2048), seed=2021).image
    period = np.concatenate([drawn, drawn[::-1]])
    period = np.concatenate([period, period[:, ::-1]], axis=1)

    # The cells come again: each is compressed once.
    places = range(0, len(period), CELL)
    packed = {
        (y, x): zlib.compress(period[y : y + CELL, x : x + CELL].tobytes()) for y in places for x in places
    }

    def cells() -> Iterator[bytes]:
        for y in range(0, shape[0], CELL):
            for x in range(0, shape[1], CELL):
                yield packed[y % len(period), x % len(period)]

    tifffile.imwrite(
        path,
        cells(),
        shape=shape,
        dtype=np.uint16,
        tile=(CELL, CELL),
        bigtiff=True,
        compression="zlib",
    )


def one(path: Path) -> None:
    """Segment one image and print what it took."""
    import napari_exactile as ex
    from napari_exactile.run.engine.events import TileFinished

    ex.segment(np.zeros((512, 512), np.uint16), "colonies-demo")  # everything is imported and warm
    process, tiles = psutil.Process(), 0
    before = peak = process.memory_info().rss

    def follow(event: Any) -> None:
        nonlocal peak, tiles
        peak, tiles = max(peak, process.memory_info().rss), tiles + isinstance(event, TileFinished)

    start, out = time.perf_counter(), path.with_suffix(".ome.zarr")
    ex.segment(path, "colonies-demo", output=out, overwrite=out.exists(), on_event=follow)
    seconds = time.perf_counter() - start
    files = sum(file.is_file() for file in out.rglob("*"))
    print(json.dumps({"before": before, "peak": peak, "seconds": seconds, "tiles": tiles, "files": files}))


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(Path(sys.argv[2]))
    else:
        main()
