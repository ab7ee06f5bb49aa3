"""What is in sight of a layer is what the window shows, however large the part is that napari has loaded."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from napari import Viewer
from pytestqt.qtbot import QtBot

from docks import pixels, pyramid
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.widget.choose.fields import VIEW
from napari_exactile.widget.draw.in_view import NotInSightError, box_in_view

KINDS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "plain": ((300, 280), {}),
    "placed": ((300, 280), {"scale": (2, 0.5), "translate": (-40, 7)}),
    "rotated": ((300, 280), {"rotate": 30, "shear": [0.2]}),
    "stack": ((5, 300, 280), {"scale": (3, 1, 2)}),
    "colour": ((300, 280, 3), {"rgb": True}),
}


def expected(viewer: Viewer, layer: Any) -> Box:
    """The pixels that reach into the box around the window, whose corners napari's canvas gives."""
    low, high = viewer.window._qt_viewer.canvas._viewbox_corners_in_world
    corners = [low.copy() for _ in range(4)]
    for corner, (y, x) in zip(corners, product((low, high), repeat=2), strict=True):
        corner[-2:] = y[-2], x[-1]
    places = np.array([layer.world_to_data(corner) for corner in corners])[:, -2:]
    shape = (layer.data[0] if layer.multiscale else layer.data).shape[: layer.ndim][-2:]
    box = []
    for first, last, length in zip(places.min(0), places.max(0), shape, strict=True):
        seen = [i for i in range(length) if i + 0.5 > first and i - 0.5 < last]
        box.append(Interval(seen[0], seen[-1] + 1))
    return tuple(box)


@pytest.mark.parametrize("multiscale", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_box_in_view_is_what_the_window_shows(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, kind: str, multiscale: bool
) -> None:
    """Wherever the camera goes, at once and for all kinds of layers; of a stack, in the plane in sight."""
    shape, how = KINDS[kind]
    data: Any = pixels(shape).astype(np.uint8)
    if multiscale:
        steps = (slice(None, None, 2), slice(None, None, 2))
        data = [data, data[(..., *steps, slice(None))[: data.ndim] if kind == "colour" else (..., *steps)]]
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(900, 600)
    layer = viewer.add_image(data, multiscale=multiscale, **how)
    if kind == "stack":
        viewer.dims.set_current_step(0, 3)
    for place, zoom in ((150, 140), 1.3), ((100, 90), 7), ((102, 91), 31), ((4, 275), 9):
        viewer.scene.camera.center = layer.data_to_world((*[0] * (layer.ndim - 2), *place))[-2:]
        viewer.scene.camera.zoom = zoom
        box = box_in_view(layer, viewer)
        qtbot.wait(50)
        assert box_in_view(layer, viewer) == box
        assert box[-2:] == expected(viewer, layer)
        assert box[:-2] == ((Interval(3, 4),) if kind == "stack" else ())


def test_units_of_other_layers_do_not_move_the_view(make_napari_viewer: Callable[..., Viewer]) -> None:
    """Beside a layer in nanometres, what is in sight of one in micrometres is what lies under the window."""
    viewer = make_napari_viewer()
    large = viewer.add_image(pixels((300, 280)), scale=(3, 2), translate=(30, 7), units=("um", "um"))
    viewer.scene.camera.zoom *= 4
    alone = box_in_view(large, viewer)
    small = viewer.add_image(
        pixels((300, 280)), scale=(3000, 2000), translate=(30_000, 7_000), units=("nm", "nm")
    )
    viewer.reset_view()
    viewer.scene.camera.zoom *= 4
    assert box_in_view(large, viewer) == box_in_view(small, viewer) == alone


def test_layers_without_units_beside_others_are_seen(make_napari_viewer: Callable[..., Viewer]) -> None:
    """Pixels and micrometres cannot be converted: napari then draws both by their numbers alone."""
    viewer = make_napari_viewer()
    large = viewer.add_image(pixels((300, 280)), scale=(3, 2), units=("um", "um"))
    viewer.add_image(pixels((300, 280)), scale=(3, 2))
    viewer.scene.camera.zoom *= 4
    assert len(box_in_view(large, viewer)[0]) < 300


def test_what_is_out_of_sight_is_named(make_napari_viewer: Callable[..., Viewer]) -> None:
    """Beside the image, in another plane and in 3D, one sentence says why there is nothing."""
    viewer = make_napari_viewer()
    layer = viewer.add_image(pixels((5, 30, 28)), name="slide")
    viewer.add_image(pixels((9, 30, 28)), name="taller")
    viewer.dims.set_current_step(0, 7)
    with pytest.raises(NotInSightError, match="'slide' is not in sight: move it into view"):
        box_in_view(layer, viewer)
    viewer.dims.set_current_step(0, 4)
    assert box_in_view(layer, viewer)[0] == Interval(4, 5)
    viewer.scene.camera.center = (-500, 10)
    with pytest.raises(NotInSightError, match="not in sight"):
        box_in_view(layer, viewer)
    viewer.dims.ndisplay = 3
    with pytest.raises(ValueError, match="switch to 2D"):
        box_in_view(layer, viewer)


def test_the_current_view_of_a_multiscale_image_is_what_is_in_sight(opened: Any, qtbot: QtBot) -> None:
    """Zoomed in, the region is the view, and not the larger part that napari has loaded before."""
    viewer, dock = opened(pyramid(pixels((600, 560))), show=True)
    for zoom in (2, 6, 20):
        viewer.scene.camera.center, viewer.scene.camera.zoom = (300, 280), zoom
        qtbot.wait(100)
    dock.fields.region.value = VIEW
    assert dock.plan.tiling.region == expected(viewer, viewer.layers["slide"])
    assert len(dock.plan.tiling.region[0]) < 60
