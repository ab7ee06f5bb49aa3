"""The error preview in the dock: it shows what the usual tiling gets wrong, where, and says it in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, Brake, begin, pixels
from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.evaluate.words import error_sentence
from napari_exactile.widget.draw.own_layer import OwnLayer
from napari_exactile.widget.preview.fields import ESTIMATE
from previews import DIFFERING, MAP, REQUIRED, WINDOW, ZONE, expected, settle


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
    assert "Computing..." in computing
    assert not any("measured" in text for text in computing[computing.index("Computing...") :])


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
