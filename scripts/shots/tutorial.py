"""The scenes of the tutorial: the sample, segmented, looked at, and segmented with too little context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtWidgets import QScrollArea

from napari_exactile.widget.demo import open_sample
from napari_exactile.widget.dock import ExactileDock
from shots.camera import Looker, close, wait, work
from shots.held import held_at


@dataclass(frozen=True)
class Scale:
    """How large a scene is: as in the pictures, or small, to read its words.

    With tiles of `seam` pixels, seams cross in the middle of the image.
    """

    sample: str
    tile: int
    tiles: int
    cancelled: int
    seam: int


PICTURES = Scale("colonies_2048", 512, 49, 22, 704)
# The share of the window that napari's own panels take at the left.
PANELS = 0.222
SMALL = Scale("colonies_512", 304, 25, 9, 320)


def tutorial(looker: Looker, scale: Scale = PICTURES) -> None:
    """Go through the tutorial."""
    viewer, dock = open_sample(scale.sample)
    wait(lambda: dock.plan is not None)
    looker.look("opened", viewer, dock)
    dock.fields.automatic.value = False
    dock.fields.tile.value = scale.tile
    wait(lambda: dock.plan is not None and len(dock.plan) == scale.tiles)
    point_at(viewer, 0.42)
    looker.look("tiles", viewer, dock)
    looker.look("first-zones", viewer, dock, crop=PANELS)
    with held_at(scale.cancelled + 1) as held:
        dock.start()
        wait(held)
        looker.look("first-running", viewer, dock, crop=PANELS)
        dock.cancel()
        wait(lambda: not dock.running)
    looker.look("cancelled", viewer, dock)
    dock.start()
    wait(lambda: not dock.running)
    looker.look("dock", viewer, dock)
    looker.look("first-done", viewer, dock, crop=PANELS)
    objects(looker, viewer, dock)
    preview(looker, viewer, dock, scale)
    undersized(looker, viewer, dock)
    close(viewer)


def point_at(viewer: Any, share: float) -> None:
    """Put the pointer on a place of the image, so far from its corner as `share` says."""
    corner = viewer.layers[0].extent.world[1]
    viewer.mouse_over_canvas = True
    viewer.cursor.position = tuple(share * corner)


def objects(looker: Looker, viewer: Any, dock: ExactileDock) -> None:
    """Show the objects of the labels, and how far these agree with the sample's true ones."""
    fields = dock.results.fields
    for header in (fields.objects_header, fields.agreement_header):
        header.setChecked(True)
    fields.objects.find.native.click()
    fields.agreement.compare.native.click()
    wait(lambda: dock.results.objects.objects is not None and dock.results.agreement.agreement is not None)
    dock.fields.tiling.value = False
    scroll_down(dock)
    looker.look("objects", viewer, dock)
    dock.fields.tiling.value = True
    for header in (fields.objects_header, fields.agreement_header):
        header.setChecked(False)
    assert dock.results.objects.layer is not None
    dock.results.objects.layer.visible = False


def preview(looker: Looker, viewer: Any, dock: ExactileDock, scale: Scale) -> None:
    """Show the error at a seam without any context, and the plot; everything else is put back."""
    assert dock.run is not None
    assert dock.run.layer is not None
    dock.run.layer.visible = False
    dock.fields.tile.value = scale.seam
    dock.preview.fields.header.setChecked(True)
    dock.preview.fields.radius.value = 0
    wait(lambda: "mean score" in dock.preview.fields.result.text())
    viewer.layers["Preview: score difference"].visible = True
    zoom = viewer.scene.camera.zoom
    viewer.scene.camera.zoom = 2.5 * zoom
    work(1)  # the seam nearest to the middle is sought again
    wait(lambda: "mean score" in dock.preview.fields.result.text())
    scroll_down(dock)
    looker.look("preview", viewer, dock)
    dock.preview.fields.plot.native.click()
    wait(lambda: dock.preview.plot is not None and "needed" in dock.preview.plot.words.text())
    looker.look("plot", viewer, dock, dock.preview.plot)
    viewer.window.remove_dock_widget(dock.preview.plot)
    dock.preview.fields.header.setChecked(False)
    viewer.scene.camera.zoom = zoom
    dock.fields.tile.value = scale.tile


def undersized(looker: Looker, viewer: Any, dock: ExactileDock) -> None:
    """Run once more with too little context, with Advanced open."""
    assert dock.run is not None
    assert dock.run.layer is not None
    dock.run.layer.visible = False
    dock.fields.advanced.setChecked(True)
    dock.fields.own_radius.value = True
    dock.fields.radius.value = 32
    wait(lambda: dock.plan is not None)
    dock.start()
    wait(lambda: not dock.running)
    viewer.window._qt_viewer.layers.scrollToTop()  # to the layer that is called so
    looker.look("inexact", viewer, dock)


def scroll_down(dock: ExactileDock) -> None:
    """Show the lowest fields, once all have their places."""
    work(0.5)
    bar = dock.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(bar.maximum())
