"""Make the pictures of the tutorial and the README by driving the real dock in a real window.

Without a display: xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python scripts/screenshots.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_exactile.widget.demo import open_sample
from napari_exactile.widget.dock import ExactileDock

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH = 1200


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    viewer, dock = open_sample("colonies_2048")
    wait(lambda: dock.plan is not None)
    picture(viewer, "opened")
    dock.fields.automatic.value = False
    dock.fields.tile.value = 512
    wait(lambda: dock.plan is not None and len(dock.plan) == 49)
    picture(viewer, "tiles")
    dock.start()
    wait(lambda: dock.run is not None and len(dock.run.job.done) >= 22)
    dock.cancel()
    wait(lambda: not dock.running)
    picture(viewer, "cancelled")
    dock.start()
    wait(lambda: not dock.running)
    picture(viewer, "dock")
    objects(viewer, dock)
    preview(viewer, dock)
    undersized(viewer, dock)


def objects(viewer: Any, dock: ExactileDock) -> None:
    """Show the objects of the labels, and how far these agree with the sample's true ones."""
    fields = dock.results.fields
    for header in (fields.objects_header, fields.agreement_header):
        header.setChecked(True)
    fields.objects.find.native.click()
    fields.agreement.compare.native.click()
    wait(lambda: dock.results.objects.objects is not None and dock.results.agreement.agreement is not None)
    dock.fields.tiling.value = False
    scroll_down(dock)
    picture(viewer, "objects")
    dock.fields.tiling.value = True
    for header in (fields.objects_header, fields.agreement_header):
        header.setChecked(False)
    assert dock.results.objects.layer is not None
    dock.results.objects.layer.visible = False


def preview(viewer: Any, dock: ExactileDock) -> None:
    """Show the error at a seam without any context, and the plot; everything else is put back."""
    assert dock.run is not None
    assert dock.run.layer is not None
    dock.run.layer.visible = False
    dock.fields.automatic.value = True
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.radius.value = 0
    wait(lambda: "mean score" in dock.preview.fields.result.text())
    viewer.layers["Preview: score difference"].visible = True
    zoom = viewer.scene.camera.zoom
    viewer.scene.camera.zoom = 2.5 * zoom
    scroll_down(dock)
    picture(viewer, "preview")
    dock.preview.fields.plot.native.click()
    wait(lambda: dock.preview.plot is not None and "needed" in dock.preview.plot.words.text())
    picture(viewer, "plot")
    viewer.window.remove_dock_widget(dock.preview.plot)
    dock.preview.fields.header.setChecked(False)
    viewer.scene.camera.zoom = zoom
    dock.fields.automatic.value = False


def scroll_down(dock: ExactileDock) -> None:
    bar = dock.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(bar.maximum())


def undersized(viewer: Any, dock: ExactileDock) -> None:
    """Run once more with too little context, with Advanced open."""
    assert dock.run is not None
    assert dock.run.layer is not None
    dock.run.layer.visible = False
    dock.fields.advanced.setChecked(True)
    dock.fields.own_radius.value = True
    dock.fields.radius.value = 32
    dock.start()
    wait(lambda: not dock.running)
    picture(viewer, "inexact")


def wait(until: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window work until something holds, and then a moment more for napari to draw it."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the dock did not come so far")
        QApplication.processEvents()
        time.sleep(0.005)
    settled = time.monotonic() + 1.5
    while time.monotonic() < settled:
        QApplication.processEvents()
        time.sleep(0.005)


def picture(viewer: Any, name: str) -> None:
    """Save the window with few colours, so that the repository stays small."""
    path = IMAGES / f"{name}.png"
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    full = Image.open(path).convert("RGB")
    small = full.resize((WIDTH, round(full.height * WIDTH / full.width)), Image.Resampling.LANCZOS)
    small.quantize(256, kmeans=2).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
