"""The tiling overlay, in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.overlay import Frame, TileStatus, TilingOverlay
from napari_exactile.widget.draw.tile_shapes import BLUE, ORANGE, STATUS_COLOURS, status_mesh, zone_corners

BLUE_RGB, ORANGE_RGB = (tuple(bytes.fromhex(colour[1:])) for colour in (BLUE, ORANGE))


def tiling_of(shape, zone=32, radius=16, factor=8, region=()):
    return Tiling(shape, (factor,) * 2, (zone,) * 2, (radius,) * 2, region)


def shown(viewer, tiling, **options):
    """Return an overlay that shows a tiling on the viewer's image."""
    overlay = TilingOverlay(viewer)
    for name, value in options.items():
        setattr(overlay, name, value)
    overlay.show(Frame.of(viewer.layers["image"]), tiling)
    return overlay


def ours(viewer):
    return [layer for layer in viewer.layers if layer.name.startswith("Tiles: ")]


def point_at(viewer, *position):
    viewer.mouse_over_canvas = True
    viewer.cursor.position = position


def drawn_boxes(viewer, name):
    """Return the (start, stop) of every rectangle along every axis, in pixels of the image."""
    image, layer = viewer.layers["image"], viewer.layers[name]
    shift = (layer.translate - image.translate) / image.scale
    data = np.array(layer.data) + shift + 0.5
    return np.stack([data.min(axis=1), data.max(axis=1)], axis=-1)


def as_array(boxes):
    return np.array([[(interval.start, interval.stop) for interval in box] for box in boxes])


def settled(qtbot, condition):
    qtbot.waitUntil(condition, timeout=3000)


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


def test_layers_leave_the_person_alone(open_viewer):
    """Property: selection, active layer, its mode and the panning stay; our layers cannot be edited."""
    viewer = open_viewer((96, 96))
    labels = viewer.add_labels(np.zeros((96, 96), int), name="mine")
    labels.mode = "paint"
    overlay = shown(viewer, tiling_of((96, 96)), all_radii=True)
    overlay.start_status()
    assert viewer.layers.selection == {labels}
    assert viewer.layers.selection.active is labels
    assert labels.mode == "paint"
    viewer.layers.selection = {labels, viewer.layers["image"]}
    overlay.show(Frame(), tiling_of((96, 96), zone=16))
    viewer.layers.remove("Tiles: zones")
    overlay.show(Frame(), tiling_of((96, 96), zone=24))
    assert viewer.layers.selection == {labels, viewer.layers["image"]}
    names = [layer.name for layer in ours(viewer)]
    assert sorted(names) == ["Tiles: all contexts", "Tiles: context", "Tiles: status", "Tiles: zones"]
    for layer in ours(viewer):
        assert not layer.editable
        assert layer.mouse_pan


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


def test_one_switch_hides_everything(viewer_model):
    """Property: `visible` and `hide` hide every layer, without removing any; both must say yes to draw."""
    viewer = viewer_model((96, 96))
    overlay = shown(viewer, tiling_of((96, 96)), all_radii=True)
    overlay.start_status()
    layers = ours(viewer)
    overlay.visible = False
    assert not any(layer.visible for layer in layers)
    overlay.show(Frame(), tiling_of((96, 96), zone=48))
    assert not any(layer.visible for layer in layers)
    overlay.hide()
    overlay.visible = True
    assert not any(layer.visible for layer in layers)
    overlay.show(Frame(), tiling_of((96, 96), zone=48))
    overlay.start_status()
    assert all(layer.visible for layer in layers)
    assert ours(viewer) == layers


def test_a_layer_that_a_person_hides_stays_hidden(viewer_model, qtbot):
    """Property: another tile size or a move does not show what was hidden by hand; the switch does."""
    viewer = viewer_model((96, 96))
    overlay = shown(viewer, tiling_of((96, 96)))
    context = viewer.layers["Tiles: context"]
    context.visible = False
    overlay.show(Frame(), tiling_of((96, 96), zone=48))
    point_at(viewer, 90, 90)
    settled(qtbot, lambda: overlay.current == 3)
    assert not context.visible
    overlay.visible = False
    overlay.visible = True
    assert context.visible


def test_deleted_layers_come_back_with_the_next_show(open_viewer, qtbot):
    """Property: whichever layers a person deletes, everything goes on, and `show` makes them anew."""
    tiling = tiling_of((96, 96))
    viewer = open_viewer(tiling.shape)
    overlay = shown(viewer, tiling, all_radii=True)
    overlay.start_status()
    order = [layer.name for layer in ours(viewer)]
    for names in (order, order[1:3]):
        for name in names:
            viewer.layers.remove(name)
        overlay.set_status([1], TileStatus.RUNNING)
        point_at(viewer, 90, 50)
        viewer.scene.camera.zoom *= 1.5
        qtbot.wait(200)
        assert not set(names) & {layer.name for layer in viewer.layers}
        overlay.show(Frame.of(viewer.layers["image"]), tiling)
        assert sorted(layer.name for layer in ours(viewer)) == sorted(order)
    viewer.layers.clear()
    overlay.visible = False
    overlay.hide()


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


def test_closing_lets_go_of_the_viewer(viewer_model, qtbot):
    """Property: after close nothing is drawn, whatever moves, zooms or turns."""
    viewer = viewer_model((96, 96))
    overlay = shown(viewer, tiling_of((96, 96)))
    overlay.start_status()
    overlay.close()
    point_at(viewer, 90, 90)
    viewer.scene.camera.zoom = 3
    viewer.dims.ndisplay = 3
    overlay.set_status([1], TileStatus.DONE)
    qtbot.wait(200)
    assert not any(layer.visible or np.isfinite(layer.extent.world).any() for layer in ours(viewer))


def test_the_next_overlay_takes_the_layers_over(viewer_model):
    """Property: opening and closing the dock again and again neither adds nor removes layers."""
    viewer = viewer_model((96, 96))
    for zone in (32, 48, 16):
        overlay = shown(viewer, tiling_of((96, 96), zone=zone), all_radii=True)
        overlay.start_status()
        assert len(viewer.layers["Tiles: zones"].data) == (96 // zone) ** 2
        assert all(layer.visible for layer in ours(viewer))
        layers = list(viewer.layers)
        overlay.close()
        assert list(viewer.layers) == layers
    assert len(layers) == 5
    viewer.layers.remove("Tiles: context")
    shown(viewer, tiling_of((96, 96)))
    assert len(ours(viewer)) == 4


def test_a_plugin_gets_a_viewer_that_hides_its_private_parts(make_napari_viewer_proxy, qtbot):
    """Property: the overlay works with the restricted viewer that napari hands to plugins."""
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((96, 96)), name="image")
    overlay = shown(viewer, tiling_of((96, 96)), all_radii=True)
    overlay.start_status()
    point_at(viewer, 90, 90)
    settled(qtbot, lambda: overlay.current == 8)
    viewer.layers.remove("Tiles: zones")
    overlay.show(Frame(), tiling_of((96, 96)))
    assert len(ours(viewer)) == 4
    overlay.close()
    assert not any(layer.visible for layer in ours(viewer))


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
