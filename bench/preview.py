"""How soon the error preview answers: a context seen before, and a new one, at a seam in a window of 512 px.

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python bench/preview.py

Milliseconds of the window's own event loop: the change of the field itself, which blocks the interface, and
from the change until the answer is in the dock. The first answer includes measuring the image and the exact
result of the window; `gaps` are the longest pauses of the event loop while new contexts are computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_exactile.widget.demo import open_sample
from napari_exactile.widget.dock import ExactileDock

CONTEXTS = (0, 16, 32, 48, 64, 80, 96, 112)


def main() -> None:
    viewer, dock = open_sample("colonies_2048")
    wait(lambda: dock.plan is not None)
    start = time.perf_counter()
    dock.preview.fields.header.setChecked(True)
    wait(lambda: answered(dock))
    print(f"{'first answer':<24}{1000 * (time.perf_counter() - start):>8.0f}")
    for words in ("new context", "context seen before"):
        times = np.array([change(dock, context) for context in CONTEXTS if context != 32])
        call, answer, gap = times.T
        print(
            f"{words:<24}{np.median(answer):>8.0f} median, {answer.max():.0f} largest; "
            f"change itself {np.median(call):.0f}, gaps {gap.max():.0f}"
        )
    viewer.close()


def change(dock: ExactileDock, context: int) -> tuple[float, float, float]:
    """Set a context; return the milliseconds of the call, until the answer, and of the longest gap."""
    start = time.perf_counter()
    dock.preview.fields.radius.value = context
    called = time.perf_counter()
    gap = wait(lambda: answered(dock))
    return 1000 * (called - start), 1000 * (time.perf_counter() - start), 1000 * gap


def answered(dock: ExactileDock) -> bool:
    return "score" in dock.preview.fields.result.text()


def wait(until: Callable[[], bool]) -> float:
    """Let the window work until something holds; return the longest time that one turn of its loop took."""
    longest = 0.0
    while not until():
        start = time.perf_counter()
        QApplication.processEvents()
        longest = max(longest, time.perf_counter() - start)
        time.sleep(0.001)
    return longest


if __name__ == "__main__":
    main()
