"""Sizes in the sections below a result: of the smallest object, and of layers that cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, finish, pixels
from napari_exactile.widget.results.smallest import SmallestObject


def test_the_smallest_object_in_micrometres(qapp: Any) -> None:
    """A size in pixels is the same in area and back; what counts are whole pixels."""
    field = SmallestObject()
    field.size.value = 12
    assert (field.pixels, field.note.text()) == (12, "")
    field.offer((0.65, 0.65))
    assert field.note.text() == "= 5.07 µm²"
    field.unit.value = "µm²"
    assert (round(field.size.value, 2), field.pixels, field.note.text()) == (5.07, 12, "= 12 px")
    field.size.value = 5.2
    assert field.pixels == 13
    field.unit.value = "px"
    assert (field.size.value, field.pixels) == (13, 13)
    field.offer((2, 0.5, 0.5))
    assert tuple(field.unit.choices) == ("px", "µm³")
    field.unit.value = "µm³"
    field.offer(None)
    assert (tuple(field.unit.choices), field.pixels) == (("px",), 13)


def test_objects_of_an_area_are_found(opened: Any, qtbot: QtBot) -> None:
    """Objects below an area in µm² are left out, as those of so few pixels are."""
    _, dock = opened(pixels((200, 150)), scale=(0.5, 0.5), units=("um", "um"))
    layer = finish(qtbot, dock)
    fields, section = dock.results.fields.objects, dock.results.objects
    fields.smallest.unit.value = "µm²"
    fields.least.value = 2.1
    fields.find.native.click()
    qtbot.waitUntil(lambda: section.objects is not None, timeout=WAIT)
    assert section.objects.pixels.min() >= 9
    assert len(section.objects) == len(ex.find_objects(np.asarray(layer.data), min_size=9, background=0))


def test_layers_of_another_size_are_named(opened: Any, qtbot: QtBot) -> None:
    """Compare offers what fits, and says which Labels layers it leaves out, and why."""
    viewer, dock = opened(pixels((200, 150)))
    finish(qtbot, dock)
    viewer.add_labels(np.zeros((20, 30), np.uint8), name="small")
    viewer.add_labels(np.zeros((200, 150), np.uint8), name="manual")
    fields = dock.results.fields.agreement
    qtbot.waitUntil(lambda: bool(fields.left_out.text()), timeout=WAIT)
    assert fields.left_out.text() == "Left out: 'small' (20 x 30), as these labels are 200 x 150."
    assert [layer.name for layer in fields.manual.choices] == ["manual"]


def test_the_legend_names_the_classes(opened: Any, qtbot: QtBot) -> None:
    """Each class has its colour and its name in the dock, and keeps them when a person changes them."""
    _, dock = opened(pixels((200, 150)))
    legend, classes = dock.fields.legend, dock._chooser.choice.classes
    assert legend.isVisibleTo(dock)
    for name, color in list(zip(classes.names, classes.colors, strict=True))[1:]:
        assert color in legend.text()
        assert name in legend.text()
    assert legend.accessibleName() == f"Classes: {', '.join(classes.names)}"
    dock.fields.image.value = None
    assert not legend.isVisibleTo(dock)
