"""How fast the dock answers, what a run costs in it, and where the window stands still.

A 2048 x 2048 image in a real window. A time ends when what has changed has been painted.

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python bench/dock.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget

import napari_exactile as ex
from event_loop import Gaps, loop_until, wait
from napari_exactile.models.load import load_model
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.network.skewed.walk import Walk
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.plan.settings import Settings
from napari_exactile.widget.choose import chooser
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.run.labels import RunLabels

SIDE = 2048
TILES = (512, 704, 1024, 384, 256)  # at the last there are 1024 zones
RADII = (96, 128, 64, 160, 32)  # the model needs 96
ROUNDS = 4
SHARES = (0.05, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8)  # of the first tile's time, when Cancel is pressed


def main() -> None:
    operators = time_operators()
    viewer, dock = open_dock()
    print(f"{'milliseconds':<44}{'median':>10}{'95 %':>10}{'largest':>10}")
    for words, field, values in (
        ("tile size", dock.fields.tile, TILES),
        ("own radius", dock.fields.radius, RADII),
    ):
        dock.fields.own_radius.value = words == "own radius"
        dock.fields.tile.value = 512
        wait(0.5)
        figures, zones = answers(viewer, dock, field, values)
        print(row(f"{words} to figures painted", figures))
        print(row(f"{words} to zones painted", zones))
    dock.fields.own_radius.value = False
    dock.fields.tile.value = SIDE
    print_cancel("bundled model, tile 2048", dock, operators)
    dock.add_model(big_model())
    dock.fields.automatic.value = True
    loop_until(lambda: dock.plan is not None, 5)
    print_cancel(f"U-Net base 64, automatic ({dock.plan.tile[0]} px)", dock, operators)
    viewer.close()
    print(f"\n{'a run, s':<44}{'trimmed':>10}{'skewed':>10}{'dock':>10}{'ratios to both':>20}")
    for tile in (304, 880):
        print_run(tile)
    print(f"\n{'first labels in view, s':<44}{'trimmed':>10}{'dock':>10}")
    for words, model, tile, corner in (
        ("tile 304, all in view", "", 304, False),
        ("tile 304, lower right corner in view", "", 304, True),
        ("automatic, all in view", "", 0, False),
        ("automatic, lower right corner in view", "", 0, True),
        ("U-Net base 64, automatic, all in view", "big", 0, False),
        ("U-Net base 64, automatic, corner in view", "big", 0, True),
    ):
        print_first(words, model, tile, corner)
    print(f"\n{'gaps in which the window stands still, ms':<44}{'longest':>10}{'> 200':>10}")
    print_gaps()


def print_run(tile: int) -> None:
    """Print how long a run takes in a script, in both ways, and in the dock, medians of three."""
    viewer, dock = open_dock()
    dock.fields.tile.value = tile
    image, seconds = viewer.layers[0].data, {"trimmed": [], "skewed": [], "dock": []}
    for _ in range(4):
        for method in ("trimmed", "skewed"):
            start = time.perf_counter()
            ex.segment(image, "colonies-demo", tile=tile, method=method)
            seconds[method].append(time.perf_counter() - start)
        start = time.perf_counter()
        dock.start()
        loop_until(lambda: not dock.running, 5)
        seconds["dock"].append(time.perf_counter() - start)
        viewer.layers.remove(dock.run.layer)
        wait(0.5)
    trimmed, skewed, shown = (np.median(each[1:]) for each in seconds.values())  # the first is slower
    words = f"{f'2048 x 2048 px, tile {tile}':<44}{trimmed:>10.2f}{skewed:>10.2f}{shown:>10.2f}"
    print(f"{words}{shown / trimmed:>10.2f}{shown / skewed:>10.2f}")
    viewer.close()


def print_first(words: str, model: str, tile: int, corner: bool) -> None:
    """Print when the first labels that are in view are drawn after Run, with trimmed zones and as it is."""
    ways: dict[str, Any] = {
        "trimmed": lambda **chosen: Settings(**chosen | {"method": "trimmed"}),
        "dock": Settings,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):
        for name, settings in ways.items():
            chooser.Settings = settings
            viewer, dock = open_dock()
            if model:
                dock.add_model(big_model())
            dock.fields.automatic.value = not tile
            dock.fields.tile.value = tile or SIDE
            if corner:
                viewer.scene.camera.zoom *= 8
                viewer.scene.camera.center = (SIDE - 60, SIDE - 60)
            wait(1)
            loop_until(lambda dock=dock: dock.plan is not None, 5)  # a large network takes a while
            seconds[name].append(first_drawn(dock))
            viewer.close()
    chooser.Settings = Settings
    trimmed, shown = (np.median(each) for each in seconds.values())
    print(f"{words:<44}{trimmed:>10.2f}{shown:>10.2f}", flush=True)


def first_drawn(dock: ExactileDock) -> float:
    """Return the seconds from Run until labels in view are drawn anew for the first time."""
    drawn, redraw = list[float](), RunLabels.redraw

    def noted(self: RunLabels) -> None:
        redraw(self)
        drawn.append(time.perf_counter())

    RunLabels.redraw = noted  # type: ignore[method-assign]
    start = time.perf_counter()
    dock.start()
    loop_until(lambda: bool(drawn), 5)
    RunLabels.redraw = redraw  # type: ignore[method-assign]
    dock.cancel()
    loop_until(lambda: not dock.running, 5)
    return drawn[0] - start


def big_model() -> ex.Model:
    """Return the network of the papers, whose tiles take seconds."""
    net = UNet(base=64).eval()
    randomise(net, 0)
    return load_model(net, name="big", title="U-Net, base 64")


def print_gaps() -> None:
    """Do what people do, each for the first time in a window, and print where that stands still."""
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1500, 950)
    dock = ExactileDock(viewer, remembers=False)
    viewer.window.add_dock_widget(dock)
    wait(1)
    with felt("Load sample"):
        dock.fields.sample.native.click()
        loop_until(lambda: dock.plan is not None, 5)
        wait(1)
    dock.fields.automatic.value = False
    dock.fields.tile.value = 304  # a seam needs two tiles
    with felt("the first preview of the error"):
        dock.preview.fields.header.setChecked(True)
        loop_until(lambda: "score" in dock.preview.fields.result.text(), 5)
    dock.preview.fields.header.setChecked(False)
    viewer.add_image(np.random.default_rng(0).integers(0, 4000, (4 * SIDE, 4 * SIDE)).astype(np.uint16))
    dock.fields.image.value = viewer.layers[-1]
    loop_until(lambda: dock.plan is not None, 5)
    wait(1)
    with felt("Run, until labels are shown"):
        dock.start()
        loop_until(lambda: dock.run.layer is not None, 5)
        wait(1)
    with felt("8 s of a run, watched"):
        wait(8)
    with felt("8 s of a run, panned"):
        viewer.scene.camera.zoom *= 3
        for step in range(80):
            viewer.scene.camera.center = (1000 + 70 * step, 1000 + 70 * step)
            wait(0.1)
    dock.cancel()
    loop_until(lambda: not dock.running, 5)
    for words, axes in (("to 3D", 3), ("to 2D", 2)):
        with felt(words):
            viewer.dims.ndisplay = axes
            wait(1)
    viewer.close()


@contextmanager
def felt(words: str) -> Iterator[None]:
    """Print the longest gap in a block, and how many were felt."""
    with Gaps() as gaps:
        yield
    print(f"{words:<44}{gaps.longest:>10.0f}{gaps.felt:>10}", flush=True)


def open_dock() -> tuple[napari.Viewer, ExactileDock]:
    """Return a window with an image and the dock, everything in it painted."""
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1500, 950)
    viewer.add_image(np.random.default_rng(0).integers(0, 4000, (SIDE, SIDE)).astype(np.uint16))
    dock = ExactileDock(viewer, remembers=False)
    viewer.window.add_dock_widget(dock)
    dock.fields.automatic.value = False
    dock.fields.advanced.setChecked(True)
    loop_until(lambda: dock.plan is not None and "Tiles: zones" in viewer.layers, 5)
    wait(1)
    return viewer, dock


def answers(
    viewer: napari.Viewer, dock: ExactileDock, field: Any, values: tuple[int, ...]
) -> tuple[list[float], list[float]]:
    """Change a field again and again; return the milliseconds to new figures and to new zones, as painted."""
    canvas = viewer.window._qt_window.findChild(QOpenGLWidget)
    figures, canvases = Painted(dock.fields.zone_note), Painted(canvas)
    viewer.layers["Tiles: zones"].events.data.connect(canvases.forget)
    times: tuple[list[float], list[float]] = [], []
    for value in values[1:] * ROUNDS:
        figures.forget()
        canvases.await_change()
        start = time.perf_counter()
        field.value = value
        loop_until(lambda: bool(figures.at and canvases.at), 5)
        for at, spent in zip((figures.at, canvases.at), times, strict=True):
            spent.append(1000 * (at - start))
        wait(0.5)
    viewer.layers["Tiles: zones"].events.data.disconnect(canvases.forget)
    return times


class Painted(QObject):
    """Knows when a widget was first painted since `forget`; after `await_change`, painting does not count."""

    def __init__(self, widget: Any) -> None:
        super().__init__()
        self.at, self._counts = 0.0, True
        widget.installEventFilter(self)

    def forget(self, _event: Any = None) -> None:
        self.at, self._counts = 0.0, True

    def await_change(self) -> None:
        self.at, self._counts = 0.0, False

    def eventFilter(self, _widget: Any, event: Any) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.Paint and self._counts and not self.at:
            # The painting begins now and ends before the next turn of the event loop.
            self._counts = False
            QTimer.singleShot(0, self._note)
        return False

    def _note(self) -> None:
        self.at = time.perf_counter()


def print_cancel(words: str, dock: ExactileDock, operators: list[float]) -> None:
    """Cancel in the midst of the first tile, sooner or later, and print how long the run goes on."""
    seconds = min(first_tile(dock) for _ in range(3))  # the first ever is slower
    times = []
    operators.clear()
    for share in SHARES:
        run = start_run(dock)
        wait(share * seconds)
        start = time.perf_counter()
        dock.footer.cancel.click()
        loop_until(lambda: not dock.running, 5)
        times.append(1000 * (time.perf_counter() - start))
        assert not run.job.done, "the first tile was too fast to be cancelled"
        run.layer.visible = False
        wait(0.3)
    print(row(f"Cancel, {words}", times))
    print(row("  between two looks at Cancel", operators))


def start_run(dock: ExactileDock) -> Any:
    """Start a run; return it when its first tile is being computed."""
    dock.start()
    run: Any = dock.run
    loop_until(lambda: bool(run._tiles._under_way), 5)
    return run


def first_tile(dock: ExactileDock) -> float:
    """Return the seconds that the first tile takes."""
    run = start_run(dock)
    start = time.perf_counter()
    loop_until(lambda: bool(run.job.done) or not dock.running, 5)
    seconds = time.perf_counter() - start
    dock.footer.cancel.click()
    loop_until(lambda: not dock.running, 5)
    dock.viewer.layers.remove(run.layer)  # or the next run would go on with it
    wait(0.3)
    return seconds


def time_operators() -> list[float]:
    """Measure how long is worked between two looks at Cancel: on mostly one operator."""
    original, walk, spent = Executor.scores, Walk.run, list[float]()

    def timing(check: Callable[[], None]) -> Callable[[], None]:
        last = [time.perf_counter()]

        def timed() -> None:
            now = time.perf_counter()
            spent.append(1000 * (now - last[0]))
            last[0] = now
            check()

        return timed

    Executor.scores = lambda self, zone, radius, method, check: original(  # type: ignore[method-assign]
        self, zone, radius, method, timing(check)
    )
    Walk.run = lambda self, band, read, check: walk(self, band, read, timing(check))  # type: ignore[method-assign]
    return spent


def row(words: str, values: list[float]) -> str:
    low, high, most = np.percentile(values, 50), np.percentile(values, 95), max(values)
    return f"{words:<44}{low:>10.0f}{high:>10.0f}{most:>10.0f}"


if __name__ == "__main__":
    main()
