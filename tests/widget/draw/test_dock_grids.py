"""Labels on another grid than the image lie on what they label: in the viewer, and in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from command_line import call, summary, use_model
from docks import WAIT, finish
from napari_exactile.images.store.tiff import open_tiff
from napari_exactile.widget.choose.fields import VIEW
from napari_exactile.widget.choose.normalization_fields import NONE

# A bright square in the image, on multiples of 4 px.
SQUARE = (slice(24, 40), slice(32, 56))


def averaging(size: int, step: int, padding: int = 0) -> nn.Module:
    """A network that says where its window of the image is bright on average."""
    net = nn.Conv2d(1, 1, size, step, padding)
    nn.init.constant_(net.weight, 1 / size**2)
    nn.init.constant_(net.bias, -0.5)
    return net.eval()


def finer() -> nn.Module:
    net = nn.ConvTranspose2d(1, 1, 2, 2)
    nn.init.constant_(net.weight, 1)
    nn.init.constant_(net.bias, -0.5)
    return net.eval()


GRIDS = {
    "stride-4": (averaging(4, 4), (15, 20), (2.0, 1.0)),
    "unpadded": (averaging(5, 1), (56, 75), (0.5, 0.25)),
    "finer": (finer(), (120, 158), (0.25, 0.125)),
}


def bright_square() -> np.ndarray[Any, Any]:
    image = np.zeros((60, 79), np.float32)
    image[SQUARE] = 1
    return image


def add_model(dock: Any, qtbot: QtBot, name: str) -> None:
    dock.add_model(ex.load_model(GRIDS[name][0], name=name, title=name))
    dock.fields.normalization.value = NONE
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)


def world_corners(layer: Any, marked: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where the box around marked pixels begins and ends in the world: from edge to edge of its pixels."""
    places = np.argwhere(marked)
    return np.array([layer.data_to_world(places.min(0) - 0.5), layer.data_to_world(places.max(0) + 0.5)])


@pytest.mark.parametrize("name", GRIDS)
def test_labels_lie_on_what_they_label(opened: Any, qtbot: QtBot, name: str) -> None:
    """A bright square and its label begin and end at the same places of the world, turned images included."""
    _, shape, scale = GRIDS[name]
    viewer, dock = opened(
        bright_square(), tile=None, plan=False, scale=(0.5, 0.25), translate=(3, 4), rotate=30,
        units=("um", "um"),
    )  # fmt: skip
    add_model(dock, qtbot, name)
    layer = finish(qtbot, dock)
    assert layer.data.shape == shape
    np.testing.assert_allclose(layer.scale, scale)
    found = world_corners(layer, layer.data == 1)
    np.testing.assert_allclose(found, world_corners(viewer.layers["slide"], bright_square() > 0))


def test_labels_of_the_view_lie_there(opened: Any, qtbot: QtBot) -> None:
    """The current view gets those labels that belong to it, and they lie where those of the whole do."""
    viewer, dock = opened(bright_square(), tile=None, plan=False, show=True)
    add_model(dock, qtbot, "stride-4")
    viewer.scene.camera.center, viewer.scene.camera.zoom = (34, 46), 20
    dock.fields.region.value = VIEW
    qtbot.waitUntil(lambda: dock.plan is not None and dock.plan.tiling.region[0].start > 0, timeout=WAIT)
    layer = finish(qtbot, dock)
    region = dock.run.job.task.plan.tiling.region
    assert layer.data.shape < (15, 20)
    for corner in ([0, 0], [n - 1 for n in layer.data.shape]):
        begin = np.array(layer.data_to_world(np.array(corner) - 0.5)) + 0.5
        assert not (begin % 4).any()
        assert all(side.start <= place < side.stop for side, place in zip(region, begin, strict=True))


def test_probabilities_lie_on_the_labels(opened: Any, qtbot: QtBot) -> None:
    """Layers of probabilities have the place and the pixels of the labels."""
    viewer, dock = opened(bright_square(), tile=None, plan=False)
    dock.fields.probabilities.value = True
    add_model(dock, qtbot, "unpadded")
    layer = finish(qtbot, dock)
    (other,) = (one for one in viewer.layers if "probability" in one.name)
    assert other.data.shape == layer.data.shape
    np.testing.assert_array_equal(other.scale, layer.scale)
    np.testing.assert_array_equal(other.translate, layer.translate)


def test_the_preview_says_why_it_shows_nothing(opened: Any, qtbot: QtBot) -> None:
    """The error of the usual tiling is shown on the image's own grid alone: one sentence says so."""
    _viewer, dock = opened(bright_square(), tile=None, plan=False, show=True)
    dock.preview.fields.header.setChecked(True)
    add_model(dock, qtbot, "stride-4")
    assert "15 x 20 labels of 4 px" in dock.fields.exact_note.text()
    note = dock.preview.fields.result
    qtbot.waitUntil(lambda: "on the image's own grid" in note.text(), timeout=WAIT)
    assert dock.footer.run.isEnabled()


def test_saved_labels_have_the_size_of_their_pixels(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """A file tells the size of a label in micrometres, and where the labels begin."""
    _viewer, dock = opened(bright_square(), tile=None, plan=False, scale=(0.5, 0.25), units=("um", "um"))
    add_model(dock, qtbot, "stride-4")
    finish(qtbot, dock)
    dock.save(tmp_path / "out.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.result.text().endswith("- saved"), timeout=WAIT)
    assert open_tiff(tmp_path / "out.ome.tif").pixel_size == (2.0, 1.0)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`exactile segment` writes labels of the output's shape and pixel size, and says what grid they have."""
    image, out = tmp_path / "image.tif", tmp_path / "out.tif"
    size = {"PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    tifffile.imwrite(image, np.stack([bright_square()] * 2), ome=True, metadata={"axes": "ZYX", **size})
    use_model(monkeypatch, averaging(6, 2))
    result = call("segment", image, "--model", "colonies-demo", "--out", out, "--normalization", "none")
    assert summary(result)["grid"] == "2 x 28 x 38 labels of 2 px, from 2 px on"
    opened = open_tiff(out)
    assert opened.array.shape == (2, 28, 38)
    assert opened.pixel_size == (1.0, 0.5)
    with tifffile.TiffFile(out) as file:
        assert "from 2 px on" in str(file.ome_metadata)
    assert np.array_equal(
        opened.array[1], ex.segment(bright_square(), averaging(6, 2), normalization="none").labels
    )
    told = summary(call("inspect", "colonies-demo", "--shape", "60,79"))
    assert told["grid"] == "28 x 38 labels of 2 px, from 2 px on"
