"""Layers of unlike units: napari's warning, which comes with every layer, is said once and in other words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot

from docks import finish, pixels


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """The messages that reach whoever shows them."""
    told: list[str] = []

    def listen(notification: Any) -> None:
        told.append(notification.message)

    notification_manager.notification_ready.connect(listen, position="last")
    yield told
    notification_manager.notification_ready.disconnect(listen)


def test_mixed_units_are_said_once(opened: Any, qtbot: QtBot, shown: list[str]) -> None:
    """A layer in pixels beside an image in micrometres, a run and a preview: one sentence that names both."""
    viewer, dock = opened(pixels((200, 150)), scale=(0.5, 0.5), units=("um", "um"), show=True)
    assert not shown
    viewer.add_points(np.array([[3.0, 4.0]]), name="marks", units=("pixel", "pixel"))
    qtbot.waitUntil(lambda: bool(shown))
    finish(qtbot, dock)
    viewer.screenshot(flash=False)
    (words,) = shown
    assert "micrometer, pixel" in words
    assert not words.startswith("Inconsistent")


def test_napari_warns_again_without_the_dock(opened: Any, qtbot: QtBot, shown: list[str]) -> None:
    """Once the dock is gone, napari says it in its own way."""
    viewer, dock = opened(pixels((90, 80)), scale=(0.5, 0.5), units=("um", "um"), show=True)
    viewer.window.remove_dock_widget(dock)
    viewer.add_points(np.array([[3.0, 4.0]]), name="marks", units=("pixel", "pixel"))
    qtbot.waitUntil(lambda: any(words.startswith("Inconsistent") for words in shown))
