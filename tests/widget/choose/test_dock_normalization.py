"""The dock's normalisation: choices, typed steps, a value to ignore, and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

import napari_exactile as ex
from docks import finish, lively_model, pixels
from napari_exactile.widget.choose.normalization_fields import MODEL_SAYS, NONE, TYPED, Z_SCORE
from napari_exactile.widget.dock import ExactileDock

Open = Callable[..., tuple[Viewer, ExactileDock]]


def labels_of(image: Any, model: ex.Model, **settings: Any) -> Any:
    return ex.segment(image, model, tile=92, **settings).labels


def test_typed_steps_are_used(opened: Open, model: ex.Model, qtbot: QtBot) -> None:
    """A run normalises by the steps that were typed."""
    image = pixels((200, 150))
    _viewer, dock = opened(image)
    fields = dock.fields.normalizing
    assert not fields.typed.visible
    fields.choice.value = TYPED
    fields.typed.value = "clip 0 2000; percentile 2 98"
    assert dock.plan is not None
    expected = labels_of(image, model, normalization="clip 0 2000; percentile 2 98")
    np.testing.assert_array_equal(finish(qtbot, dock).data, expected)
    assert (expected != labels_of(image, model)).any()


@pytest.mark.parametrize(("text", "sentence"), [
    ("", "Type steps, such as: joint z-score; percentile 1 99.8; fixed 120 35; clip 0 4095."),
    ("fix 3", "Normalization is one of model, z-score, min-max, percentile, none, or steps such as "
     "fixed 120 35, not 'fix 3'."),
    ("percentile 9 2", "Percentiles rise from 0 to 100, not from 9.0 to 2.0."),
    ("fixed 1,2 3", "Normalization has 2 values, but the channels of 'slide' are 1: give one value, or one "
     "for each."),
])  # fmt: skip
def test_wrong_steps_are_told(opened: Open, text: str, sentence: str) -> None:
    """What is wrong with typed steps stands below them; nothing runs until it is put right."""
    _viewer, dock = opened()
    fields = dock.fields.normalizing
    fields.choice.value, fields.typed.value = TYPED, text
    assert dock.plan is None
    assert fields.note.text().replace("\u200b", "") == sentence
    assert dock.footer.reason.text() == "The normalisation cannot be used: see Advanced."
    fields.typed.value = "model"
    assert (dock.plan is not None, fields.note.text()) == (True, "")


def test_half_typed_steps_do_not_count(opened: Open, qtbot: QtBot) -> None:
    """Steps count when Enter is pressed, not letter by letter."""
    viewer, dock = opened(show=True)
    fields = dock.fields.normalizing
    dock.fields.advanced.setChecked(True)
    fields.choice.value, fields.typed.value = TYPED, "z-score"
    line = fields.typed.native
    line.activateWindow()
    line.setFocus()
    qtbot.waitUntil(line.hasFocus)
    line.selectAll()
    qtbot.keyClicks(line, "min")
    assert dock.plan is not None
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert dock.plan is None
    assert len(viewer.layers) > 0


def test_a_value_is_ignored(opened: Open, model: ex.Model, qtbot: QtBot) -> None:
    """The value to ignore is left out of what is measured; what is no number is told."""
    image = pixels((200, 150))
    image[:100] = 0
    _viewer, dock = opened(image)
    fields = dock.fields.normalizing
    fields.ignore.value = "nothing"
    assert dock.plan is None
    assert fields.ignore_note.text() == "Type a number such as 0, nan, or nothing, not 'nothing'."
    fields.ignore.value = "0"
    np.testing.assert_array_equal(finish(qtbot, dock).data, labels_of(image, model, ignore=0))
    mean = image[image > 0].mean()
    assert fields.measured_note.text().startswith(f"Measured: mean {mean:.6g}; std ")


def test_measured_values_are_shown_and_taken(opened: Open, model: ex.Model, qtbot: QtBot) -> None:
    """After a run its values are shown; taken over as typed ones, they give the same labels to the bit."""
    image = pixels((200, 150))
    _viewer, dock = opened(image)
    fields = dock.fields.normalizing
    assert (fields.measured_note.text(), fields.use.visible) == ("", False)
    first = finish(qtbot, dock).data.copy()
    assert fields.measured_note.text() == f"Measured: mean {image.mean():.6g}; std {image.std():.6g}"
    fields.use.native.click()
    assert fields.choice.value == TYPED
    assert fields.typed.value.startswith("fixed ")
    assert fields.measured_note.text() == ""
    dock.viewer.layers["slide"].data = image // 2
    np.testing.assert_array_equal(
        finish(qtbot, dock).data, labels_of(image // 2, model, normalization=fields.typed.value)
    )
    dock.viewer.layers["slide"].data = image
    np.testing.assert_array_equal(finish(qtbot, dock).data, first)


def test_measured_values_belong_to_their_image(opened: Open, qtbot: QtBot) -> None:
    """Values of another image, another choice, or another plane are not shown."""
    viewer, dock = opened(pixels((2, 200, 150)))
    fields = dock.fields.normalizing
    finish(qtbot, dock)
    shown = fields.measured_note.text()
    assert shown
    viewer.dims.set_current_step(0, 1 - viewer.dims.current_step[0])
    assert fields.measured_note.text() == ""
    viewer.dims.set_current_step(0, 1 - viewer.dims.current_step[0])
    assert fields.measured_note.text() == shown
    fields.choice.value = NONE
    assert fields.measured_note.text() == ""
    fields.choice.value = MODEL_SAYS
    assert fields.measured_note.text() == shown
    viewer.layers["slide"].data = pixels((2, 200, 150), seed=1)
    assert fields.measured_note.text() == ""


def test_values_of_several_channels(opened: Open, qtbot: QtBot) -> None:
    """There is a value for each channel, and the typed text fits the image."""
    viewer, dock = opened(pixels((2, 200, 150)), plan=False)
    dock.add_model(lively_model("two", channels=2))
    qtbot.waitUntil(lambda: dock.plan is not None)
    finish(qtbot, dock)
    fields = dock.fields.normalizing
    assert fields.measured_note.text().endswith(" (one per channel)")
    fields.use.native.click()
    assert dock.plan is not None
    assert fields.typed.value.count(",") == 2
    assert "slide" in viewer.layers


def test_typing_begins_with_the_choice(opened: Open) -> None:
    """Who goes from a choice to typing finds its steps; typed ones are not remembered for other images."""
    _viewer, dock = opened()
    fields = dock.fields.normalizing
    fields.choice.value = Z_SCORE
    assert "normalization" in dock.fields.remembered()
    fields.choice.value = TYPED
    assert fields.typed.value == "z-score"
    assert "normalization" not in dock.fields.remembered()


def test_nothing_is_typed_during_a_run(opened: Open) -> None:
    """All fields of the normalisation wait until the run has ended."""
    _viewer, dock = opened()
    fields = dock.fields.normalizing
    dock.fields.lock(True)
    assert not any(part.enabled for part in (fields.choice, fields.typed, fields.ignore, fields.use))
    dock.fields.lock(False)
    assert all(part.enabled for part in (fields.choice, fields.typed, fields.ignore, fields.use))
