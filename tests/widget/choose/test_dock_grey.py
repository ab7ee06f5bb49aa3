"""A colour image and a model of one channel: the person says what it is to see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, finish, lively_model
from napari_exactile.run.store.report_file import report_of


@pytest.mark.parametrize("choice", ["luminance", "green"])
def test_the_person_says_what_is_grey(opened: Any, qtbot: QtBot, model: ex.Model, choice: str) -> None:
    """The dock asks, a choice makes a plan, labels are those of that grey, and the report says which."""
    image = np.random.default_rng(1).integers(0, 255, (130, 110, 3)).astype(np.uint8)
    _, dock = opened(image, rgb=True, plan=False)
    fields = dock.fields
    qtbot.waitUntil(lambda: "choose under Channels" in fields.image_note.text(), timeout=WAIT)
    assert fields.channels_row.isVisibleTo(dock)
    assert not dock.footer.run.isEnabled()
    assert list(fields.channels.choices) == ["automatic", "luminance", "red", "green", "blue"]
    fields.channels.value = choice
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert f"{choice} as grey" in fields.image_note.text()
    layer = finish(qtbot, dock)
    assert np.array_equal(layer.data, ex.segment_whole(image, model, grey=choice).labels)
    assert report_of(dock.run.series)["image"]["grey"] == choice


def test_another_grey_is_another_run(opened: Any, qtbot: QtBot) -> None:
    """A run cannot be continued with another grey, and models of three channels take the colours."""
    image = np.random.default_rng(1).integers(0, 255, (130, 110, 3)).astype(np.uint8)
    _, dock = opened(image, rgb=True, plan=False)
    dock.fields.channels.value = "red"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    key = dock._chooser.choice.key
    dock.fields.channels.value = "blue"
    assert dock._chooser.choice.key != key
    dock.add_model(lively_model("colours", channels=3))
    assert "choose Automatic" in dock.fields.image_note.text()
    dock.fields.channels.value = "automatic"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert "3 channels" in dock.fields.image_note.text()
