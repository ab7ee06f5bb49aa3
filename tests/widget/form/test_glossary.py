"""Words of the trade are explained where they stand, and what was found wrong is a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import napari_exactile.widget
from docks import WAIT, finish, pixels
from napari_exactile.widget.choose.fields import DRAWN, VIEW, WHOLE
from napari_exactile.widget.form.form import Note
from napari_exactile.widget.form.glossary import explained, sentence


def tooltips(document: Any) -> dict[str, str]:
    """What stands in a document, and the tooltip of each part."""
    found, block = {}, document.begin()
    while block.isValid():
        parts = block.begin()
        while not parts.atEnd():
            found[parts.fragment().text().replace("\u00a0", " ")] = parts.fragment().charFormat().toolTip()
            parts += 1
        block = block.next()
    return found


def test_words_of_the_trade_are_explained_where_they_stand(opened: Any, qtbot: QtBot) -> None:
    """ZoR, F, near-ties and "off the grid" have a tooltip in the dock, the report and the details."""
    _, dock = opened(pixels((200, 150)), show=True)
    fields = dock.fields
    assert "zone of responsibility" in fields.zone_note.toolTip()
    assert "zone of responsibility" in fields.zone_note.caption.toolTip()
    assert "the size factor" in fields.tile_note.toolTip()
    finish(qtbot, dock)
    assert "last bits" in dock.footer.result.toolTip()
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.radius.value = 13
    qtbot.waitUntil(lambda: "off the grid" in dock.preview.fields.tile.text(), timeout=WAIT)
    assert "no multiple of F" in dock.preview.fields.tile.toolTip()
    dock.result.report()
    qtbot.waitUntil(dock.result.dialog.isVisible, timeout=WAIT)
    explained_there = tooltips(dock.result.dialog.facts.document())
    for term in ("zone (ZoR)", "size factor (F)", "near-ties"):
        assert explained_there[term] == explained(term)


def test_segment_says_what_each_choice_does(opened: Any) -> None:
    """The tooltip has a line for each choice."""
    _, dock = opened("nothing", plan=False)
    tooltip = dock.fields.region.native.toolTip()
    assert [line.partition(":")[0] for line in tooltip.splitlines()[:3]] == [WHOLE, VIEW, DRAWN]


def test_a_note_that_is_empty_explains_nothing(qapp: Any) -> None:
    """What was explained goes with the words."""
    note = Note()
    note.say("320 px (ZoR)")
    assert note.toolTip()
    note.say("Open an image.")
    assert not note.toolTip()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("the image is rotated", "The image is rotated."), ("a.tif is cut off", "a.tif is cut off."),
        ("Choose one!", "Choose one!"), ("'slide' is masked", "'slide' is masked."), ("", ""),
        ("labels.ome.zarr holds labels", "labels.ome.zarr holds labels."), ("NaN pixels", "NaN pixels."),
        ("/data/x: no such file", "/data/x: no such file."), ("one word", "One word."),
    ],
)  # fmt: skip
def test_errors_become_sentences(words: str, expected: str) -> None:
    """They begin in upper case, unless with a name, and end with a full stop."""
    assert sentence(ValueError(words)) == expected


def test_no_error_is_shown_as_it_is() -> None:
    """Nothing in the widget puts a full stop behind an error by itself: `sentence` does."""
    rooms = Path(napari_exactile.widget.__file__).parent.rglob("*.py")
    found = re.compile(r"""f"\{(error|reason|note|words)\}\.?\"""")
    assert not [path.name for path in rooms if found.search(path.read_text(encoding="utf-8"))]


def test_what_is_explained_stands_once() -> None:
    """Each word of the trade has one line, however often it occurs."""
    assert len(explained("zone 320 px (ZoR), another (ZoR) and 3 near-ties").splitlines()) == 2
