"""A 100,000 x 50,000 px slide in the window: how long until it can be worked with, and how much memory.

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python bench/slide.py FOLDER [HEIGHT WIDTH [TILES]]

The BigTIFF is written first (8 GB), labels go to a store beside it. So many tiles are computed, then the run
is cancelled. Statistics are typed: measuring them takes as long as reading the file.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import napari
import numpy as np
import psutil
from qtpy.QtCore import QTimer

from event_loop import loop_until, wait
from napari_exactile.widget.choose.fields import ON_DISK
from napari_exactile.widget.choose.normalization_fields import TYPED
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.open.image_reader import add_image
from scale import slide_of

EVERY, TICK_MS = 20, 5


def main() -> None:
    path, tiles = slide_of(sys.argv[1:])
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1500, 950)
    wait(1)
    start = time.perf_counter()
    dock = opened(viewer, path)
    print(f"open, plan and overlay  {time.perf_counter() - start:7.1f} s, {len(dock.plan)} tiles")
    segment(viewer, dock, tiles)
    viewer.close()


def opened(viewer: Any, path: Path) -> ExactileDock:
    """Open image and dock, and wait until the zones are drawn."""
    add_image(viewer, path)
    dock = ExactileDock(viewer, remembers=False)
    viewer.window.add_dock_widget(dock, name="Exact segmentation")
    loop_until(lambda: dock.plan is not None and "Tiles: zones" in viewer.layers)
    out = path.with_suffix(".ome.zarr")
    shutil.rmtree(out, ignore_errors=True)
    fields = dock.fields
    fields.output.value, fields.normalizing.choice.value = ON_DISK, TYPED
    fields.normalizing.typed.value = "fixed 10000 2500"
    dock._chooser.output.path = out
    dock.update_plan()
    return dock


def segment(viewer: Any, dock: ExactileDock, tiles: int) -> None:
    """Compute so many tiles; print when the first is on screen, memory every few, and gaps of the window."""
    wait(2)
    ticks, timer = [time.perf_counter()], QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(TICK_MS)
    memory, start = Memory(), time.perf_counter()
    dock.start()
    loop_until(lambda: dock.run.layer is not None and bool(dock.run.series.done))
    print(f"first labels            {time.perf_counter() - start:7.1f} s after Run")
    ticks.clear()
    while dock.run.series.done < tiles and dock.running:
        wanted = min(tiles, dock.run.series.done + EVERY)
        loop_until(lambda wanted=wanted: dock.run.series.done >= wanted or not dock.running)
        print(
            f"{dock.run.series.done:6} tiles            {memory.more():7.0f} MB above the start", flush=True
        )
        if dock.run.series.done >= tiles // 2 and viewer.scene.camera.zoom < 0.3:
            viewer.scene.camera.zoom = 0.5
    gaps = np.diff(ticks) * 1e3
    median, most = np.percentile(gaps, [50, 95])
    print(f"event loop gap          {median:7.1f} ms median, {most:.1f} at 95 %, {gaps.max():.0f} at most")
    dock.cancel()
    loop_until(lambda: not dock.running)
    print(dock.run.summary())


class Memory:
    """The memory of this process, from now on."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss

    def more(self) -> float:
        """Return by how many megabytes it has grown."""
        return float(self._process.memory_info().rss - self._before) / 1e6


if __name__ == "__main__":
    main()
