"""The tiling overlay, in a real viewer: zones and contexts are where they are, never beyond the image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.overlay import Frame, TileStatus
from napari_exactile.widget.draw.tile_shapes import BLUE, ORANGE
from overlays import as_array, drawn_boxes, ours, point_at, settled, shown, tiling_of

BLUE_RGB, ORANGE_RGB = (tuple(bytes.fromhex(colour[1:])) for colour in (BLUE, ORANGE))
TILINGS = [
    tiling_of((96, 96)),
    tiling_of((101, 67)),
    tiling_of((20, 300), zone=512),
    tiling_of((33, 129), zone=128, radius=0),
    tiling_of((203, 211), zone=8, radius=8),
    tiling_of((100, 100), region=(Tiling((9,), (1,), (9,), (0,)).region[0], tiling_of((100, 50)).region[1])),
]


def test_no_layer_of_ours_extends_beyond_the_image(viewer_model):
    """Property: for any tiling, status and current tile, every layer lies within the image's extent."""
    for tiling in TILINGS:
        viewer = viewer_model(tiling.shape, scale=(0.5, 2), translate=(7, -3))
        overlay = shown(viewer, tiling, all_radii=True)
        overlay.start_status()
        overlay.set_status([0, len(tiling) - 1], TileStatus.RUNNING)
        image = viewer.layers["image"]
        low, high = image.extent.world + np.outer((-0.5, 0.5), image.scale)
        for index in {0, len(tiling) // 2, len(tiling) - 1}:
            zone = tiling.tile(index).zone
            point_at(viewer, *(image.data_to_world([interval.stop - 1 for interval in zone])))
            overlay._follow()
            assert overlay.current == index
            for layer in ours(viewer):
                assert (layer.extent.world[0] >= low - 1e-4).all(), layer
                assert (layer.extent.world[1] <= high + 1e-4).all(), layer


def test_the_view_and_the_axes_do_not_change(open_viewer):
    """Property: the camera, the Home view, the number and order of axes are as without the overlay."""
    viewer = open_viewer((5, 101, 67), scale=(3, 0.5, 0.5))
    camera, dims = viewer.scene.camera, viewer.dims
    home = (camera.center, camera.zoom)
    camera.zoom, camera.center = 1.7, (0, 30, 20)
    dims.set_current_step(0, 3)
    before = (
        camera.center,
        camera.zoom,
        dims.ndim,
        dims.order,
        dims.point[0],
        dims.range[0],
        dims.axis_labels,
    )
    shown(viewer, tiling_of((101, 67)), all_radii=True).start_status()
    assert before == (
        camera.center,
        camera.zoom,
        dims.ndim,
        dims.order,
        dims.point[0],
        dims.range[0],
        dims.axis_labels,
    )
    viewer.reset_view()
    np.testing.assert_allclose([*camera.center, camera.zoom], [*home[0], home[1]])


def test_zones_are_drawn_where_they_are(viewer_model):
    """Property: the rectangles are the tiling's zones in order, neighbours alternate in colour."""
    tiling = tiling_of((101, 131))
    viewer = viewer_model(tiling.shape)
    shown(viewer, tiling)
    zones = viewer.layers["Tiles: zones"]
    np.testing.assert_array_equal(drawn_boxes(viewer, "Tiles: zones"), as_array(tile.zone for tile in tiling))
    colours = np.rint(zones.edge_color[:, :3] * 255).astype(int).reshape(*tiling.grid, 3)
    assert {tuple(c) for c in colours.reshape(-1, 3)} == {BLUE_RGB, ORANGE_RGB}
    assert (colours[1:] != colours[:-1]).any(axis=-1).all()
    assert (colours[:, 1:] != colours[:, :-1]).any(axis=-1).all()
    assert 0 < zones.face_color[:, 3].min() <= zones.face_color[:, 3].max() <= 0.1


@pytest.mark.parametrize("grid", [(30, 30), (1, 700), (601, 2)])
def test_many_zones_are_drawn_as_lines(viewer_model, grid):
    """Property: beyond 600 tiles the lines are those between zones, and no shape is added per zone."""
    tiling = tiling_of((grid[0] * 8 - 3, grid[1] * 8 - 1), zone=8, radius=0)
    assert tiling.grid == grid
    viewer = viewer_model(tiling.shape)
    shown(viewer, tiling)
    layer = viewer.layers["Tiles: zones"]
    assert len(layer.data) == 4
    for axis, (even, odd) in enumerate((layer.data[:2], layer.data[2:])):
        lines = np.unique(np.concatenate([even, odd])[:, axis] + 0.5)
        spans = tiling.spans(axis)
        np.testing.assert_array_equal(lines, [span.start for span in spans] + [spans[-1].stop])


def test_the_context_of_the_tile_under_the_cursor_is_drawn(viewer_model, qtbot):
    """Property: box and zone of the tile under the cursor are drawn, cut off where the image ends."""
    tiling = tiling_of((101, 131))
    viewer = viewer_model(tiling.shape, scale=(0.25, 0.5), translate=(-2, 40))
    overlay = shown(viewer, tiling)
    for tile in tiling:
        centre = [(interval.start + interval.stop - 1) / 2 for interval in tile.zone]
        point_at(viewer, *viewer.layers["image"].data_to_world(centre))
        settled(qtbot, lambda index=tile.index: overlay.current == index)
        box, zone = drawn_boxes(viewer, "Tiles: context")
        np.testing.assert_allclose(zone, as_array([tile.zone])[0])
        np.testing.assert_allclose(box, np.minimum(as_array([tile.box])[0], [[101], [131]]))


def test_without_cursor_the_context_is_that_of_the_middle_of_the_view(viewer_model, qtbot):
    """Property: with the cursor elsewhere, the current tile is the one nearest the centre of the view."""
    tiling = tiling_of((96, 96))
    viewer = viewer_model(tiling.shape)
    overlay = shown(viewer, tiling)
    assert overlay.current == 4
    viewer.scene.camera.center = (0, 500, 10)
    settled(qtbot, lambda: overlay.current == 6)
    point_at(viewer, -20, 10)
    viewer.scene.camera.center = (0, -9, 200)
    settled(qtbot, lambda: overlay.current == 2)


def test_all_contexts_are_an_option_up_to_100_tiles(viewer_model):
    """Property: the option draws every tile's box, cut off at the image; nothing beyond 100 tiles."""
    tiling = tiling_of((101, 131))
    viewer = viewer_model(tiling.shape)
    overlay = shown(viewer, tiling)
    assert "Tiles: all contexts" not in viewer.layers
    overlay.all_radii = True
    boxes = np.minimum(as_array(tile.box for tile in tiling), [[101], [131]])
    np.testing.assert_array_equal(drawn_boxes(viewer, "Tiles: all contexts"), boxes)
    overlay.show(Frame(), tiling_of((101, 131), zone=8))
    assert not viewer.layers["Tiles: all contexts"].visible


def test_layers_carry_the_frame_of_the_image(viewer_model):
    """Property: scale, translation, units and axis labels are those of the image's last two axes."""
    frame = {"scale": (2, 0.5, 0.25), "translate": (1, 7, -3)}
    names = {"units": ("s", "um", "um"), "axis_labels": ("t", "y", "x")}
    viewer = viewer_model((3, 96, 96), **frame, **names)
    shown(viewer, tiling_of((96, 96)), all_radii=True).start_status()
    image = viewer.layers["image"]
    for layer in ours(viewer):
        assert tuple(layer.scale) == (0.5, 0.25)
        assert layer.units == image.units[1:]
        assert layer.axis_labels == ("y", "x")
        if layer.name != "Tiles: context":  # whose translation is that of its zone
            assert tuple(layer.translate) == (7, -3)
    assert viewer.dims.axis_labels == ("t", "y", "x")


def test_a_frame_follows_an_affine_that_scales_and_refuses_one_that_turns(viewer_model):
    """Property: a diagonal affine transform is part of the frame; rotation and shear raise ValueError."""
    viewer = viewer_model((96, 96, 3), scale=(2, 2), affine=np.diag([3.0, 5.0, 1.0]), rgb=True)
    image = viewer.layers["image"]
    assert Frame.of(image).scale == (6, 10)
    image.rotate = 20
    with pytest.raises(ValueError, match="rotated or sheared"):
        Frame.of(image)


def test_lines_keep_their_width_on_the_screen(viewer_model, qtbot):
    """Property: line width times zoom stays the same; at low zoom lines take an eighth of a zone at most."""
    viewer = viewer_model((96, 96))
    overlay = shown(viewer, tiling_of((96, 96), zone=32))
    assert overlay.visible
    zones, camera = viewer.layers["Tiles: zones"], viewer.scene.camera
    for zoom in (4, 0.01, 32):
        camera.zoom = zoom
        settled(qtbot, lambda z=zoom: np.allclose(zones.edge_width, min(2 / z, 4), rtol=0.03))


def test_nothing_is_drawn_in_3d_or_with_rolled_axes(open_viewer):
    """Property: unless exactly the last two axes are displayed, our layers take no room in the world."""
    viewer = open_viewer((4, 96, 70))
    ranges = viewer.dims.range
    overlay = shown(viewer, tiling_of((96, 70)), all_radii=True)
    overlay.start_status()
    layers = ours(viewer)
    for change in ({"ndisplay": 3}, {"order": (1, 0, 2)}, {"order": (2, 0, 1)}):
        for name, value in change.items():
            setattr(viewer.dims, name, value)
        assert not any(layer.visible for layer in layers)
        assert viewer.dims.range == ranges
        viewer.dims.ndisplay, viewer.dims.order = 2, (0, 1, 2)
        assert all(layer.visible and len(layer.data) for layer in layers)
    viewer.dims.order = (0, 2, 1)
    assert all(layer.visible for layer in layers)
    assert not any(layer.editable for layer in layers)
