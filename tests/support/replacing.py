"""A program for tests in a process of its own: replaces images under the dock, in a window that is drawn.

    python tests/support/replacing.py SCENARIO

Nothing of vispy is neutralised here. It prints "survived" where napari did, and the new image has its tiles.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import napari
import numpy as np
from napari import Viewer
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QTimer

# Seconds to wait, or what to wait for.
Step = float | Callable[[], bool]
Steps = Iterator[Step]
SCENARIOS: dict[str, Callable[[Viewer, Any], Steps]] = {}
UM = {"scale": (0.5, 0.25), "translate": (10, -20), "units": ("um", "um")}
UM_3D = {"scale": (2, 0.5, 0.25), "units": ("um", "um", "um")}
PATIENCE = 300


def scenario(steps: Callable[[Viewer, Any], Steps]) -> Callable[[Viewer, Any], Steps]:
    SCENARIOS[steps.__name__] = steps
    return steps


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


def levels(shape: tuple[int, ...]) -> list[np.ndarray[Any, Any]]:
    full = pixels(shape)
    return [full, full[::2, ::2], full[::4, ::4]]


def ours(viewer: Viewer, name: str) -> Layer | None:
    return next((layer for layer in viewer.layers if layer.name == name), None)


def tiled(viewer: Viewer, dock: Any, name: str) -> Callable[[], bool]:
    """Whether the tiling of this image is drawn right on it."""

    def is_tiled() -> bool:
        image, zones = viewer.layers[name], ours(viewer, "Tiles: zones")
        if dock.plan is None or dock.fields.image.value is not image or zones is None or not zones.visible:
            return False
        shape = (image.data[0] if image.multiscale else image.data).shape[-2:]
        corners = image.data_to_world((*(0,) * (image.ndim - 2), *(side - 1 for side in shape)))[-2:]
        low, high = zones.extent.world
        half = np.abs(image.scale[-2:]) / 2
        return (
            zones.units == image.units[-2:]
            and viewer.layers.index(zones) > viewer.layers.index(image)
            and np.allclose(low, image.translate[-2:] - half)
            and np.allclose(high, np.array(corners) + half)
        )

    return is_tiled


def looked_at(viewer: Viewer) -> Steps:
    """Draw frames of all kinds: what was broken in the picture shows up in one of them."""
    for layer in list(viewer.layers):
        layer.visible = not layer.visible
        yield 0.1
        layer.visible = not layer.visible
        yield 0.1
    viewer.scene.camera.zoom *= 1.3
    yield 0.2
    viewer.reset_view()
    yield 0.2


def replaced(viewer: Viewer, dock: Any, way: str, data: Any, **image: Any) -> Steps:
    """Replace all layers, or the image alone, in one go, and wait for the tiles of the new image."""
    before = dock.fields.image.value
    if way == "clear":
        viewer.layers.clear()
    else:
        viewer.layers.remove(before)
    viewer.add_image(data, name="other", **image)
    yield tiled(viewer, dock, "other")
    assert viewer.layers.units is not None, "units that cannot be compared are left"
    yield from looked_at(viewer)


@scenario
def cleared(viewer: Viewer, dock: Any) -> Steps:
    viewer.add_image(pixels((2048, 2048)), name="slide")
    yield tiled(viewer, dock, "slide")
    yield from replaced(viewer, dock, "clear", pixels((2048, 2048), 1))
    yield from replaced(viewer, dock, "clear", pixels((1000, 900), 2))


@scenario
def removed(viewer: Viewer, dock: Any) -> Steps:
    viewer.add_image(pixels((2048, 2048)), name="slide")
    yield tiled(viewer, dock, "slide")
    yield from replaced(viewer, dock, "remove", pixels((1500, 1500), 1))
    yield from replaced(viewer, dock, "remove", pixels((700, 900), 1))


@scenario
def with_and_without_units(viewer: Viewer, dock: Any) -> Steps:
    for way in ("clear", "remove"):
        viewer.layers.clear()
        viewer.add_image(pixels((1024, 1024)), name="slide", **UM)
        yield tiled(viewer, dock, "slide")
        dock.overlay.start_status()
        yield 0.3
        yield from replaced(viewer, dock, way, pixels((900, 900), 1))
        yield from replaced(viewer, dock, way, pixels((800, 800), 2), **UM)


def with_volumes(viewer: Viewer, dock: Any, way: str, turned: bool) -> Steps:
    import torch

    import napari_exactile as ex

    net = torch.nn.Conv3d(1, 2, 3, padding=1).eval()
    solid = ex.load_model(net, name="solid", title="solid", axes="zyx")
    viewer.add_image(pixels((24, 300, 280)), name="slide", **UM_3D)
    dock.add_model(solid)
    dock.fields.automatic.value = False
    dock.fields.tile.value = 64
    yield tiled(viewer, dock, "slide")
    if turned:
        viewer.dims.ndisplay = 3
        yield lambda: ours(viewer, "Tiles: box") is not None
        yield 0.3
    viewer.layers.clear() if way == "clear" else viewer.layers.remove("slide")
    viewer.add_image(pixels((20, 280, 260), 1), name="other")
    viewer.dims.ndisplay = 2
    yield tiled(viewer, dock, "other")
    yield from looked_at(viewer)
    viewer.layers.clear() if way == "clear" else viewer.layers.remove("other")
    viewer.add_image(pixels((600, 500), 1), name="flat", **UM)
    dock.fields.model.value = "colonies-demo"
    dock.fields.automatic.value = True
    yield tiled(viewer, dock, "flat")
    assert viewer.dims.ndim == 2, "an axis of the volume is left"
    assert viewer.layers.units is not None
    yield from looked_at(viewer)


@scenario
def volumes(viewer: Viewer, dock: Any) -> Steps:
    yield from with_volumes(viewer, dock, "clear", turned=False)
    viewer.layers.clear()
    yield 0.3
    yield from with_volumes(viewer, dock, "remove", turned=True)


@scenario
def multiscale_and_several(viewer: Viewer, dock: Any) -> Steps:
    viewer.add_image(pixels((600, 500)), name="first")
    viewer.add_image(levels((1600, 1500)), name="slide")
    dock.fields.image.value = viewer.layers["slide"]
    yield tiled(viewer, dock, "slide")
    viewer.layers.remove("slide")
    yield tiled(viewer, dock, "first")
    yield from looked_at(viewer)
    yield from replaced(viewer, dock, "clear", levels((1400, 1200)))
    yield from replaced(viewer, dock, "remove", levels((1000, 1000)), **UM)


@scenario
def with_all_that_is_shown(viewer: Viewer, dock: Any) -> Steps:
    """With a preview, rectangles, results, objects and the tiling, cleared together."""
    viewer.add_image(pixels((700, 640)), name="slide", **UM)
    yield tiled(viewer, dock, "slide")
    dock.fields.probabilities.value = True
    dock.start()
    yield lambda: not dock.running
    dock.results.objects.find()
    yield lambda: not dock.results.objects.finding
    dock.fields.automatic.value = False
    dock.fields.tile.value = 256
    dock.fields.region.value = "Drawn rectangle"
    viewer.layers["Region: rectangle"].add_rectangles([[20, 30], [600, 600]])
    dock.preview.fields.header.setChecked(True)
    yield lambda: ours(viewer, "Preview: pixels that differ") is not None
    yield 0.3
    dock.fields.region.value = "Whole image"
    yield from replaced(viewer, dock, "clear", pixels((800, 760), 1))
    yield lambda: viewer.layers["Preview: window"].visible
    yield from replaced(viewer, dock, "remove", pixels((700, 760), 2), **UM)


@scenario
def during_a_run(viewer: Viewer, dock: Any) -> Steps:
    for way in ("clear", "remove"):
        viewer.add_image(pixels((1400, 1400)), name="slide", **(UM if way == "clear" else {}))
        dock.fields.automatic.value = False
        dock.fields.tile.value = 256
        yield tiled(viewer, dock, "slide")
        dock.start()
        yield lambda: dock.run.series.done > 1 and dock.run.layer is not None
        viewer.layers.clear() if way == "clear" else viewer.layers.remove("slide")
        viewer.add_image(pixels((900, 900), 1), name="other")
        yield lambda: not dock.running
        done = dock.run.layer in viewer.layers
        assert done == (way == "remove"), "a run goes on while its labels are there"
        yield tiled(viewer, dock, "other")
        yield from looked_at(viewer)
        viewer.layers.clear()
        yield 0.3


@scenario
def under_a_floating_dock(viewer: Viewer, dock: Any) -> Steps:
    dock.parent().setFloating(True)
    yield 0.3
    yield from cleared(viewer, dock)


@scenario
def under_a_closed_dock(viewer: Viewer, dock: Any) -> Steps:
    """Layers that the dock leaves behind, and the window, stand what they stood with it."""
    viewer.add_image(pixels((2048, 2048)), name="slide", **UM)
    yield tiled(viewer, dock, "slide")
    viewer.window.remove_dock_widget(dock)
    yield 0.3
    for seed in (1, 2):
        viewer.layers.remove(next(one for one in viewer.layers if isinstance(one, Image)))
        viewer.add_image(pixels((1500, 1500), seed))
        yield 0.3
        yield from looked_at(viewer)
    viewer.layers.clear()
    viewer.add_image(pixels((1500, 1500), 3))
    viewer.add_labels(np.zeros((1500, 1500), np.uint8))
    yield from looked_at(viewer)
    assert sum(isinstance(layer, Labels) for layer in viewer.layers) == 1


def main(name: str) -> None:
    faulthandler.enable()
    viewer = napari.Viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-exactile", "Exact segmentation")
    steps, began = SCENARIOS[name](viewer, dock), monotonic()
    state: dict[str, Any] = {"step": 0.5, "since": monotonic()}

    def tick() -> None:
        # While it runs, napari shows errors in slots, and goes on.
        sys.excepthook = fail
        step = state["step"]
        is_due = step() if callable(step) else monotonic() - state["since"] > step
        if is_due:
            state.update(step=next(steps, None), since=monotonic())
        elif monotonic() - began > PATIENCE:
            raise TimeoutError(f"in vain: {_place(steps)}, {dock.footer.reason.text()!r}, {_facts(viewer)}")
        if state["step"] is None:
            print("survived", flush=True)
            os._exit(0)

    timer = QTimer()
    timer.setInterval(20)
    timer.timeout.connect(tick)
    timer.start()
    napari.run()


def fail(kind: Any, error: BaseException, trace: Any) -> None:
    sys.__excepthook__(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)


def _facts(viewer: Viewer) -> str:
    return "\n".join(
        f"{one.name}: {one.visible=}, {one.units=}, {one.extent.world.tolist()}" for one in viewer.layers
    )


def _place(steps: Any) -> str:
    lines = []
    while steps is not None and steps.gi_frame is not None:
        lines.append(f"line {steps.gi_frame.f_lineno}")
        steps = steps.gi_yieldfrom
    return ", ".join(lines)


if __name__ == "__main__":
    main(sys.argv[1])
