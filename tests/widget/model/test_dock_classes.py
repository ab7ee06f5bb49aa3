"""Classes have the names and colours that a person gives them, in layers, in files and in later sessions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog

import napari_exactile as ex
from docks import WAIT, finish, opened_details
from napari_exactile.images.store.tiff import open_tiff
from napari_exactile.widget.draw.class_colors import class_colors
from napari_exactile.widget.draw.classes import Classes, label_count
from napari_exactile.widget.form import remembered
from napari_exactile.widget.model.class_memory import ClassMemory


def test_classes_are_renamed_in_layers_and_files(opened: Any, qtbot: QtBot, tmp_path: Any) -> None:
    """A new name is in the labels of the last run at once, in its file, and in those of the next run."""
    _, dock = opened()
    layer, key = finish(qtbot, dock), dock._chooser.choice.key
    table = opened_details(qtbot, dock).classes
    table.table.item(1, 1).setText("  nucleus ")
    assert dock._chooser.choice.key == key, "names compute nothing: what was cancelled could be continued"
    names = ["class 0", "nucleus", "class 2"]
    assert list(layer.features["class"]) == names
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    assert "nucleus" in (tmp_path / "out.ome.tif").read_bytes().decode("latin-1")
    assert np.array_equal(np.asarray(open_tiff(tmp_path / "out.ome.tif").array[:]), layer.data)
    dock.fields.tile.value = 112
    assert list(finish(qtbot, dock).features["class"]) == names
    table.table.item(1, 1).setText("  ")
    assert table.table.item(1, 1).text() == "nucleus", "a class has a name"


def test_colours_and_background_are_chosen(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new colour and another background are in the labels at once; Restore brings back the model's own."""
    _, dock = opened()
    layer = finish(qtbot, dock)
    before = {label: tuple(color) for label, color in layer.colormap.color_dict.items()}
    table = opened_details(qtbot, dock).classes
    monkeypatch.setattr(QColorDialog, "getColor", lambda *rest: QColor("#102030"))
    table.color_button(1).click()
    assert np.allclose(layer.colormap.color_dict[1][:3], np.array([0x10, 0x20, 0x30]) / 255, atol=1e-3)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *rest: QColor())
    table.color_button(2).click()
    assert tuple(layer.colormap.color_dict[2]) == before[2], "cancelled"
    assert not table.color_button(0).isEnabled()
    table.background.activated.emit(3)
    assert [layer.colormap.color_dict[label][3] for label in range(3)] == [1, 1, 0]
    table.background.activated.emit(0)
    assert [layer.colormap.color_dict[label][3] for label in range(3)] == [1, 1, 1]
    table.restore.click()
    assert {label: tuple(color) for label, color in layer.colormap.color_dict.items()} == before
    assert not table.restore.isEnabled()


def test_classes_are_kept_per_model_and_session(model: ex.Model) -> None:
    """The next session has them, for this model and this number of classes only, unless nothing is kept."""
    card = model.card
    mine = replace(Classes.of(card, 3), names=("a", "b, c", '"d"'), background=None)
    ClassMemory(remembers=True).keep(card, mine)
    again = ClassMemory(remembers=True)
    assert again.of(card, 3) == mine
    assert again.of(card, 4) == Classes.of(card, 4)
    for other in (replace(card, name="other"), replace(card, source="/models/lively.pt")):
        assert again.of(other, 3) == Classes.of(other, 3)
    assert ClassMemory(remembers=False).of(card, 3) == Classes.of(card, 3)
    again.keep(card, Classes.of(card, 3))
    assert ClassMemory(remembers=True).of(card, 3) == Classes.of(card, 3)


@pytest.mark.parametrize(
    "stored", ["{", '{"names": ["a"]}', '{"names": [1], "colors": ["x"], "background": 0}']
)
def test_spoilt_classes_are_those_of_the_card(model: ex.Model, stored: str) -> None:
    """What another version or a broken file left behind is ignored."""
    remembered._store().setValue("classes/lively", stored)
    assert ClassMemory(remembers=True).of(model.card, 3) == Classes.of(model.card, 3)


def test_channels_that_are_decided_each_by_itself_have_names(model: ex.Model) -> None:
    """Where each channel says yes or no, the names are those of the channels, and each has its two labels."""
    card = replace(model.card, kind="threshold", classes=("a", "b", "c"))
    card = replace(card, colors=("#FF0000", "#00FF00", "#0000FF"))
    assert label_count(card, ex.analyse(model, (64, 64))) == 3
    channel = Classes.of(card, 3).of_channel(1)
    assert channel.names == ("not b", "b")
    assert np.array_equal(class_colors(*channel.values).color_dict[1], [0, 1, 0, 1])
    assert class_colors(*channel.values).color_dict[0][3] == 0


def test_colours_of_the_card_are_used(model: ex.Model) -> None:
    """Colours that a model brings are those of its labels; without them each class has one of its own."""
    colors = ("#000000", "#FF0000", "#00FF00")
    brought = Classes.of(replace(model.card, colors=colors, background=None), 3)
    assert np.array_equal(class_colors(*brought.values).color_dict[1], [1, 0, 0, 1])
    assert len(set(Classes.of(model.card, 6).colors)) == 6


@pytest.mark.parametrize(
    "wrong",
    [{"names": ("a",)}, {"names": ("a", "")}, {"colors": ("#000000", "red")}, {"background": 2}],
)
def test_wrong_classes_are_refused(wrong: dict[str, Any]) -> None:
    """A class without a name or colour, a colour that is none and a background that is no class."""
    with pytest.raises(ValueError, match=r"class|colour"):
        replace(Classes(("a", "b"), ("#000000", "#FFFFFF"), 0), **wrong)
