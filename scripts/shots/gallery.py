"""The scenes of the gallery: a slide with a model from a file, a model of one's own, and a 3D stack."""

from __future__ import annotations

import os
import runpy
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import zarr

import napari_exactile as ex
from napari_exactile.images.colonies import PIXEL_SIZE_UM, draw_colonies
from napari_exactile.widget.choose.fields import ON_DISK
from napari_exactile.widget.demo import DOCK_NAME, WINDOW
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.open.image_reader import add_image
from shots.camera import Looker, close, wait
from shots.held import held_at

EXAMPLES = Path(__file__).parents[2] / "examples"
SLIDE, MODEL = "slide.ome.zarr", "my network.pt2"


def slide(looker: Looker, parts: int = 10, part: int = 2048, begun: int = 16) -> None:
    """Segment a slide with the network of a file: labels go to disk, the tiles in view come first.

    It has `parts` x `parts` parts of `part` pixels a side.
    """
    with TemporaryDirectory() as folder:
        write_slide(Path(folder, SLIDE), parts, part)
        save_network(Path(folder, MODEL))
        viewer, dock = opened(Path(folder, SLIDE))
        dock.opener.open(Path(folder, MODEL))
        wait(lambda: dock.plan is not None and dock.fields.model.value != "colonies-demo")
        dock.fields.output.value = ON_DISK
        viewer.scene.camera.zoom = 0.8 * viewer.scene.camera.zoom * parts
        viewer.scene.camera.center = ((parts // 2 + 0.5) * part * PIXEL_SIZE_UM,) * 2
        wait(lambda: dock.plan is not None)
        with held_at(begun) as held:
            dock.start()
            wait(held)
            looker.look("slide", viewer, dock)
            dock.cancel()
            wait(lambda: not dock.running)
        close(viewer)


def opened(image: Path) -> tuple[Any, ExactileDock]:
    """Return a viewer with the image of a file, and the dock."""
    import napari

    viewer = napari.Viewer()
    viewer.window._qt_window.resize(*WINDOW)
    add_image(viewer, image)
    dock = ExactileDock(viewer, remembers=False)
    viewer.window.add_dock_widget(dock, name=DOCK_NAME, area="right")
    return viewer, dock


def write_slide(path: Path, parts: int, part: int) -> None:
    """Write an OME-Zarr image with levels: one part, mirrored over and over.

    Only the four ways in which it is mirrored are written; all other chunks are links to these.
    """
    image = draw_colonies((part, part), seed=7).image
    group = zarr.open_group(path, mode="w", zarr_format=3)
    levels = []
    while part >= 128:
        step = 2 ** len(levels)
        array = group.create_array(
            str(len(levels)), shape=(parts * part,) * 2, chunks=(part,) * 2, dtype=image.dtype,
            dimension_names=("y", "x"),
        )  # fmt: skip
        fill(array, path / str(len(levels)) / "c", image, parts)
        scale = {"type": "scale", "scale": [step * PIXEL_SIZE_UM] * 2}
        levels.append({"path": str(len(levels)), "coordinateTransformations": [scale]})
        image, part = image[::2, ::2], part // 2
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"name": "slide", "axes": axes, "datasets": levels}],
    }


def fill(array: Any, chunks: Path, image: Any, parts: int) -> None:
    """Write the chunks of one level."""
    side = len(image)
    for y, x in product(range(parts), repeat=2):
        if y < 2 and x < 2:
            mirrored = image[:: 1 - 2 * y, :: 1 - 2 * x]
            array[y * side : (y + 1) * side, x * side : (x + 1) * side] = mirrored
        else:
            to = chunks / str(y) / str(x)
            to.parent.mkdir(parents=True, exist_ok=True)
            os.link(chunks / str(y % 2) / str(x % 2), to)


def save_network(path: Path) -> None:
    """Save the bundled network as people save theirs: exported, for images of any size."""
    network = ex.load_model("colonies-demo").module
    size = dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
    image = torch.zeros(1, 1, 256, 320)
    torch.export.save(torch.export.export(network, (image,), dynamic_shapes=(size,)), path)


def own_model(looker: Looker) -> None:
    """Segment the sample with the network of examples/own_model_in_napari.py."""
    viewer, dock = example("own_model_in_napari")
    run_through(dock, tile=164)
    looker.look("own-model", viewer, dock)
    close(viewer)


def stack(looker: Looker) -> None:
    """Segment the volume of examples/stack_in_napari.py, seen in 3D."""
    viewer, dock = example("stack_in_napari")
    run_through(dock, tile=80)
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (0, -30, 70)
    viewer.scene.camera.zoom = 0.8 * viewer.scene.camera.zoom
    looker.look("stack", viewer, dock)
    close(viewer)


def example(name: str) -> tuple[Any, ExactileDock]:
    """Run an example up to where it waits for the person."""
    made = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="example")
    viewer, dock = made["viewer"], made["dock"]
    viewer.window._qt_window.resize(*WINDOW)
    wait(lambda: dock.plan is not None)
    viewer.reset_view()
    return viewer, dock


def run_through(dock: ExactileDock, tile: int) -> None:
    """Run to the end in tiles of this side."""
    dock.fields.automatic.value = False
    dock.fields.tile.value = tile
    wait(lambda: dock.plan is not None)
    dock.start()
    wait(lambda: not dock.running)
