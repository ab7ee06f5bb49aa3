"""A run with a slow source and a slow disk, against what reading, computing and writing take by themselves.

.venv/bin/python bench/pipeline.py
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import napari_exactile as ex
from napari_exactile.geometry.interval import Box
from napari_exactile.images.planes import Planes
from napari_exactile.images.source import ArraySource
from napari_exactile.run.engine.schedule.arrays import Memory
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.task import Task

SIDE, TILE = 2048, 512


class Slow:
    """An image that takes its time to be read."""

    def __init__(self, image: Any, pause: float) -> None:
        self._source, self._pause, self.seconds = ArraySource(image), pause, 0.0
        self.shape, self.channels = self._source.shape, self._source.channels

    def read(self, box: Box) -> Any:
        start = time.perf_counter()
        time.sleep(self._pause)
        pixels = self._source.read(box)
        self.seconds += time.perf_counter() - start
        return pixels


class SlowLabels(np.ndarray):  # type: ignore[type-arg]
    """Labels that take their time to be written."""

    pause, seconds = 0.0, 0.0

    def __setitem__(self, index: Any, values: Any) -> None:
        start = time.perf_counter()
        time.sleep(self.pause)
        super().__setitem__(index, values)
        type(self).seconds += time.perf_counter() - start


class SlowMemory(Memory):
    def labels(self, leading: Any, shape: Any, dtype: Any, unfinished: int) -> Any:
        return super().labels(leading, shape, dtype, unfinished).view(SlowLabels)


def main() -> None:
    image = np.random.default_rng(0).integers(0, 4000, (SIDE, SIDE)).astype(np.uint16)
    model = ex.load_model("colonies-demo")
    settings = Settings(tile=TILE)
    analysis = ex.analyse(model, image.shape)
    run(image, model, analysis, settings, 0.0, 0.0)  # torch warms up
    alone = run(image, model, analysis, settings, 0.0, 0.0)[0]
    tiles = len(ex.plan_tiles(analysis, tile=TILE))
    print(f"{SIDE} x {SIDE} px, {tiles} tiles; computing alone {alone:.1f} s")
    print(f"{'slow':<24}{'reading':>9}{'writing':>9}{'total':>8}{'/ largest':>11}{'/ sum':>8}")
    each = alone / tiles
    for name, reading, writing in (
        ("reading, half as long", each / 2, 0.0), ("reading, as long", each, 0.0),
        ("reading, twice as long", 2 * each, 0.0), ("reading and writing", each, each),
        ("writing, twice as long", 0.0, 2 * each),
    ):  # fmt: skip
        total, read, written = run(image, model, analysis, settings, reading, writing)
        largest, together = max(alone, read, written), alone + read + written
        figures = f"{read:>7.1f} s{written:>7.1f} s{total:>6.1f} s{total / largest:>11.2f}"
        print(f"{name:<24}{figures}{total / together:>8.2f}", flush=True)


def run(
    image: Any, model: ex.Model, analysis: Any, settings: Settings, reading: float, writing: float
) -> tuple[float, float, float]:
    """Return the seconds of the tiles, of their reads, and of their writes."""
    source = Slow(image, 0.0)
    SlowLabels.pause, SlowLabels.seconds = writing, 0.0
    job = Job(Task.of(Planes.single(source), model, analysis, settings), arrays=SlowMemory())
    for _event in job.engine.prepare():
        pass
    source._pause, source.seconds = reading, 0.0
    start = time.perf_counter()
    for _event in job.run():
        pass
    return time.perf_counter() - start, source.seconds, SlowLabels.seconds


if __name__ == "__main__":
    main()
