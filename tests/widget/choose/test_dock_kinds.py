"""The dock says what a network's numbers are and by what, and what a person chooses instead holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from docks import WAIT, finish
from endings import CLASSES, image, made, output


def test_the_dock_says_it_and_lets_it_be_chosen(opened: Any, qtbot: QtBot) -> None:
    """The note under *Output* says what the numbers are and by what; a choice changes the labels."""
    net = made(nn.Sigmoid())
    _viewer, dock = opened(image())
    fields = dock.fields
    assert fields.kind_note.text() == "Gives probabilities, as the model says"
    assert "classes" in fields.kind.choices
    dock.add_model(ex.load_model(net, name="one", channels=1))
    fields.model.value = "one"
    qtbot.waitUntil(lambda: "sigmoid" in fields.kind_note.text(), timeout=WAIT)
    assert fields.kind_row.isVisibleTo(dock)
    assert fields.kind_note.text() == "Gives probabilities, by its last layer (sigmoid)"
    assert "classes" not in fields.kind.choices
    labels = finish(qtbot, dock)
    np.testing.assert_array_equal(labels.data, (output(net) >= 0.5)[0])
    fields.kind.value = "values"
    assert fields.kind_note.text() == "Gives values, as chosen"
    assert not fields.threshold_row.isVisibleTo(dock)


def test_the_dock_refuses_numbers_of_classes(opened: Any, qtbot: QtBot) -> None:
    """A network that ends in an argmax cannot be run, and the line says why, until *values* is chosen."""
    _viewer, dock = opened(image())
    dock.add_model(ex.load_model(made(CLASSES["argmax"], 3), name="one", channels=1))
    dock.fields.model.value = "one"
    qtbot.waitUntil(lambda: "argmax" in dock.fields.kind_note.text(), timeout=WAIT)
    assert dock.fields.kind_note.text() == "Gives numbers of classes, by its last layer (argmax)"
    qtbot.waitUntil(lambda: "what comes before argmax" in dock.footer.reason.text(), timeout=WAIT)
    assert not dock.footer.run.isEnabled()
    dock.fields.kind.value = "values"
    qtbot.waitUntil(dock.footer.run.isEnabled, timeout=WAIT)
