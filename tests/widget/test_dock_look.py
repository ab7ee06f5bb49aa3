"""The dock at 350 px: with small and large letters, in both themes, everything can be read and reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from napari import Viewer
from napari.qt.threading import WorkerBase
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollArea,
    QWidget,
)
from torch import nn

from dock_parts import contrast, cut_off, parts, place
from napari_exactile.images.normalize.steps import Affine, Normalization, ZScore
from napari_exactile.models.load import load_model
from napari_exactile.widget.choose.fields import DRAWN
from napari_exactile.widget.choose.region import NAME as REGION
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.form.form import breakable
from napari_exactile.widget.run.status import State, Status, Tiles

WAIT = 60_000
WIDTH, WINDOW_HEIGHT = 350, 700
REFUSAL = (
    "Cannot be exact: native_batch_norm at 'encoder.level_1.normalisation': it normalises with statistics of "
    "the whole image. If this is a batch norm left in training mode, call .eval() on the model first"
)
FAILURE = (
    "Not saved: no such folder: /data/2024_experiments_of_the_laboratory/nowhere/slide_number_12.ome.tif"
)
ESTIMATE = (
    "Whole image: about 1,230,000 pixels differ (987,000 to 1,470,000), RMSE 0.0012 (0.0011 to 0.0013), "
    "95\u00a0% intervals; 24 of 7200 zones measured"
)


@pytest.fixture
def opened(make_napari_viewer: Callable[..., Viewer], qtbot: QtBot) -> Iterator[Callable[..., ExactileDock]]:
    """A function that opens a window of 700 px with the dock at 350 px, in a font size and a theme."""
    appearance = get_settings().appearance
    before = appearance.font_size, appearance.theme

    def open_dock(size: int = 9, theme: str = "dark") -> ExactileDock:
        appearance.font_size, appearance.theme = size, theme
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1000, WINDOW_HEIGHT)
        dock = ExactileDock(viewer, remembers=False)
        viewer.window.add_dock_widget(dock).setFixedWidth(WIDTH)
        qtbot.waitUntil(lambda: dock.isVisible() and dock.width() == WIDTH, timeout=WAIT)
        return dock

    yield open_dock
    appearance.font_size, appearance.theme = before
    # As napari does before it quits.
    WorkerBase.await_workers(WAIT)


def assert_all_can_be_read(qtbot: QtBot, dock: ExactileDock) -> None:
    """Nothing is cut off or out of reach; Qt lays out anew in its own time, so wait for it."""
    qtbot.waitUntil(lambda: not cut_off(dock), timeout=WAIT)
    scroll = dock.findChild(QScrollArea)
    # Otherwise the fields would have to be scrolled sideways.
    qtbot.waitUntil(lambda: scroll.widget().width() <= scroll.viewport().width(), timeout=WAIT)
    for part in parts(dock, QAbstractButton) + parts(dock, QLabel) + parts(dock, QComboBox):
        spot = place(dock, part)
        assert spot.left() >= 0
        assert spot.right() < WIDTH, part
    assert dock.window().height() == WINDOW_HEIGHT
    for button in (dock.footer.run, dock.footer.cancel):
        assert button.isVisible()
        assert dock.rect().contains(place(dock, button))


def with_plan(qtbot: QtBot, dock: ExactileDock) -> None:
    """Load the sample and wait until it could be run."""
    dock.fields.sample.native.click()
    qtbot.waitUntil(lambda: "colonies 512" in dock.viewer.layers, timeout=WAIT)
    dock.fields.image.value = dock.viewer.layers["colonies 512"]
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [9, 14])
def test_nothing_is_cut_off_in_any_state(opened: Any, qtbot: QtBot, size: int, theme: str) -> None:
    """Words have the room they ask for, Run is in sight: with and without an image, errors, while running."""
    dock = opened(size, theme)
    fields, footer = dock.fields, dock.footer
    assert fields.sample.native.isVisible()
    assert_all_can_be_read(qtbot, dock)
    with_plan(qtbot, dock)
    assert_all_can_be_read(qtbot, dock)
    fields.advanced.setChecked(True)
    fields.own_radius.value, fields.radius.value = True, 32
    assert fields.radius_note.isVisible()
    assert_all_can_be_read(qtbot, dock)
    fields.own_radius.value = False
    fields.normalizing.show_measured((ZScore(),), Normalization((Affine((9506.9587, 120.5), (699.03, 1.0)),)))
    assert fields.normalizing.use.native.isVisible()
    assert_all_can_be_read(qtbot, dock)
    fields.normalizing.choice.value, fields.normalizing.typed.value = "Typed...", "fix 3"
    fields.normalizing.ignore.value = "nothing"
    assert fields.normalizing.ignore_note.isVisible()
    assert_all_can_be_read(qtbot, dock)
    letters = fields.normalizing.typed.native.fontMetrics().height()
    assert letters == fields.normalizing.choice.native.fontMetrics().height()
    fields.normalizing.choice.value, fields.normalizing.ignore.value = "By the model", ""
    fields.automatic.value, fields.tile.value = False, 256
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.radius.value = 50
    qtbot.waitUntil(lambda: "off the grid" in dock.preview.fields.result.text(), timeout=WAIT)
    dock.preview.fields.estimated.say(ESTIMATE)
    assert_all_can_be_read(qtbot, dock)
    dock.preview.fields.header.setChecked(False)
    fields.tile.value = 48
    assert fields.tile_note.styleSheet(), "a warning"
    assert_all_can_be_read(qtbot, dock)
    fields.tile.value = 256
    fields.region.value = DRAWN
    assert fields.draw.native.isVisible()
    assert fields.image_note.styleSheet(), "a warning: there is no rectangle yet"
    assert_all_can_be_read(qtbot, dock)
    dock.viewer.layers.remove(REGION)
    assert_all_can_be_read(qtbot, dock)
    fields.lock(True)
    footer.show_status(Status(Tiles(1234, 5678), State.RUNNING, note="12.34 Mpx/s - 59 min left"))
    assert footer.progress.text() == "1,234 of 5,678 tiles"
    assert_all_can_be_read(qtbot, dock)
    fields.lock(False)
    footer.idle("")
    footer.show_result(FAILURE, can_save=True)
    assert_all_can_be_read(qtbot, dock)
    footer.idle("The model cannot be exact: see Model.", run="Continue")
    fields.exact_note.say(REFUSAL, warning=True)
    assert_all_can_be_read(qtbot, dock)


def test_every_field_says_what_it_is_for(opened: Any, qtbot: QtBot) -> None:
    """Each field and button has a tooltip; that of a long list entry names it in full."""
    dock = opened()
    dock.fields.advanced.setChecked(True)
    dock.preview.fields.header.setChecked(True)
    kinds = QAbstractButton, QComboBox, QAbstractSpinBox
    seen = [part for kind in kinds for part in parts(dock, kind)]
    # Of a group of choices, the group says it.
    silent = [part for part in seen if not (part.toolTip() or part.parentWidget().toolTip())]
    assert len(seen) > 12
    assert not silent
    with_plan(qtbot, dock)
    assert "colonies 512" in dock.fields.image.native.toolTip()


def test_tab_goes_down_the_fields_to_run_and_cancel(opened: Any, qtbot: QtBot) -> None:
    """From the help on, Tab visits all that can be seen from top to bottom; Run, Cancel come last."""
    dock = opened()
    dock.fields.advanced.setChecked(True)
    dock.preview.fields.header.setChecked(True)
    visited, part = [], dock.fields.help
    while part is not dock.footer.cancel:
        if part.isVisible() and part.focusPolicy() & Qt.FocusPolicy.TabFocus:
            visited.append(part)
        part = part.nextInFocusChain()
        assert dock.isAncestorOf(part)
    visited.append(part)
    assert visited[-2:] == [dock.footer.run, dock.footer.cancel]
    heights = [place(dock, part).top() for part in visited[:-2]]
    assert heights == sorted(heights)
    expected = [*parts(dock, QAbstractButton), *parts(dock, QComboBox), *parts(dock, QAbstractSpinBox)]
    assert {id(part) for part in expected} <= {id(part) for part in visited}


def takes_wheel(part: QWidget) -> bool:
    """Turn the mouse wheel over a part of the dock; if the part does not take it, Qt asks what it lies in."""
    middle = QPointF(part.rect().center())
    event = QWheelEvent(
        middle, part.mapToGlobal(middle), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(part, event)
    return event.isAccepted()


def test_the_wheel_changes_only_the_field_in_use(opened: Any, qtbot: QtBot) -> None:
    """Over a field without the focus the wheel is left to the dock; over the one in use it counts."""
    dock = opened()
    with_plan(qtbot, dock)
    dock.fields.advanced.setChecked(True)
    dock.fields.automatic.value, dock.fields.own_radius.value = False, True
    box = QComboBox | QAbstractSpinBox
    fields = [field for field in dock.fields.plan_fields() if isinstance(field.native, box)]
    named = ("image", "model", "tile", "device", "radius", "normalization", "memory", "channels", "threshold")
    assert not [name for name in named if all(field is not getattr(dock.fields, name) for field in fields)]
    for field in fields:
        before = field.value
        assert not takes_wheel(field.native)
        assert field.value == before
    tile = dock.fields.tile
    tile.native.activateWindow()
    tile.native.setFocus()
    qtbot.waitUntil(tile.native.hasFocus, timeout=WAIT)
    before = tile.value
    assert takes_wheel(tile.native)
    assert tile.value < before


def test_what_is_locked_can_still_be_read(opened: Any, qtbot: QtBot) -> None:
    """A tile size that is chosen automatically stands out from the window as much in both themes: 3 to 1."""
    dock = opened()
    for theme in ("dark", "light"):
        get_settings().appearance.theme = theme
        dock.fields.tile.enabled = False
        assert contrast(dock.fields.tile.native.findChild(QLineEdit)) > 3, theme


def test_long_words_can_be_broken_and_short_ones_stay() -> None:
    """A path gets places to break after each separator; words that fit are not touched."""
    assert breakable("Context 32 px is too small: this model needs 96.").isascii()
    assert breakable("/data/slide_12.ome.tif").split("\u200b") == [
        "/",
        "data/",
        "slide_",
        "12.",
        "ome.",
        "tif",
    ]
    assert breakable("a" * 40).split("\u200b") == ["a" * 16, "a" * 16, "a" * 8]


@pytest.mark.parametrize("size", [9, 14])
def test_an_approximate_model_can_be_read(opened: Any, qtbot: QtBot, size: int) -> None:
    """The refusal, the choice and its radius have room, and so has what is said once it is made."""
    dock = opened(size)
    with_plan(qtbot, dock)
    dock.add_model(
        load_model(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Softmax(-1)).eval(), name="rows")
    )
    qtbot.waitUntil(dock.fields.approximate.native.isVisible, timeout=WAIT)
    assert dock.fields.context_note.text() == "", "figures of another model are gone"
    assert_all_can_be_read(qtbot, dock)
    dock.fields.approximate.value = True
    dock.fields.advanced.setChecked(True)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    assert_all_can_be_read(qtbot, dock)
