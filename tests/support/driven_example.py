"""python driven_example.py FILE FOLDER: run an example up to its end, with Run pressed in its dock.

Prints what the dock says in the end, and the labels that there are. No settings of the person are read: those
of the dock and of napari are in FOLDER.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 120


def main(example: str, folder: str) -> None:
    os.environ["NAPARI_CONFIG"] = str(Path(folder, "napari.yaml"))
    import napari
    from qtpy.QtCore import QSettings

    from napari_exactile.widget.form import remembered

    store = QSettings(str(Path(folder, "dock.ini")), QSettings.Format.IniFormat)
    remembered._store = lambda: store
    napari.run = press_run
    runpy.run_path(example, run_name="__main__")


def press_run() -> None:
    """Take the place of `napari.run`."""
    import napari

    from napari_exactile.widget.dock import ExactileDock

    viewer = napari.current_viewer()
    window = viewer.window._qt_window
    dock = window.findChild(ExactileDock)
    wait(lambda: dock.plan is not None)
    dock.footer.run.click()
    wait(lambda: dock.run is not None and not dock.running)
    labels = sorted(set(map(int, dock.run.layer.data.flat)))
    print(f"{dock.footer.result.text()}: {labels}, window seen: {window.isVisible()}")
    viewer.close()


def wait(until: Callable[[], bool]) -> None:
    """Let the window work until something holds."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + SECONDS
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the dock did not come so far")
        QApplication.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    main(*sys.argv[1:])
