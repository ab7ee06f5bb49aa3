"""The tiling overlay shows the status of every tile, and nothing covers the image where tiles are done."""

from __future__ import annotations

import numpy as np

from napari_exactile.widget.draw.overlay import Frame, TileStatus
from napari_exactile.widget.draw.tile_shapes import STATUS_COLOURS, status_mesh, zone_corners
from overlays import settled, shown, tiling_of


def test_status_values_follow_the_tiles(viewer_model):
    """Property: each quad has its status' colour; running and failed tiles have a frame, others none."""
    tiling = tiling_of((96, 70))
    zones = zone_corners(tiling)
    status = np.array([0, 1, 2, 3, 0, 2, 2, 3, 1])
    vertices, faces, values = status_mesh(zones, status, 2.0)
    fills = [STATUS_COLOURS[int(v)] for v in values[:36:4]]
    veil, clear, failed = "#80808073", "#80808000", "#D55E0040"
    assert fills == [veil, clear, clear, failed, veil, clear, clear, failed, clear]
    running, wrong = "#F0E442", "#D55E00"
    assert [STATUS_COLOURS[int(v)] for v in values[36:68:8]] == [running, wrong, wrong, running]
    np.testing.assert_array_equal(vertices[36:40], zones[1])
    np.testing.assert_array_equal(vertices[40], zones[1][0] + 2)
    assert not values[68:].any()
    assert (vertices[68:] == zones[0][0]).all()
    used = np.sort(np.unique(faces))
    np.testing.assert_array_equal(used, np.arange(len(vertices)))


def test_status_starts_waiting_and_ends_clear(viewer_model, qtbot):
    """Property: a run starts with all tiles waiting; where all are done nothing covers the image."""
    tiling = tiling_of((96, 96))
    viewer = viewer_model(tiling.shape)
    overlay = shown(viewer, tiling)
    overlay.set_status([0], TileStatus.DONE)
    assert "Tiles: status" not in viewer.layers
    overlay.start_status()
    layer = viewer.layers["Tiles: status"]
    assert set(layer.vertex_values[:36]) == {1}
    overlay.set_status([*range(9), 77, -1], TileStatus.DONE)
    settled(qtbot, lambda: not layer.vertex_values.any())
    overlay.clear_status()
    assert not layer.visible
    overlay.start_status()
    assert layer.visible
    overlay.show(Frame(), tiling_of((96, 96), zone=16))
    assert not layer.visible


def test_a_tile_that_ends_changes_no_geometry(viewer_model, qtbot):
    """Property: status changes and zooming keep triangles and extents; napari need not measure its layers."""
    tiling = tiling_of((101, 67))
    viewer = viewer_model(tiling.shape)
    overlay = shown(viewer, tiling)
    overlay.start_status()
    layer, changes = viewer.layers["Tiles: status"], []
    faces, extent = layer.faces, layer.extent.world
    viewer.layers.events.connect(lambda event: changes.append(event.type))
    for step in range(len(tiling)):
        overlay.update_status({step - 1: TileStatus.DONE, step: TileStatus.RUNNING})
        viewer.scene.camera.zoom = 4 + step
        overlay._update_status()
        assert set(layer.vertex_values[4 * step : 4 * step + 4]) == {0}
    assert layer.faces is faces
    np.testing.assert_array_equal(np.stack([layer.vertices.min(0), layer.vertices.max(0)]), extent)
    assert "data" not in changes


def test_any_number_of_tiles_can_fail(viewer_model):
    """Property: every failed tile has a frame, however many there are; afterwards none is left."""
    tiling = tiling_of((203, 211), zone=8, radius=8)
    viewer = viewer_model(tiling.shape)
    overlay = shown(viewer, tiling)
    overlay.start_status()
    layer, first = viewer.layers["Tiles: status"], 4 * len(tiling)
    for failed in (1, 16, 17, 40, 0):
        overlay.start_status()
        overlay.set_status(range(failed), TileStatus.FAILED)
        overlay._update_status()
        assert np.count_nonzero(layer.vertex_values[first:]) == 8 * failed


def test_pixels_show_image_labels_and_status(open_viewer, qtbot):
    """Property: labels show through done, waiting and running tiles; a running one has a yellow frame."""
    tiling = tiling_of((96, 96), factor=16, radius=0, zone=48)
    viewer = open_viewer(tiling.shape, show=True)
    viewer.add_labels(np.kron(np.eye(2, dtype=int), np.ones((48, 48), int)), name="labels", opacity=1)
    plain = pixels(viewer)
    overlay = shown(viewer, tiling)
    overlay._context.hide()
    overlay.start_status()
    overlay.set_status([0, 1], TileStatus.DONE)
    overlay.set_status([2], TileStatus.RUNNING)
    overlay._update_status()
    drawn = pixels(viewer)
    change = np.abs(drawn.astype(int) - plain).max(axis=-1)
    for y, x in ((24, 24), (24, 72), (72, 24)):
        assert change[place(viewer, drawn, y, x)] <= 0.1 * 255
    assert 30 < change[place(viewer, drawn, 72, 72)] < 200
    yellow = (np.abs(drawn.astype(int) - (0xF0, 0xE4, 0x42)) < 12).all(axis=-1)
    rows, columns = np.nonzero(yellow)
    assert len(rows)
    inside = place(viewer, drawn, 48, 47)
    assert rows.min() >= inside[0] - 3
    assert columns.max() <= inside[1] + 3


def pixels(viewer):
    viewer.window._qt_window.repaint()
    return viewer.screenshot(flash=False)[..., :3]


def place(viewer, screenshot, y, x):
    """Return where a point of the world is in a screenshot of the canvas."""
    camera = viewer.scene.camera
    ratio = viewer.window._qt_viewer.devicePixelRatioF() if hasattr(viewer.window, "_qt_viewer") else 1
    centre = np.array(screenshot.shape[:2]) / 2
    return tuple(np.rint(centre + (np.array([y, x]) - camera.center[-2:]) * camera.zoom * ratio).astype(int))
