"""The window of a report shows all of it in words, copies it, and saves it as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication

import napari_exactile as ex
from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.report_file import earlier_report, report_of
from napari_exactile.run.task.begin import make_task
from napari_exactile.run.words.report import report_sections, report_text
from napari_exactile.widget.results.report_dialog import ReportDialog
from room import narrow
from slow_run import TILE, image, network

WAIT = 20_000
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a complete run into a store, deep in folders with long names."""
    folder = (
        tmp_path_factory.mktemp("2024_experiments_of_the_laboratory")
        / "the_slides_of_the_second_batch_in_spring"
    )
    folder.mkdir()
    np.save(folder / "slide_12.npy", image())
    ex.segment(folder / "slide_12.npy", network(), tile=TILE, output=folder / "a.ome.zarr", ignore=0)
    return earlier_report(folder / "a.ome.zarr")


@pytest.fixture
def opened(make_napari_viewer: Callable[..., Viewer]) -> Iterator[Callable[..., ReportDialog]]:
    """A function that opens the window in a font size and a theme."""
    appearance = get_settings().appearance
    before = appearance.font_size, appearance.theme

    def open_dialog(report: dict[str, Any], size: int = 9, theme: str = "dark") -> ReportDialog:
        appearance.font_size, appearance.theme = size, theme
        dialog = ReportDialog(make_napari_viewer(show=True).window._qt_window)
        dialog.show_report(report)
        return dialog

    yield open_dialog
    appearance.font_size, appearance.theme = before


def shown(dialog: ReportDialog) -> str:
    return dialog.facts.toPlainText().replace("\u200b", "").replace("\u00a0", " ")


def test_everything_is_shown(opened: Callable[..., ReportDialog], report: dict[str, Any]) -> None:
    """Every name and value of every section is in the window, and its title names the image."""
    dialog = opened(report)
    sections = report_sections(report)
    assert len(sections) == 7
    for title, facts in sections:
        assert title in shown(dialog)
        for name, value in facts:
            assert name in shown(dialog)
            assert value in shown(dialog)
    assert dialog.windowTitle() == "slide_12.npy - report"


def test_a_run_in_memory_has_a_report(opened: Callable[..., ReportDialog]) -> None:
    """Without a store, the window says that nothing was checked; another report takes its place."""
    series = Series(make_task(image(), network(), Settings(tile=TILE)))
    for _ in series.run():
        pass
    report = report_of(series)
    dialog = opened(report)
    assert "not done" in shown(dialog)
    dialog.show_report(report | {"result": "another one"})
    assert "another one" in shown(dialog)


def test_it_is_copied_and_saved(
    opened: Callable[..., ReportDialog], report: dict[str, Any], qtbot: QtBot, tmp_path: Path
) -> None:
    """Copy gives the words as text, Save all numbers as JSON; a file that cannot be written is told."""
    dialog = opened(report)
    dialog.copy.click()
    assert QApplication.clipboard().text() == report_text(report)
    dialog.write(tmp_path / "report.json")
    qtbot.waitUntil(lambda: dialog.words.text().startswith("Saved as"), timeout=WAIT)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    dialog.write(tmp_path / "nowhere" / "report.json")
    qtbot.waitUntil(lambda: dialog.words.text().startswith("Not saved: "), timeout=WAIT)


@pytest.mark.parametrize(("size", "theme"), [(9, "dark"), (14, "light")])
def test_nothing_is_cut_off(
    opened: Callable[..., ReportDialog], report: dict[str, Any], qtbot: QtBot, size: int, theme: str
) -> None:
    """With small and large letters, buttons have room, and no line reaches beyond the window."""
    dialog = opened(report, size, theme)
    qtbot.waitUntil(lambda: not narrow(dialog), timeout=WAIT)
    assert dialog.facts.document().size().width() <= dialog.facts.viewport().width()
    assert not dialog.facts.horizontalScrollBar().isVisible()
