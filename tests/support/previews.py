"""What the tests of the error preview share: the dock with the section open, and what it has to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT
from napari_exactile.widget.dock import ExactileDock

# The model of these tests has F 4 and needs 24 px; with tiles of 92 px its zones have 44.
ZONE, REQUIRED = 44, 24
DIFFERING, MAP, WINDOW = "Preview: pixels that differ", "Preview: score difference", "Preview: window"


@pytest.fixture
def previewing(opened: Any, qtbot: QtBot) -> Callable[..., tuple[Viewer, ExactileDock]]:
    """A function that opens the dock with the section open, and waits for the first error."""

    def open_preview(data: Any = None, radius: int = 8, **more: Any) -> tuple[Viewer, ExactileDock]:
        viewer, dock = opened(data, show=True, **more)
        dock.preview.fields.radius.value = radius
        dock.preview.fields.header.setChecked(True)
        settle(qtbot, dock)
        return viewer, dock

    return open_preview


def settle(qtbot: QtBot, dock: ExactileDock) -> str:
    """Wait for an answer and return it."""
    result = dock.preview.fields.result
    qtbot.waitUntil(lambda: bool(result.text()) and not result.text().endswith("..."), timeout=WAIT)
    return result.text()


def expected(viewer: Viewer, model: ex.Model, radius: int, image: Any = None) -> ex.TilingError:
    """What the public function says of the window that is outlined."""
    corners = np.asarray(viewer.layers[WINDOW].data[0])
    low, high = corners.min(axis=0) + 0.5, corners.max(axis=0) + 0.5
    window = [(int(start), int(stop)) for start, stop in zip(low, high, strict=True)]
    data = viewer.layers["slide"].data if image is None else image
    return ex.tiling_error(data, model, zone=ZONE, radius=radius, window=window)
