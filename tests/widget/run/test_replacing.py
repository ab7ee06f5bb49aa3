"""Images that are replaced under the open dock, in windows that are drawn: napari survives, tiles follow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_exactile.geometry.tiling import Tiling
from napari_exactile.widget.draw.overlay import TilingOverlay
from napari_exactile.widget.draw.own_layer import Frame
from napari_exactile.widget.form.settled import Settled
from napari_exactile.widget.form.world import factors
from replacing import SCENARIOS

PROGRAM = Path(__file__).parents[2] / "support" / "replacing.py"
UM = {"scale": (0.5, 0.5), "units": ("um", "um")}
TILING = Tiling((96, 96), (8, 8), (32, 32), (16, 16))


# What napari is likeliest to end at; each of the others takes as long, in a window of its own.
USUAL = {"cleared", "with_all_that_is_shown", "during_a_run"}
NAMES = [name if name in USUAL else pytest.param(name, marks=pytest.mark.prove) for name in SCENARIOS]


@pytest.mark.parametrize("name", NAMES)
def test_napari_survives_and_the_new_image_has_its_tiles(tmp_path: Path, name: str) -> None:
    """In one go or one after the other, with whatever is shown: no crash, no error in a call of napari's, and
    the tiling lies on the new image. In a process of its own, as nothing that draws is replaced there."""
    own = {"XDG_CONFIG_HOME": str(tmp_path), "NAPARI_CONFIG": str(tmp_path / "napari.yaml")}
    command = [sys.executable, str(PROGRAM), name]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["survived"]), done.stderr[-4000:]


def test_what_changes_layers_waits_until_napari_is_done(
    viewer_model: Callable[..., ViewerModel], qtbot: QtBot
) -> None:
    """A call inside napari's is made when the list of layers rests, once; otherwise it is made at once."""
    viewer = viewer_model((96, 96))
    settled, calls = Settled(viewer), list[int]()
    call = lambda: calls.append(len(viewer.layers))  # noqa: E731
    settled.call(call)
    assert calls == [1]
    # As camera and dims do in the midst of it.
    viewer.layers.events.inserting.connect(lambda: settled.call(call))
    viewer.layers.events.removing.connect(lambda: settled.call(call))
    viewer.layers.clear()
    viewer.add_image(np.zeros((4, 4)))
    viewer.add_image(np.zeros((4, 4)))
    assert calls == [1]
    qtbot.waitUntil(lambda: calls == [1, 2], timeout=3000)
    settled.call(call)
    assert calls == [1, 2, 2]
    viewer.layers.clear()
    settled.leave()
    settled.leave()
    qtbot.wait(50)
    assert calls == [1, 2, 2], "nobody is there any more to be told"


def test_what_raises_in_napari_does_not_let_calls_wait_for_ever(
    viewer_model: Callable[..., ViewerModel], qtbot: QtBot
) -> None:
    """Where somebody else's callback raises, calls are made all the same as soon as napari is back."""
    viewer, calls = viewer_model((96, 96)), list[str]()

    def fail() -> None:
        settled.call(lambda: calls.append("waited"))
        raise ZeroDivisionError

    viewer.layers.events.inserted.connect(fail)
    settled = Settled(viewer)
    with pytest.raises(ZeroDivisionError):
        viewer.add_image(np.zeros((4, 4)))
    qtbot.waitUntil(lambda: calls == ["waited"], timeout=3000)
    settled.call(lambda: calls.append("at once"))
    assert calls == ["waited", "at once"]


def test_units_that_cannot_be_compared_are_the_same(viewer_model: Callable[..., ViewerModel]) -> None:
    """As napari shows them: between lengths and pixels there is no factor, nor for an axis that is gone."""
    viewer = viewer_model((4, 4), **UM)
    um, pixel = viewer.layers[0].units[0], ViewerModel().add_image(np.zeros((2, 2))).units[0]
    assert factors(viewer, (um, um)) == (1, 1)
    assert factors(viewer, (pixel, um)) == (1, 1)
    assert factors(viewer, (um, pixel, um)) == (1, 1, 1)
    viewer.layers.units = ("mm", "nm")
    assert factors(viewer, (um, um)) == pytest.approx((1e-3, 1e3))
    assert factors(viewer, (um, pixel, um)) == pytest.approx((1, 1, 1e3))


def test_the_overlay_forgets_its_image(viewer_model: Callable[..., ViewerModel]) -> None:
    """Without its image nothing is drawn, whatever moves and turns, until another tiling is shown."""
    viewer = viewer_model((96, 96), **UM)
    overlay = TilingOverlay(viewer)
    overlay.show(Frame.of(viewer.layers["image"]), TILING)
    overlay.start_status()
    overlay.forget()
    viewer.scene.camera.zoom = 3
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2
    overlay.start_status()
    overlay.visible = True
    ours = [layer for layer in viewer.layers if layer.name.startswith("Tiles: ")]
    assert len(ours) == 3
    assert not any(layer.visible for layer in ours)
    overlay.show(Frame.of(viewer.layers["image"]), TILING)
    assert [layer.name for layer in ours if layer.visible] == ["Tiles: zones", "Tiles: context"]
    assert sum(layer.visible for layer in ours) == 2


def test_what_is_drawn_while_it_is_hidden_is_measured(viewer_model: Callable[..., ViewerModel]) -> None:
    """A smaller tiling that is shown after the larger one was hidden takes no more room than it has."""
    viewer = viewer_model((96, 96))
    overlay, small = TilingOverlay(viewer), Tiling((40, 40), (8, 8), (32, 32), (16, 16))
    overlay.show(Frame(), TILING)
    overlay.hide()
    overlay.show(Frame(), small)
    np.testing.assert_allclose(viewer.layers["Tiles: zones"].extent.world, [[-0.5, -0.5], [39.5, 39.5]])
    viewer.layers["Tiles: zones"].visible = False
    overlay.show(Frame(), TILING)
    assert not viewer.layers["Tiles: zones"].visible
    np.testing.assert_allclose(viewer.layers["Tiles: zones"].extent.world, [[-0.5, -0.5], [95.5, 95.5]])
