"""How smoothly labels stream in: gaps of the event loop, and our own work on the GUI thread.

A 4096 x 4096 image in 256 tiles, ten a second. The network is replaced by a pause, so that what is measured
is the way from a finished tile to the screen; `--model` runs the bundled model instead.

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python bench/streaming.py
"""

from __future__ import annotations

import sys
import time
from typing import Any

import napari
import numpy as np
import torch
from qtpy.QtCore import QTimer

from event_loop import loop_until, wait
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.plan.settings import Settings
from napari_exactile.widget.choose import chooser
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.run.runner import ShownRun

SIDE, TILE, SECONDS_A_TILE = 4096, 448, 0.1  # zones of 256 px
TICK_MS = 5


def main() -> None:
    if "--model" not in sys.argv:
        pace()
    own, computing = time_own_work()
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1500, 950)
    viewer.add_image(np.random.default_rng(0).integers(0, 4000, (SIDE, SIDE)).astype(np.uint16))
    dock = ExactileDock(viewer, remembers=False)
    viewer.window.add_dock_widget(dock)
    dock.fields.automatic.value = False
    dock.fields.tile.value = TILE
    print(f"{'':<16}{'':>24}{'median':>10}{'95 %':>10}{'largest':>10}")
    for shown in (True, False):
        dock.fields.tiling.value = shown
        loop_until(lambda: dock.plan is not None)
        wait(1)
        own.clear()
        computing.clear()
        gaps = stream(dock)
        words = "tiling shown" if shown else "tiling hidden"
        print(row(words, "event loop gap, ms", gaps))
        print(row(words, "own work an update, ms", own))
        print(row(words, "its processor time, ms", computing))
        over = 100 * sum(gap for gap in gaps if gap > 50) / sum(gaps)
        print(f"{words:<16}{len(own)} updates; {over:.0f} % of the time in gaps above 50 ms")
    viewer.close()


def stream(dock: ExactileDock) -> list[float]:
    """Run once and return the milliseconds between ticks of the event loop."""
    ticks: list[float] = []
    timer = QTimer()
    timer.setInterval(TICK_MS)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    dock.start()
    assert dock.run is not None
    run = dock.run
    loop_until(lambda: len(run.job.done) >= 5)  # the layer has been made
    timer.start()
    loop_until(lambda: len(run.job.done) >= len(run.job.task.plan) - 5)
    timer.stop()
    loop_until(lambda: not dock.running)
    return list(np.diff(ticks) * 1000)


def pace() -> None:
    """Let each tile take a tenth of a second, without the network: zones one by one, which walks are not."""

    def paced(self: Executor, zone: Any, *_rest: Any) -> torch.Tensor:
        time.sleep(SECONDS_A_TILE)
        return torch.rand(1, 2, *(len(span) for span in zone))

    Executor.scores = paced  # type: ignore[method-assign]
    chooser.Settings = lambda **chosen: Settings(**chosen | {"method": "trimmed"})  # type: ignore[assignment]


def time_own_work() -> tuple[list[float], list[float]]:
    """Measure each update of the screen, not the calls that only note an event, in milliseconds.

    Returns the times that pass, and the processor's: the latter leaves out what other programs take.
    """
    passed: list[float] = []
    computing: list[float] = []
    show = ShownRun._show

    def timed(self: ShownRun) -> None:
        start, began = time.perf_counter(), time.thread_time()
        show(self)
        passed.append(1000 * (time.perf_counter() - start))
        computing.append(1000 * (time.thread_time() - began))

    ShownRun._show = timed  # type: ignore[method-assign]
    return passed, computing


def row(words: str, what: str, values: list[float]) -> str:
    low, high, most = np.percentile(values, 50), np.percentile(values, 95), max(values)
    return f"{words:<16}{what:>24}{low:>10.1f}{high:>10.1f}{most:>10.1f}"


if __name__ == "__main__":
    main()
