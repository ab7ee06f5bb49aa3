"""The error preview looks at view, rectangle or whole image, as a person chooses, or says why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import WAIT, pixels
from napari_exactile.evaluate.errors import TilingErrors
from napari_exactile.widget.choose.fields import ALL_PLANES
from napari_exactile.widget.preview.fields import DRAWN, ESTIMATE, SEAM, STOP, VIEW
from previews import DIFFERING, REQUIRED, ZONE, expected, settle


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
    qtbot.waitUntil(lambda: plot.words.text().endswith("png"), timeout=WAIT)
    assert len((tmp_path / "error.csv").read_text().splitlines()) == len(plot.sweep.points) + 1
    qtbot.waitUntil(lambda: plot.view.drawn, timeout=WAIT)
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


def test_of_a_stack_the_estimate_names_its_plane(previewing: Any, qtbot: QtBot) -> None:
    """What is measured is one plane, and neither button nor words call it the whole."""
    viewer, dock = previewing(pixels((3, 300, 300)))
    viewer.dims.set_current_step(0, 1)
    fields = dock.preview.fields
    assert fields.estimate.text == "Estimate plane 1"
    dock.fields.planes.value = ALL_PLANES
    assert fields.estimate.text == "Estimate plane 1"
    fields.estimate.native.click()
    qtbot.waitUntil(lambda: fields.estimate.text == "Estimate plane 1", timeout=WAIT)
    assert fields.estimated.text().startswith("Plane 1: ")
