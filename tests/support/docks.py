"""What the tests of the dock share: a viewer with the dock, small models, and a brake on the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.layers import Labels
from napari.qt.threading import WorkerBase
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QSettings

import napari_exactile as ex
from at_the_door import meet
from napari_exactile.models.random_weights import randomise
from napari_exactile.models.unet import UNet
from napari_exactile.run.plan.settings import Settings
from napari_exactile.stopping import Check
from napari_exactile.widget.choose import chooser
from napari_exactile.widget.choose.fields import ON_DISK
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.form import remembered
from napari_exactile.widget.run.runner import ShownRun

WAIT = 60_000


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see another's remembered settings, nor the person's."""
    store = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    monkeypatch.setattr(remembered, "_store", lambda: store)


@pytest.fixture(scope="module")
def model() -> ex.Model:
    return lively_model("lively")


def lively_model(name: str, channels: int = 1, classes: int = 3) -> ex.Model:
    """A small U-Net (F 4, context 22) whose random weights make every error visible."""
    net = UNet(levels=2, base=4, in_channels=channels, classes=classes).eval()
    randomise(net, 3)
    return ex.load_model(net, name=name, title=name, channels=channels, probabilities=True)


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


@pytest.fixture
def opened(
    make_napari_viewer: Callable[..., Viewer], model: ex.Model, qtbot: QtBot
) -> Iterator[Callable[..., tuple[Viewer, ExactileDock]]]:
    """A function that opens a viewer with an image and the dock, and waits for the plan."""
    docks: list[ExactileDock] = []

    def open_dock(
        data: Any = None, *, tile: int | None = 92, plan: bool = True, show: bool = False, **image: Any
    ):
        viewer = make_napari_viewer(show=show)
        if data is None:
            data = pixels((200, 150))
        if not isinstance(data, str):
            viewer.add_image(data, name="slide", **image)
        dock = ExactileDock(viewer)
        docks.append(dock)
        viewer.window.add_dock_widget(dock)
        dock.add_model(model)
        if tile is not None:
            dock.fields.automatic.value = False
            dock.fields.tile.value = tile
        if plan:
            qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
        return viewer, dock

    yield open_dock
    for dock in docks:
        dock.cancel()
    # As napari does before it quits.
    WorkerBase.await_workers(WAIT)


def finish(qtbot: QtBot, dock: ExactileDock) -> Labels:
    """Run to the end and return the labels layer."""
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.run is not None
    assert dock.run.layer is not None
    return dock.run.layer


class Brake:
    """Holds the engine before the labels of each tile are there, until the test lets one through.

    The tiles of a row of a walk begin together, and end one after the other all the same.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gate = threading.Semaphore(0)
        meet(monkeypatch, holding=self._hold)

    def _hold(self, check: Check) -> None:
        while not self._gate.acquire(timeout=0.01):
            check()

    def let(self, tiles: int) -> None:
        for _ in range(tiles):
            self._gate.release()


def zone_by_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let docks plan trimmed zones, which are done one by one in any order; walks do whole bands."""
    monkeypatch.setattr(chooser, "Settings", lambda **chosen: Settings(**chosen | {"method": "trimmed"}))


def begin(qtbot: QtBot, dock: ExactileDock, brake: Brake, tiles: int = 1) -> ShownRun:
    """Start a run and hold it when so many tiles are done."""
    dock.start()
    run = dock.run
    assert run is not None
    brake.let(tiles)
    qtbot.waitUntil(lambda: run.layer is not None and len(run.job.done) == tiles, timeout=WAIT)
    return run


def pyramid(data: Any) -> list[Any]:
    return [data, data[::2, ::2], data[::4, ::4]]


def to_disk(dock: Any, path: Path) -> None:
    """Choose a place on disk as a person does."""
    dock._chooser.output.path = path
    dock.fields.output.value = ON_DISK


def words(dock: Any) -> str:
    """What the footer says."""
    return dock.footer.result.text().replace("\u200b", "").replace("\u00a0", " ")


def opened_details(qtbot: QtBot, dock: ExactileDock) -> Any:
    """Press the button and wait until the window shows something."""
    qtbot.waitUntil(lambda: dock.fields.details.enabled, timeout=WAIT)
    dock.fields.details.native.click()
    qtbot.waitUntil(dock.details.copy.isEnabled, timeout=WAIT)
    return dock.details
