"""The layers of the tiling overlay leave the person alone: they can be hidden, deleted and taken over."""

from __future__ import annotations

import numpy as np

from napari_exactile.widget.draw.overlay import Frame, TileStatus
from overlays import ours, point_at, settled, shown, tiling_of


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
