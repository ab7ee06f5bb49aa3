"""A panel that is closed loses nothing: the run goes on, and the next panel shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, words
from napari_exactile.widget.dock import ExactileDock


def reopened(viewer: Any, dock: ExactileDock) -> ExactileDock:
    """Close the panel as a person does, and open it again."""
    viewer.window.remove_dock_widget(dock)
    again = ExactileDock(viewer)
    viewer.window.add_dock_widget(again)
    return again


def test_closing_the_panel_does_not_end_a_run(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """It is said to go on; the next panel shows how far it is, is locked like the first, and can end it."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake, tiles=2)
    viewer.window.remove_dock_widget(dock)
    assert not any(layer.visible for layer in viewer.layers if layer.name.startswith("Tiles"))
    brake.let(1)
    qtbot.waitUntil(lambda: len(run.job.done) == 3, timeout=WAIT)
    again = ExactileDock(viewer)
    viewer.window.add_dock_widget(again)
    assert again.run is run
    assert again.running
    assert again.plan == run.task.plan
    assert not again.fields.tile.enabled
    assert not again.footer.run.isEnabled()
    qtbot.waitUntil(lambda: again.footer.progress.text().startswith("3 of"), timeout=WAIT)
    again.footer.cancel.click()
    qtbot.waitUntil(lambda: not again.running, timeout=WAIT)
    assert words(again).startswith("Incomplete: 3 of")
    assert again.footer.run.text() == "Continue"
    brake.let(1000)
    layer = finish(qtbot, again)
    assert again.run is run
    np.testing.assert_array_equal(
        layer.data, ex.segment_whole(viewer.layers["slide"].data, model).labels
    )  # fmt: skip


def test_a_run_ends_while_no_panel_is_there(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its labels are complete and named as such; the next panel says so and can save them."""
    viewer, dock = opened()
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake)
    viewer.window.remove_dock_widget(dock)
    brake.let(1000)
    qtbot.waitUntil(lambda: not run.running, timeout=WAIT)
    assert run.layer.name == "slide - lively"
    again = ExactileDock(viewer)
    viewer.window.add_dock_widget(again)
    assert words(again).startswith("Done: exact")
    assert again.footer.save.isVisibleTo(again)
    assert again.results.objects is not None


def test_what_is_left_ends_with_the_window(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that no panel has taken up is stopped and let go of, and with it the viewer that it holds."""
    viewer, dock = opened()
    run, session = begin(qtbot, dock, Brake(monkeypatch)), dock._session
    viewer.window.remove_dock_widget(dock)
    assert session.run is run
    session._end()
    assert (session.run, session.chosen) == (None, [])
    qtbot.waitUntil(lambda: run.stopped, timeout=WAIT)


def test_what_was_chosen_is_chosen_again(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """Models, image, tile and the rest are there again, and an unfinished run continues with them."""
    viewer, dock = opened()
    dock.fields.tile.value = 60
    dock.fields.own_radius.value = True
    dock.fields.radius.value = 28
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    plan, image = dock.plan, dock.fields.image.value
    viewer.add_image(np.zeros((50, 50)), name="later")
    again = reopened(viewer, dock)
    assert again.fields.image.value is image
    assert again.fields.model.value == model.name
    qtbot.waitUntil(lambda: again.plan is not None, timeout=WAIT)
    assert again.plan == plan


def test_probabilities_are_not_proposed_as_the_next_image(opened: Any, qtbot: QtBot) -> None:
    """What a run gave is never proposed as an image, but can be chosen; a selected image is offered."""
    viewer, dock = opened()
    dock.fields.probabilities.value = True
    finish(qtbot, dock)
    given = [layer for layer in viewer.layers if "probability" in layer.name]
    assert given
    viewer.layers.selection.active = given[-1]
    image = viewer.layers["slide"]
    again = reopened(viewer, dock)
    assert again.fields.image.value is image
    assert given[-1] in again.fields.image.choices
    assert not again.fields.selected.native.isVisibleTo(again)
    other = viewer.add_image(np.zeros((60, 60)), name="other")
    assert again.fields.image.value is image
    assert again.fields.selected.text == "Segment 'other'"
    assert again.fields.selected.native.isVisibleTo(again)
    again.fields.selected.native.click()
    assert again.fields.image.value is other
    assert not again.fields.selected.native.isVisibleTo(again)
