"""A rectangle that a person draws is segmented, exactly as within the whole image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from torch import nn

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, pixels, pyramid
from napari_exactile.geometry.interval import Interval, box_shape
from napari_exactile.widget.choose.fields import ALL_PLANES, DRAWN, WHOLE
from napari_exactile.widget.choose.region import NAME

HOW = f"Draw a rectangle on the image, in the layer '{NAME}'."
GONE = "There is no rectangle: press Draw rectangle."
# In pixels of the image; the edges of pixels lie between whole numbers.
BOX = (Interval(31, 140), Interval(50, 121))
CORNERS = np.array([[30.5, 49.5], [139.5, 120.5]])


def ask(viewer: Any, dock: Any) -> Any:
    """Choose the rectangle; return the layer to draw in."""
    dock.fields.region.value = DRAWN
    return viewer.layers[NAME]


@pytest.mark.parametrize("kind", ["plain", "multiscale"])
def test_a_drawn_rectangle_is_exact_relative_to_the_whole_image(
    opened: Any, qtbot: QtBot, model: ex.Model, kind: str
) -> None:
    """Chosen, it asks for a rectangle; drawn, that part gets the labels of the whole, in their place."""
    data = pixels((200, 150))
    shown = pyramid(data) if kind == "multiscale" else data
    viewer, dock = opened(shown, scale=(2, 0.5), translate=(7, -3))
    layer = ask(viewer, dock)
    assert (viewer.layers.selection.active, layer.mode) == (layer, "add_rectangle")
    assert dock.fields.image_note.text() == HOW
    assert dock.footer.reason.text() == "The drawn rectangle cannot be segmented: see Image."
    assert not dock.footer.run.isEnabled()
    layer.add_rectangles(CORNERS)
    assert dock.plan.tiling.region == BOX
    labels = finish(qtbot, dock)
    expected = ex.segment(data, model, tile=92, region=BOX)
    np.testing.assert_array_equal(labels.data, expected.labels)
    whole = ex.segment_whole(data, model).labels[31:140, 50:121]
    assert (labels.data != whole).sum() <= expected.report.near_ties
    np.testing.assert_allclose(labels.data_to_world((0, 0)), viewer.layers["slide"].data_to_world((31, 50)))


def test_it_is_drawn_with_the_mouse(opened: Any, qtbot: QtBot) -> None:
    """A drag over the canvas is all that it takes: the plan is that of what was dragged over."""
    viewer, dock = opened(show=True)
    qtbot.wait(200)
    ask(viewer, dock)
    canvas = viewer.window._qt_viewer.canvas.native
    middle, zoom = QPoint(canvas.width() // 2, canvas.height() // 2), viewer.scene.camera.zoom
    begun, ended = middle - QPoint(40, 60), middle + QPoint(70, 30)
    qtbot.mouseMove(canvas, begun)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=begun)
    for share in range(1, 11):
        qtbot.mouseMove(canvas, begun + (ended - begun) * share / 10)
        qtbot.wait(20)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=ended)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    np.testing.assert_allclose(box_shape(dock.plan.tiling.region), (90 / zoom, 110 / zoom), atol=2)


def test_what_is_changed_about_it_changes_the_plan(opened: Any, qtbot: QtBot) -> None:
    """Moved, drawn again, taken back, deleted and asked for again: the plan is that of now."""
    viewer, dock = opened(show=True)
    layer = ask(viewer, dock)
    layer.add_rectangles(CORNERS)
    qtbot.waitUntil(
        lambda: dock.overlay._whole is not None and dock.overlay._whole.region == BOX, timeout=WAIT
    )
    layer.data = [layer.data[0] + 10]
    moved = (Interval(41, 150), Interval(60, 131))
    assert dock.plan.tiling.region == moved
    qtbot.waitUntil(lambda: dock.overlay._whole.region == moved, timeout=WAIT)
    layer.translate = (-10, -10)
    qtbot.waitUntil(lambda: dock.plan.tiling.region == BOX, timeout=WAIT)
    layer.add_rectangles([[9.5, 9.5], [19.5, 29.5]])
    assert dock.plan.tiling.region == (Interval(0, 10), Interval(0, 20))
    layer.selected_data = {1}
    layer.remove_selected()
    assert dock.plan.tiling.region == BOX
    layer.selected_data = {0}
    layer.remove_selected()
    assert (dock.plan, dock.fields.image_note.text()) == (None, HOW)
    assert dock.fields.zone_note.text() == "", "figures of another rectangle are gone"
    viewer.layers.remove(layer)
    assert (dock.plan, dock.fields.image_note.text()) == (None, GONE)
    dock.fields.draw.native.click()
    assert dock.fields.image_note.text() == HOW
    assert viewer.layers.selection.active is viewer.layers[NAME]
    viewer.layers[NAME].add_rectangles(CORNERS)
    assert dock.plan.tiling.region == BOX
    dock.fields.region.value = WHOLE
    assert dock.plan.tiling.region == (Interval(0, 200), Interval(0, 150))
    assert not dock.fields.draw.visible
    dock.fields.region.value = DRAWN
    assert dock.plan.tiling.region == BOX, "it is still there, so nothing is asked for"


def test_a_run_is_not_disturbed_and_can_be_continued(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, model: ex.Model
) -> None:
    """What is drawn or deleted during a run counts after it; Continue is for the same rectangle."""
    viewer, dock = opened()
    data, layer = viewer.layers["slide"].data, ask(viewer, dock)
    layer.add_rectangles(CORNERS)
    brake = Brake(monkeypatch)
    run = begin(qtbot, dock, brake)
    assert not dock.fields.draw.enabled
    layer.add_rectangles([[10, 10], [99, 99]])
    assert dock.plan.tiling.region == BOX
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.plan.tiling.region != BOX
    assert dock.footer.run.text() == "Run"
    layer.selected_data = {1}
    layer.remove_selected()
    assert dock.footer.run.text() == "Continue"
    dock.start()
    viewer.layers.remove(layer)
    brake.let(1000)
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert dock.run is run
    assert run.series.complete
    assert dock.fields.image_note.text() == GONE
    np.testing.assert_array_equal(run.layer.data, ex.segment(data, model, tile=92, region=BOX).labels)


def test_a_rectangle_is_that_of_all_planes(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """Of a stack, every plane is segmented under it; of a volume, all planes in z."""
    stack = pixels((3, 120, 110))
    viewer, dock = opened(stack, scale=(4, 1, 1))
    dock.fields.planes.value = ALL_PLANES
    box = (Interval(20, 70), Interval(30, 90))
    ask(viewer, dock).add_rectangles([[19.5, 29.5], [69.5, 89.5]])
    assert dock.plan.tiling.region == box
    labels = finish(qtbot, dock)
    for plane, done in zip(stack, labels.data, strict=True):
        np.testing.assert_array_equal(done, ex.segment(plane, model, tile=92, region=box).labels)
    solid = ex.load_model(nn.Conv3d(1, 2, 3, padding=1).eval(), name="solid", title="solid", axes="zyx")
    dock.add_model(solid)
    qtbot.waitUntil(lambda: dock.plan is not None and len(dock.plan.tiling.shape) == 3, timeout=WAIT)
    assert dock.plan.tiling.region == (Interval(0, 3), *box)


def test_an_image_on_which_no_rectangle_can_be_drawn_is_explained(opened: Any, qtbot: QtBot) -> None:
    """Rotated images, and 3D views without a rectangle, are named in a sentence that says what to do."""
    viewer, dock = opened(rotate=10)
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.where.value = "Drawn rectangle"
    dock.fields.region.value = DRAWN
    assert dock.fields.image_note.text().startswith("'slide' is rotated or sheared")
    assert [layer for layer in viewer.layers if "rectangle" in layer.name] == []
    viewer.layers["slide"].rotate = 0
    viewer.dims.ndisplay = 3
    dock.fields.draw.native.click()
    assert dock.fields.image_note.text() == "A rectangle can be drawn in 2D only: switch to 2D."
    viewer.dims.ndisplay = 2
    assert dock.fields.image_note.text() == GONE
    dock.fields.draw.native.click()
    assert dock.fields.image_note.text() == HOW


def test_the_rectangles_of_region_and_preview_are_two(opened: Any, qtbot: QtBot) -> None:
    """Each has its own layer; both stay when the dock is closed, and nothing listens to them any more."""
    viewer, dock = opened(show=True)
    removed = len(viewer.layers.events.removed.callbacks)
    ask(viewer, dock).add_rectangles(CORNERS)
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.where.value = "Drawn rectangle"
    viewer.layers["Preview: rectangle"].add_rectangles([[40, 60], [80, 100]])
    assert dock.plan.tiling.region == BOX
    viewer.window.remove_dock_widget(dock)
    assert {NAME, "Preview: rectangle"} <= {layer.name for layer in viewer.layers}
    before = dock._chooser.choice
    viewer.layers[NAME].add_rectangles([[0, 0], [50, 50]])
    assert dock._chooser.choice is before
    assert len(viewer.layers.events.removed.callbacks) <= removed
