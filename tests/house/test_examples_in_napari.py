"""The examples with a window open one, and Run in it does what they say."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import napari
import pytest
from pytestqt.qtbot import QtBot

from napari_exactile.widget.dock import ExactileDock

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*_in_napari.py"))
WAIT = 60_000


@pytest.fixture
def ends(qtbot: QtBot, own_settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let `napari.run` press Run in the dock, and note how it ends; close the window afterwards."""
    ends: list[str] = []

    def run() -> None:
        window = napari.current_viewer().window._qt_window
        dock = window.findChild(ExactileDock)
        qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
        assert window.isVisible()
        dock.footer.run.click()
        qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
        ends.append(f"{dock.footer.result.text()}: {sorted(set(map(int, dock.run.layer.data.flat)))}")

    monkeypatch.setattr(napari, "run", run)
    yield ends
    napari.Viewer.close_all()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_in_a_window(example: Path, ends: list[str]) -> None:
    """Each opens a window with the dock, in which Run gives exact labels of both classes."""
    runpy.run_path(str(example), run_name="__main__")
    (end,) = ends
    assert end.startswith("Done: exact")
    assert end.endswith(": [0, 1]")
