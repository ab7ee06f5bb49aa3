"""Pause holds a run between two tiles, Resume lets it go on, and Cancel ends it all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, Brake, begin


def test_pause_resume_pause(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    """Pressed three times at once, it pauses after the tile at work; resumed, the labels are exact."""
    viewer, dock = opened()
    brake, footer = Brake(monkeypatch), dock.footer
    assert not footer.pause.isEnabled()
    run = begin(qtbot, dock, brake, tiles=1)
    for _ in range(3):
        footer.pause.click()
    assert footer.pause.text() == "Resume"
    brake.let(1000)
    words = f"Paused: 2 of {len(dock.plan)} tiles"
    qtbot.waitUntil(lambda: footer.progress.text() == words, timeout=WAIT)
    qtbot.wait(300)
    assert len(run.job.done) == 2
    footer.pause.click()
    assert footer.pause.text() == "Pause"
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    whole = ex.segment_whole(viewer.layers["slide"].data, model)
    assert np.array_equal(run.layer.data, whole.labels)
    assert not footer.pause.isEnabled()


def test_cancel_ends_a_pause(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A paused run can be cancelled, and continued: it is not paused any more."""
    _, dock = opened()
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake, tiles=1)
    dock.footer.pause.click()
    brake.let(1000)
    qtbot.waitUntil(lambda: dock.footer.progress.text().startswith("Paused: 2 of"), timeout=WAIT)
    dock.footer.cancel.click()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.footer.pause.text() == "Pause"
    assert dock.footer.run.text() == "Continue"
    dock.start()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert run.series.complete
