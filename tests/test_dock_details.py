"""The window behind "Details...": it shows what the analysis says, follows the model, goes with the dock."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication
from torch import nn

import napari_exactile as ex
from docks import WAIT, lively_model
from napari_exactile.network.layers import HEADINGS
from napari_exactile.run.details import details_of
from napari_exactile.widget.dock import ExactileDock
from test_approximate import Attentive


def norms() -> ex.Model:
    """A network with two operators that look at the whole image."""
    layers = (
        nn.Conv2d(1, 4, 3, padding=1),
        nn.InstanceNorm2d(4),
        nn.Conv2d(4, 2, 3, padding=1),
        nn.InstanceNorm2d(2),
    )
    return ex.load_model(nn.Sequential(*layers).eval(), name="norms", title="norms")


def opened_details(qtbot: QtBot, dock: ExactileDock) -> Any:
    """Press the button and wait until the window shows something."""
    qtbot.waitUntil(lambda: dock.fields.details.enabled, timeout=WAIT)
    dock.fields.details.native.click()
    qtbot.waitUntil(dock.details.copy.isEnabled, timeout=WAIT)
    return dock.details


def cells(dialog: Any) -> list[tuple[str, ...]]:
    table = dialog.table
    columns = range(table.columnCount())
    return [tuple(table.item(row, column).text() for column in columns) for row in range(table.rowCount())]


def test_every_layer_has_a_row(opened: Any, qtbot: QtBot) -> None:
    """The window is modeless and holds the facts, a row per layer under its headings; all can be copied."""
    _, dock = opened()
    dialog = opened_details(qtbot, dock)
    analysis = dock._chooser.choice.analysis
    assert not dialog.isModal()
    assert "lively" in dialog.windowTitle()
    assert cells(dialog) == [layer.cells for layer in analysis.layers]
    headings = [dialog.table.horizontalHeaderItem(column).text() for column in range(len(HEADINGS))]
    assert tuple(headings) == HEADINGS
    text = dialog.facts.toPlainText()
    for fact in ("multiples of 4 px", "22 + 22 px before + after a zone", "24 px: the context", "Eq. 1"):
        assert fact in text
    assert "whole tiles" not in text
    dialog.copy.click()
    assert QApplication.clipboard().text() == analysis.explain()


def test_it_follows_the_model_and_keeps_what_it_knows(opened: Any, qtbot: QtBot) -> None:
    """Another model or image shows its own layers; a setting changes nothing."""
    _, dock = opened()
    dialog = opened_details(qtbot, dock)
    before = cells(dialog)
    dock.fields.tile.value = 112
    assert dialog.copy.isEnabled()
    dock.add_model(lively_model("wider", classes=5))
    qtbot.waitUntil(lambda: "wider" in dialog.facts.toPlainText(), timeout=WAIT)
    assert dialog.windowTitle() == "wider - details"
    assert cells(dialog) != before


def test_a_refused_model_has_reasons_and_no_table(opened: Any, qtbot: QtBot) -> None:
    """Each refusal is there in full, and that the model can be run approximately; nothing else is shown."""
    _, dock = opened(plan=False)
    dock.add_model(ex.load_model(Attentive().eval(), name="seer", title="<seer>"))
    qtbot.waitUntil(lambda: "annot be exact" in dock.fields.exact_note.text(), timeout=WAIT)
    dialog = opened_details(qtbot, dock)
    text, analysis = dialog.facts.toPlainText(), dock._chooser.known[1]
    for refusal in analysis.refusals:
        assert str(refusal) in text
    assert "run approximately" in text
    assert "<seer>" in text, "names are no HTML"
    assert not dialog.table.isVisible()
    dialog.copy.click()
    assert QApplication.clipboard().text() == analysis.explain()


def test_it_closes_with_the_dock(opened: Any, qtbot: QtBot) -> None:
    """Hiding the dock, or taking it away, closes the window."""
    viewer, dock = opened(show=True)
    dialog = opened_details(qtbot, dock)
    assert dialog.isVisible()
    dock.parentWidget().hide()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=WAIT)
    dock.parentWidget().show()
    dock.fields.details.native.click()
    assert dialog.isVisible()
    viewer.window.remove_dock_widget(dock)
    assert not dialog.isVisible()


def test_an_analysis_that_is_under_way_is_waited_for(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an analysis there is nothing to open, and an open window says that it waits."""
    _, dock = opened()
    dialog = opened_details(qtbot, dock)
    monkeypatch.setattr(dock.planner, "ask", lambda *rest: None)
    dock.add_model(lively_model("another"))
    assert not dock.fields.details.enabled
    assert "not been analysed" in dialog.facts.toPlainText()
    assert not dialog.copy.isEnabled()


def test_operators_that_look_at_the_whole_image_are_told() -> None:
    """How many there are, the passes that they take, and why whole tiles cannot be exact, once for all."""
    facts = dict(details_of(ex.analyse(norms(), (64, 64)), "norms").facts)
    assert facts["whole image"] == "2 operators look at all of it: 2 passes before the last"
    assert facts["whole tiles"].startswith("cannot be exact by themselves, because of ")
    assert "at '1' and 1 more: it looks at the whole image" in facts["whole tiles"]
