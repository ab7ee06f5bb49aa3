"""All that takes long in the dock can be paused, goes on to the same end, and can be cancelled."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, finish, pixels
from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.images.objects import components
from napari_exactile.images.store import tiff
from napari_exactile.widget.preview.section import CANCELLED
from napari_exactile.widget.work.long_work import LongWork
from previews import settle

SHAPE = (700, 500)


class Slow:
    """Lets each call of a function take so many seconds, and counts them; `seen` are those before a pause."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Any, name: str, seconds: float = 0.1) -> None:
        self.seconds = seconds
        self.calls, self.seen, original = 0, 0, getattr(home, name)

        def slow(*given: Any, **more: Any) -> Any:
            self.calls += 1
            time.sleep(seconds)
            return original(*given, **more)

        monkeypatch.setattr(home, name, slow)


def pause_in_the_midst(qtbot: QtBot, work: LongWork, slow: Slow) -> None:
    """Pause, and see that nothing is done any more but what was begun."""
    # Also calls from before we look: where the window is slow, the work may be about to end.
    qtbot.waitUntil(lambda: slow.calls > slow.seen, timeout=WAIT)
    work.pause()
    qtbot.wait(300 + 2 * round(1000 * slow.seconds))
    before = slow.calls
    qtbot.wait(500)
    assert work.paused
    assert slow.calls == before
    slow.seen = before


def test_saving_waits(opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The button beside Stop saving pauses and resumes, and the file is the one without a pause."""
    _, dock = opened(pixels(SHAPE), tile=172)
    finish(qtbot, dock)
    monkeypatch.setattr(tiff, "FILE_TILE", 128)
    footer, slow = dock.footer, Slow(monkeypatch, tiff, "_filled")
    dock.save(tmp_path / "paused.ome.tif")
    pause_in_the_midst(qtbot, dock.result.saver.work, slow)
    assert "paused" in footer.result.text()
    assert footer.saving.pause.text() == "Resume"
    assert not (tmp_path / "paused.ome.tif").exists()
    footer.saving.pause.click()
    qtbot.waitUntil(lambda: footer.save.text() == "Save...", timeout=WAIT)
    dock.save(tmp_path / "at once.ome.tif")
    qtbot.waitUntil(lambda: footer.save.text() == "Save...", timeout=WAIT)
    paused, at_once = (tifffile.imread(tmp_path / f"{name}.ome.tif") for name in ("paused", "at once"))
    assert np.array_equal(paused, at_once)
    dock.save(tmp_path / "never.ome.tif")
    pause_in_the_midst(qtbot, dock.result.saver.work, slow)
    footer.save.click()
    qtbot.waitUntil(lambda: footer.result.text() == "Not saved: stopped", timeout=WAIT)
    assert len(list(tmp_path.glob("*.tif*"))) == 2


def test_finding_objects_waits(opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects found with a pause are those without; stopped in a pause, none are added."""
    viewer, dock = opened(pixels(SHAPE), tile=172)
    layer, section = finish(qtbot, dock), dock.results.objects
    monkeypatch.setattr(components, "BLOCK_PIXELS", 128**2)
    slow = Slow(monkeypatch, components, "_label_block")
    section.find()
    pause_in_the_midst(qtbot, section.work, slow)
    assert "paused" in section.fields.words.text()
    section.fields.finding.pause.click()
    qtbot.waitUntil(lambda: not section.finding, timeout=WAIT)
    assert np.array_equal(section.layer.data, ex.find_objects(layer.data).labels)
    viewer.layers.remove(section.layer)
    section.find()
    pause_in_the_midst(qtbot, section.work, slow)
    section.fields.find.native.click()
    assert section.fields.words.text() == "Stopped: no objects were added."
    assert not section.work.going


def test_an_estimate_waits(previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how long the rest takes, waits, and comes to the same; stopped, it keeps what it has."""
    _, dock = previewing(pixels((600, 600)))
    fields, estimating = dock.preview.fields, dock.preview._estimating
    fields.estimate.native.click()
    qtbot.waitUntil(lambda: not fields.estimating, timeout=WAIT)
    whole, slow = fields.estimated.text(), Slow(monkeypatch, TilingErrors, "error")
    fields.estimate.native.click()
    qtbot.waitUntil(lambda: " left" in fields.estimated.text(), timeout=WAIT)
    pause_in_the_midst(qtbot, estimating.work, slow)
    assert "Measuring zones: paused" in fields.estimated.text()
    fields.measuring.pause.click()
    qtbot.waitUntil(lambda: not fields.estimating, timeout=WAIT)
    assert fields.estimated.text() == whole
    fields.estimate.native.click()
    pause_in_the_midst(qtbot, estimating.work, slow)
    fields.estimate.native.click()
    assert "paused" not in fields.estimated.text()


def test_the_error_at_one_place_waits(previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled in a pause it says so, and is not begun again by itself; resumed it gives the same answer."""
    _, dock = previewing()
    preview, slow = dock.preview, Slow(monkeypatch, TilingErrors, "_scored", 1.0)
    preview.fields.radius.value = 12
    pause_in_the_midst(qtbot, preview.work, slow)
    assert preview.fields.computing.pause.isVisible()
    preview.fields.computing.cancel.click()
    qtbot.waitUntil(lambda: preview.fields.result.text() == CANCELLED, timeout=WAIT)
    preview.update()
    assert preview.fields.result.text() == CANCELLED
    preview.fields.radius.value = 16
    pause_in_the_midst(qtbot, preview.work, slow)
    preview.fields.computing.pause.click()
    assert "differ" in settle(qtbot, dock)


def test_a_plot_waits(previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paused, no context is measured; cancelled in a pause, what was measured stays, and is drawn."""
    _, dock = previewing()
    slow = Slow(monkeypatch, TilingErrors, "error")
    dock.preview.fields.plot.native.click()
    qtbot.waitUntil(lambda: dock.preview.plot is not None and dock.preview.plot.work.going, timeout=WAIT)
    plot = dock.preview.plot
    qtbot.waitUntil(lambda: plot.sweep is not None and len(plot.sweep.points) > 1, timeout=WAIT)
    pause_in_the_midst(qtbot, plot.work, slow)
    assert "paused" in plot.words.text()
    plot.buttons.pause.click()
    pause_in_the_midst(qtbot, plot.work, slow)
    plot.buttons.cancel.click()
    qtbot.waitUntil(lambda: "px of context needed" in plot.words.text(), timeout=WAIT)
    assert 1 < len(plot.sweep.points) < 9
    qtbot.waitUntil(lambda: plot.view.drawn, timeout=WAIT)
