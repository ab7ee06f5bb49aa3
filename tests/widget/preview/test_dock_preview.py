"""The error preview in the dock: it shows what the usual tiling gets wrong, where, and says it in words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, Brake, begin, pixels
from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.evaluate.words import error_sentence
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.draw.own_layer import OwnLayer
from napari_exactile.widget.preview.fields import DRAWN, ESTIMATE, SEAM, STOP, VIEW

# The model of these tests has F 4 and needs 24 px; with tiles of 92 px its zones have 44.
ZONE, REQUIRED = 44, 24
DIFFERING, MAP, WINDOW = "Preview: pixels that differ", "Preview: score difference", "Preview: window"


@pytest.fixture
def previewing(opened: Any, qtbot: QtBot) -> Callable[..., tuple[Viewer, ExactileDock]]:
    """A function that opens the dock with the section open, and waits for the first error."""

    def open_preview(data: Any = None, radius: int = 8, **more: Any) -> tuple[Viewer, ExactileDock]:
        viewer, dock = opened(data, show=True, **more)
        dock.preview.fields.radius.value = radius
        dock.preview.fields.header.setChecked(True)
        settle(qtbot, dock)
        return viewer, dock

    return open_preview


def settle(qtbot: QtBot, dock: ExactileDock) -> str:
    """Wait for an answer and return it."""
    result = dock.preview.fields.result
    qtbot.waitUntil(lambda: bool(result.text()) and not result.text().endswith("..."), timeout=WAIT)
    return result.text()


def expected(viewer: Viewer, model: ex.Model, radius: int, image: Any = None) -> ex.TilingError:
    """What the public function says of the window that is outlined."""
    corners = np.asarray(viewer.layers[WINDOW].data[0])
    low, high = corners.min(axis=0) + 0.5, corners.max(axis=0) + 0.5
    window = [(int(start), int(stop)) for start, stop in zip(low, high, strict=True)]
    data = viewer.layers["slide"].data if image is None else image
    return ex.tiling_error(data, model, zone=ZONE, radius=radius, window=window)


def test_the_seam_nearest_to_the_centre_is_shown_with_its_errors(previewing: Any, model: ex.Model) -> None:
    """Pixels that differ, map and words are those of the public function; the map is hidden at first."""
    viewer, dock = previewing()
    error = expected(viewer, model, radius=8)
    assert error.misclassified > 0
    np.testing.assert_array_equal(viewer.layers[DIFFERING].data, error.differing)
    np.testing.assert_array_equal(viewer.layers[MAP].data, error.error_map)
    assert viewer.layers[DIFFERING].visible
    assert not viewer.layers[MAP].visible
    assert dock.preview.fields.result.text().startswith(error_sentence(error))
    assert dock.preview.fields.tile.text().startswith(f"of {REQUIRED} px needed")


def test_measuring_comes_first_and_is_told(
    opened: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the image has been measured, which takes long for a large one, the words say so; never after."""
    told: list[str] = []
    _, dock = opened(show=True)
    result = dock.preview.fields.result
    say = result.say
    monkeypatch.setattr(result, "say", lambda text="", **more: (told.append(text), say(text, **more)))
    dock.preview.fields.header.setChecked(True)
    settle(qtbot, dock)
    dock.preview.fields.radius.value = 12
    settle(qtbot, dock)
    computing = [text for text in told if text.startswith("Computing")]
    assert computing[0] == "Computing; before that, the whole image is measured..."
    assert computing[-1] == "Computing..."


def test_the_map_is_no_image_to_segment(previewing: Any, qtbot: QtBot) -> None:
    """The layers of the preview are not offered as images, also when the image itself is gone."""
    viewer, dock = previewing()
    assert [image.name for image in dock.fields.image.choices if image is not None] == ["slide"]
    viewer.layers.remove("slide")
    qtbot.waitUntil(lambda: dock.preview.fields.result.text().startswith("Choose an image"), timeout=WAIT)
    assert dock.fields.image.value is None


def test_layers_lie_where_the_window_is(previewing: Any) -> None:
    """In a scaled and moved image, the layers of the preview have its units and lie on the window."""
    viewer, _ = previewing(pixels((700, 640)), scale=(0.5, 0.5), translate=(10, -20), units=("um", "um"))
    corners = np.asarray(viewer.layers[WINDOW].data[0])
    corner = viewer.layers[WINDOW].data_to_world(corners.min(axis=0) + 0.5)
    for name in (DIFFERING, MAP):
        layer = viewer.layers[name]
        assert layer.data.shape == (512, 512)
        np.testing.assert_allclose(layer.data_to_world((0, 0)), corner)
        assert layer.units == viewer.layers["slide"].units


