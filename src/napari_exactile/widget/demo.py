"""The main job on the bundled sample, for somebody who has just installed the plugin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.form.background import Latest

if TYPE_CHECKING:
    from napari_exactile.widget.run.runner import ShownRun

SAMPLE = "colonies_2048"
# Long enough for napari to draw the last labels before the picture is taken.
SETTLE_MS = 1500
WINDOW = 1500, 950
DOCK_NAME = "Exact segmentation"


def run_demo(screenshot: Path | None) -> None:
    """Open the sample, dock the plugin, run the bundled model, and print what came out.

    The labels are compared to one pass over the whole image. With `screenshot`, the window is saved there
    and closed; otherwise it stays open for the person.
    """
    viewer, dock = open_sample(SAMPLE)
    demo = Demo(viewer, dock, screenshot)  # must live as long as the window: Qt keeps no reference
    demo.begin()
    napari.run()


def open_sample(sample: str) -> tuple[Any, ExactileDock]:
    """Return a viewer with a sample image and the dock, which keeps no settings."""
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(*WINDOW)
    viewer.open_sample("napari-exactile", sample)
    dock = ExactileDock(viewer, remembers=False)
    viewer.window.add_dock_widget(dock, name=DOCK_NAME, area="right")
    QApplication.processEvents()  # the canvas has its size only now
    viewer.reset_view()
    return viewer, dock


class Demo:
    """Goes through the job step by step, each started by the one before: the window never waits."""

    def __init__(self, viewer: Any, dock: ExactileDock, screenshot: Path | None) -> None:
        self._viewer, self._dock, self._screenshot = viewer, dock, screenshot
        self._comparing = Latest()
        self._timer = QTimer()
        self._timer.setInterval(100)

    def begin(self) -> None:
        """Ask for probabilities, which the comparison needs, and run as soon as there is a plan."""
        print("Analysing the model and measuring the image...", flush=True)
        self._dock.fields.probabilities.value = True
        self._when(lambda: self._dock.plan is not None, self._start)

    def _start(self) -> None:
        self._dock.start()
        self._when(lambda: not self._dock.running, self._compare)

    def _compare(self) -> None:
        run = self._dock.run
        if run is None or not run.job.complete:
            print("The run did not finish, so there is nothing to compare.")
            self._finish()
            return
        print("Comparing with one pass over the whole image...", flush=True)
        self._comparing.ask(partial(self._difference, run), self._report, self._failed)

    def _difference(self, run: ShownRun) -> list[tuple[str, str]]:
        """Run in the background: one pass over the whole image, against what the tiles gave."""
        from napari_exactile.evaluate.words import pixels_differ
        from napari_exactile.run.check.metrics import difference
        from napari_exactile.run.engine.reference import one_pass
        from napari_exactile.run.words.summary import summary_lines

        tiled, whole = run.job.result(), one_pass(run.job.task)
        assert tiled.probabilities is not None
        assert whole.probabilities is not None
        apart = difference(tiled.labels, tiled.probabilities, whole.labels, whole.probabilities)
        return [
            *summary_lines(tiled.report, run.labels.image_name),
            ("against one pass", f"{pixels_differ(apart.misclassified)} (ME), RMSE {apart.rmse:.2g}"),
        ]

    def _report(self, lines: list[tuple[str, str]]) -> None:
        for name, value in lines:
            print(f"{name:<18}{value}", flush=True)
        self._finish()

    def _failed(self, error: Exception) -> None:
        print(f"The comparison failed: {error}", flush=True)
        self._finish()

    def _finish(self) -> None:
        if self._screenshot is not None:
            QTimer.singleShot(SETTLE_MS, partial(self._save_and_close, self._screenshot))

    def _save_and_close(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._viewer.screenshot(str(path), canvas_only=False, flash=False)
        print(f"{'screenshot':<18}{path}")
        self._viewer.close()
        QApplication.quit()

    def _when(self, condition: Callable[[], bool], then: Callable[[], None]) -> None:
        """Call `then` once `condition` holds; checked ten times a second."""

        def look() -> None:
            if condition():
                self._timer.stop()
                self._timer.timeout.disconnect(look)
                then()

        self._timer.timeout.connect(look)
        self._timer.start()
