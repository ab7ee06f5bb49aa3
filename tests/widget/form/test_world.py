"""Where something is in the window, whatever the units of the layers and of the view are: pixels tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot

from napari_exactile.widget.draw.in_view import box_in_view
from napari_exactile.widget.draw.own_layer import Frame
from napari_exactile.widget.form.world import data_at, world_at

PLACE: dict[str, Any] = {"scale": (0.5, 0.25), "translate": (100, -40)}


def with_another_layer(viewer: Viewer) -> None:
    viewer.add_image(np.zeros((2, 2), np.uint8), units=("nm", "nm"), visible=False)


def with_other_units_in_the_window(viewer: Viewer) -> None:
    viewer.layers.units = ("mm", "mm")


def with_nothing(viewer: Viewer) -> None:
    pass


def with_units_that_cannot_be_compared(viewer: Viewer) -> None:
    viewer.add_image(np.zeros((2, 2), np.uint8), units=("pixel", "pixel"), visible=False)


@pytest.mark.parametrize("units", [("um", "um"), ("nm", "um"), ("pixel", "pixel")])
@pytest.mark.parametrize(
    "change",
    [with_nothing, with_another_layer, with_other_units_in_the_window, with_units_that_cannot_be_compared],
)
def test_what_is_in_view_is_what_the_window_shows(
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    units: tuple[str, str],
    change: Callable[[Viewer], None],
) -> None:
    """The first and the last pixel in view are those in the corners of a screenshot, and a tile of the middle
    is found from the camera; lines keep their width on the screen."""
    pixel = units == ("pixel", "pixel")
    if pixel and change is with_other_units_in_the_window:
        pytest.skip("napari refuses lengths for pixels")
    pixels = np.random.default_rng(3).integers(1, 256, (60, 80), np.uint8)
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(900, 600)
    layer = viewer.add_image(pixels, contrast_limits=(0, 255), units=units, **PLACE)
    change(viewer)
    viewer.layers.selection.clear()
    frame = Frame.of(layer)
    looked_at = (31, 42)
    viewer.scene.camera.center = (0, *world_at(layer, viewer, looked_at))
    assert np.allclose(data_at(layer, viewer, viewer.scene.camera.center), looked_at, atol=1e-6)
    assert frame.shown_in(viewer).pixel(viewer.scene.camera.center) == looked_at

    def seen() -> Any:
        return viewer.screenshot(flash=False)[..., 0]

    across = min(frame.shown_in(viewer).scale)
    viewer.scene.camera.zoom = 20 / across
    picture = seen()
    assert picture[picture.shape[0] // 2, picture.shape[1] // 2] == pixels[looked_at]
    box = box_in_view(layer, viewer)
    first, last = tuple(side.start for side in box), tuple(side.stop - 1 for side in box)
    assert (picture[1, 1], picture[-2, -2]) == (pixels[first], pixels[last])
    geometric = np.sqrt(np.prod(frame.shown_in(viewer).scale))
    assert frame.width(viewer, 3.0) * geometric * viewer.scene.camera.zoom == pytest.approx(3.0)