def test_a_known_context_comes_back_at_once(previewing: Any, qtbot: QtBot) -> None:
    """Going back to a context that has been computed shows it without computing, zones where they were."""
    viewer, dock = previewing()
    zones = [np.array(zone) for zone in viewer.layers["Tiles: zones"].data]
    first = dock.preview.fields.result.text()
    dock.preview.fields.slider.value = 3
    assert dock.preview.fields.radius.value == 12
    assert dock.preview.fields.result.text() == "Computing..."
    assert settle(qtbot, dock) != first
    dock.preview.fields.slider.value = 2
    assert dock.preview.fields.result.text() == first
    np.testing.assert_array_equal(zones, viewer.layers["Tiles: zones"].data)


def test_the_slider_ends_one_step_beyond_what_is_needed(previewing: Any, qtbot: QtBot) -> None:
    """It goes in steps of F from 0 on; at the required context nothing differs."""
    _, dock = previewing()
    slider = dock.preview.fields.slider
    assert (slider.min, slider.max) == (0, REQUIRED // 4 + 1)
    slider.value = REQUIRED // 4
    assert settle(qtbot, dock).startswith("No pixel differs")


def test_a_typed_context_off_the_grid_is_marked(previewing: Any, qtbot: QtBot) -> None:
    """It is measured as it is, and said to be off the grid; the slider stands at the step below."""
    _, dock = previewing()
    dock.preview.fields.radius.value = REQUIRED + 6
    assert "off the grid of 4 px" in dock.preview.fields.tile.text()
    assert "tiles start off the grid" in settle(qtbot, dock)
    assert dock.preview.fields.slider.value == dock.preview.fields.slider.max


def test_the_tile_on_the_image_grows_with_the_context(previewing: Any, qtbot: QtBot) -> None:
    """The rectangle around the current tile is that of the chosen context; closing brings the plan's back."""
    viewer, dock = previewing(pixels((400, 400)), radius=4)

    def size() -> float:
        return float(np.ptp(np.asarray(viewer.layers["Tiles: context"].data[0]), axis=0).max())

    small = size()
    dock.preview.fields.radius.value = 16
    qtbot.waitUntil(lambda: size() > small, timeout=WAIT)
    dock.preview.fields.header.setChecked(False)
    assert not viewer.layers[DIFFERING].visible
    assert not viewer.layers[WINDOW].visible
    qtbot.waitUntil(lambda: size() >= ZONE + REQUIRED, timeout=WAIT)


def test_a_drag_supersedes_what_is_being_computed(
    previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to an older context never shows, and its computation is cancelled instead of finished."""
    _, dock = previewing()
    started, original = threading.Event(), TilingErrors.error
    finished: list[int] = []

    def slow(self: TilingErrors, reference: Any, zone: Any, radius: Any, check: Any = lambda: None, **k: Any):
        while radius == (0, 0):
            started.set()
            check()  # raises once another context is asked for
        finished.append(radius[0])
        return original(self, reference, zone, radius, check, **k)

    monkeypatch.setattr(TilingErrors, "error", slow)
    dock.preview.fields.radius.value = 0
    assert started.wait(20)
    dock.preview.fields.radius.value = 16
    settle(qtbot, dock)
    assert finished == [16]


def test_the_same_question_is_not_begun_anew(
    previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an error is computed, looking again at the same place does not restart it."""
    _, dock = previewing()
    begun, go_on, original = [], threading.Event(), TilingErrors.error

    def slow(self: TilingErrors, *arguments: Any, **more: Any) -> Any:
        begun.append(arguments[2])
        go_on.wait(20)
        return original(self, *arguments, **more)

    monkeypatch.setattr(TilingErrors, "error", slow)
    dock.preview.fields.radius.value = 16
    qtbot.waitUntil(lambda: len(begun) == 1, timeout=WAIT)
    for _ in range(5):
        dock.preview.update()
    go_on.set()
    settle(qtbot, dock)
    assert begun == [(16, 16)]


# --- where


def test_the_current_view_and_a_drawn_rectangle_can_be_looked_at(
    previewing: Any, qtbot: QtBot, model: ex.Model
) -> None:
    """The window follows the choice: what is in sight, or what was drawn, as far as the image goes."""
    viewer, dock = previewing(pixels((700, 640)))
    where = dock.preview.fields.where
    assert where.value == SEAM
    where.value = VIEW
    settle(qtbot, dock)
    assert viewer.layers[DIFFERING].data.shape[0] == 700
    where.value = DRAWN
    how = "Draw a rectangle on the image, in the layer 'Preview: rectangle'."
    assert dock.preview.fields.result.text() == how
    rectangle = viewer.layers["Preview: rectangle"]
    assert viewer.layers.selection.active is rectangle
    rectangle.add_rectangles([[39.5, -30], [89.5, 69.5]])
    qtbot.waitUntil(lambda: viewer.layers[DIFFERING].data.shape == (50, 70), timeout=WAIT)
    error = expected(viewer, model, radius=8)
    np.testing.assert_array_equal(viewer.layers[DIFFERING].data, error.differing)


def test_a_view_beside_the_image_is_explained(previewing: Any, qtbot: QtBot) -> None:
    """With the image out of sight there is no window, and one sentence says so."""
    viewer, dock = previewing()
    dock.preview.fields.where.value = VIEW
    settle(qtbot, dock)
    viewer.scene.camera.center = (-5000, -5000)
    qtbot.waitUntil(lambda: "not in sight" in dock.preview.fields.result.text(), timeout=WAIT)
    assert not viewer.layers[DIFFERING].visible


@pytest.mark.parametrize(
    ("rectangle", "words"),
    [
        ([[20.6, 20], [20.8, 40]], "The rectangle is empty"),
        ([[-50, 5], [-20, 40]], "The rectangle lies outside the image"),
    ],
)
def test_a_rectangle_without_pixels_is_explained(
    previewing: Any, qtbot: QtBot, rectangle: Any, words: str
) -> None:
    """One sentence says what is wrong, and a better rectangle is taken."""
    viewer, dock = previewing()
    dock.preview.fields.where.value = DRAWN
    layer = viewer.layers["Preview: rectangle"]
    layer.add_rectangles(rectangle)
    assert dock.preview.fields.result.text().startswith(words)
    layer.add_rectangles([[10, 10], [60, 60]])
    assert "differ" in settle(qtbot, dock)


def test_an_image_of_one_tile_has_no_seam(opened: Any, qtbot: QtBot) -> None:
    """The person is told to choose a smaller tile; a smaller one shows the seam."""
    _, dock = opened(pixels((200, 150)), tile=1000, show=True)
    dock.preview.fields.header.setChecked(True)
    assert settle(qtbot, dock).startswith("There is one tile only")
    dock.fields.tile.value = 92
    qtbot.waitUntil(lambda: "mean score" in dock.preview.fields.result.text(), timeout=WAIT)


def test_pixels_that_are_no_numbers_are_named(opened: Any, qtbot: QtBot) -> None:
    """NaN in the image gives the sentence of a run, and the dock stays usable."""
    data = pixels((200, 150)).astype(np.float32)
    data[20, 30] = np.nan
    _, dock = opened(data, show=True, contrast_limits=(0, 4000))
    dock.preview.fields.header.setChecked(True)
    qtbot.waitUntil(lambda: "NaN" in dock.preview.fields.result.text(), timeout=WAIT)
    assert "first at y 20, x 30" in dock.preview.fields.result.text()
    assert dock.footer.run.isEnabled()


def test_without_a_choice_the_section_says_why(opened: Any, qtbot: QtBot) -> None:
    """Without an image nothing is computed, and the fields cannot be used."""
    _, dock = opened("none", tile=None, plan=False, show=True)
    dock.preview.fields.header.setChecked(True)
    qtbot.waitUntil(lambda: "Choose an image" in dock.preview.fields.result.text(), timeout=WAIT)
    assert not dock.preview.fields.slider.enabled


def test_the_preview_waits_while_a_run_goes_on(
    previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run has the machine to itself; afterwards the preview is back."""
    viewer, dock = previewing()
    dock.preview.fields.estimate.native.click()
    brake = Brake(monkeypatch)
    begin(qtbot, dock, brake)
    assert dock.preview.fields.estimate.text == ESTIMATE
    assert dock.preview.fields.result.text() == "The preview waits until the run has ended."
    assert not viewer.layers[DIFFERING].visible
    brake.let(1000)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert "differ" in settle(qtbot, dock)
    assert viewer.layers[DIFFERING].visible


# --- the whole image, and the plot


def test_the_whole_image_is_estimated_from_zones(previewing: Any, qtbot: QtBot, model: ex.Model) -> None:
    """With few zones all are measured: the words then tell the error of the whole image."""
    viewer, dock = previewing()
    fields = dock.preview.fields
    fields.estimate.native.click()
    assert fields.estimate.text == STOP
    qtbot.waitUntil(lambda: fields.estimate.text == ESTIMATE, timeout=WAIT)
    error = ex.tiling_error(viewer.layers["slide"].data, model, zone=ZONE, radius=8)
    assert fields.estimated.text().startswith(f"Whole image: {error.misclassified:,} pixels differ, RMSE")
    fields.radius.value = 4
    assert fields.estimated.text() == ""


def test_an_estimate_can_be_stopped(previewing: Any, qtbot: QtBot) -> None:
    """What has been estimated stays on screen, with the number of zones that it is made from."""
    _, dock = previewing(pixels((900, 900)))
    fields = dock.preview.fields
    fields.estimate.native.click()
    qtbot.waitUntil(lambda: "zones measured" in fields.estimated.text(), timeout=WAIT)
    fields.estimate.native.click()
    assert fields.estimate.text == ESTIMATE
    words = fields.estimated.text()
    qtbot.wait(300)
    assert fields.estimated.text() == words
    assert "of 441 zones measured" in words


def test_the_plot_is_measured_and_saved(previewing: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """A dock shows RMSE and ME against the context, from 0 to two F beyond need, and writes CSV and PNG."""
    _, dock = previewing()
    dock.preview.fields.plot.native.click()
    qtbot.waitUntil(lambda: dock.preview.plot is not None, timeout=WAIT)
    plot = dock.preview.plot
    qtbot.waitUntil(lambda: "px of context needed" in plot.words.text(), timeout=WAIT)
    assert [point.value for point in plot.sweep.points] == list(range(0, REQUIRED + 9, 4))
    assert plot.table.rowCount() == len(plot.sweep.points)
    assert plot.table.item(0, 0).text() == "0"
    plot.write_table(tmp_path / "error.csv")
    plot.write_picture(tmp_path / "error.png")
    assert len((tmp_path / "error.csv").read_text().splitlines()) == len(plot.sweep.points) + 1
    assert (tmp_path / "error.png").read_bytes().startswith(b"\x89PNG")
    plot.write_table(tmp_path / "nowhere" / "error.csv")
    assert plot.words.text().startswith("Not saved")


def test_a_plot_that_fails_says_why(previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong while it is measured stays on screen, and the preview goes on."""
    _, dock = previewing()

    def broken(*_args: Any, **_more: Any) -> Any:
        raise ValueError("no such pixels")

    monkeypatch.setattr(TilingErrors, "reference", broken)
    dock.preview.fields.plot.native.click()
    qtbot.waitUntil(lambda: dock.preview.plot is not None, timeout=WAIT)
    words = dock.preview.plot.words
    qtbot.waitUntil(lambda: "failed" in words.text(), timeout=WAIT)
    qtbot.wait(300)
    assert words.text() == "The plot failed: no such pixels"
    assert not dock.preview.plot.save_table.isEnabled()


def test_closing_the_viewer_while_it_computes_ends_cleanly(
    previewing: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The computation stops at its next operator and reaches nobody."""
    viewer, dock = previewing()
    started, ended = threading.Event(), threading.Event()

    def endless(self: TilingErrors, *_args: Any, **_more: Any) -> Iterator[Any]:
        check = _args[3]
        try:
            while True:
                started.set()
                check()
        finally:
            ended.set()

    monkeypatch.setattr(TilingErrors, "error", endless)
    dock.preview.fields.radius.value = 0
    assert started.wait(20)
    viewer.close()
    assert ended.wait(20)


def test_an_optional_layer_stays_as_the_person_left_it(viewer_model: Any) -> None:
    """The map is made hidden; once shown by the person, it comes back shown, and the other way round."""
    from napari_exactile.widget.draw.layer_paint import empty_shapes
    from napari_exactile.widget.draw.own_layer import Frame

    viewer = viewer_model((20, 20))
    own = OwnLayer(viewer, "optional", empty_shapes, optional=True)
    own.draw(Frame(), 0, lambda layer: None)
    for chosen in (False, True, False):
        viewer.layers["optional"].visible = chosen
        own.hide()
        assert not viewer.layers["optional"].visible
        own.draw(Frame(), 0, lambda layer: None)
        assert viewer.layers["optional"].visible == chosen
