"""Stacks, volumes, channels and other outputs in the dock: what comes out lies where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot
from torch import Tensor, nn

import napari_exactile as ex
from docks import WAIT, Brake, finish, lively_model, pixels
from napari_exactile.geometry.interval import Interval
from napari_exactile.widget.choose.fields import ALL_PLANES
from napari_exactile.widget.draw.overlay import TileStatus
from napari_exactile.widget.draw.volume import edges


class Small(nn.Module):
    """Two convolutions along two or three axes."""

    def __init__(self, channels: int, out: int, axes: int) -> None:
        super().__init__()
        kind = nn.Conv2d if axes == 2 else nn.Conv3d
        torch.manual_seed(5)
        self.one, self.two = kind(channels, 4, 3, padding=1), kind(4, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.two(torch.relu(self.one(x)))
        return result


def small(name: str, channels: int = 1, out: int = 3, axes: int = 2, **facts: Any) -> ex.Model:
    return ex.load_model(Small(channels, out, axes).eval(), name=name, **facts)


def use(qtbot: QtBot, dock: Any, model: ex.Model) -> None:
    dock.add_model(model)
    qtbot.waitUntil(
        lambda: dock._chooser.choice is not None and dock._chooser.choice.task.model is model, timeout=WAIT
    )


def is_solid(overlay: Any) -> bool:
    """Whether the tiles of a volume are drawn."""
    return overlay._whole is not None and len(overlay._whole.shape) == 3


def test_all_planes_are_segmented_each_as_by_itself(
    opened: Any, qtbot: QtBot, model: ex.Model, tmp_path: Path
) -> None:
    """With "All planes", every plane has the labels of one pass over it; the saved file is the stack."""
    stack = pixels((3, 90, 80))
    _, dock = opened(stack, scale=(5, 1, 1))
    assert dock.fields.planes_row.isVisibleTo(dock)
    dock.fields.planes.value = ALL_PLANES
    layer = finish(qtbot, dock)
    for plane, labels in zip(stack, layer.data, strict=True):
        np.testing.assert_array_equal(labels, ex.segment_whole(plane, model).labels)
    assert tuple(layer.scale) == (5, 1, 1)
    assert dock.run.summary().startswith("Done: exact")
    dock.save(tmp_path / "labels.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.ome.tif"), layer.data)


def test_a_stack_is_cancelled_and_continued_between_planes(
    opened: Any, qtbot: QtBot, model: ex.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled in the second plane, the layer says how much is done; Run continues to the same labels."""
    stack, brake = pixels((2, 90, 80)), Brake(monkeypatch)
    _, dock = opened(stack)
    dock.fields.planes.value = ALL_PLANES
    dock.start()
    brake.let(9)
    qtbot.waitUntil(lambda: dock.run.series.done == 9, timeout=WAIT)
    assert (dock.run.layer.data[1] == 3).any()
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    assert "(incomplete, 75 %)" in dock.run.layer.name
    assert dock.footer.run.text() == "Continue"
    brake.let(100)
    layer = finish(qtbot, dock)
    assert "incomplete" not in layer.name
    np.testing.assert_array_equal(layer.data[1], ex.segment_whole(stack[1], model).labels)


def test_objects_of_a_stack_stay_in_their_planes(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """Objects of all planes are those of each plane by itself, numbered on."""
    _, dock = opened(pixels((2, 60, 50)))
    dock.fields.planes.value = ALL_PLANES
    layer = finish(qtbot, dock)
    section = dock.results.objects
    section.fields.find.native.click()
    qtbot.waitUntil(lambda: not section.finding and section.layer is not None, timeout=WAIT)
    counts = [len(ex.find_objects(plane, background=0)) for plane in layer.data]
    assert len(section.objects) == sum(counts)
    assert len(np.unique(section.layer.data[0])) - 1 == counts[0]


def test_together_normalises_the_stack_as_one(opened: Any, qtbot: QtBot, model: ex.Model) -> None:
    """The choice reaches the run: its report has the mean of the whole stack."""
    stack = pixels((2, 60, 50))
    stack[1] += 9000
    _, dock = opened(stack)
    dock.fields.planes.value, dock.fields.together.value = ALL_PLANES, True
    finish(qtbot, dock)
    (step,) = dock.run.series.report().normalization.steps
    assert step.mean[0] == pytest.approx(stack.mean())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_are_found_on_any_axis(opened: Any, qtbot: QtBot, axis: int) -> None:
    """For a model of two channels, the axis of two is taken; labels show along it without copies."""
    colour = lively_model("two", channels=2)
    cyx = pixels((2, 60, 50))
    viewer, dock = opened(np.moveaxis(cyx, 0, axis), plan=False, show=True)
    use(qtbot, dock, colour)
    layer = finish(qtbot, dock)
    expected = ex.segment_whole(cyx, colour).labels
    assert dock.run.series.labels.shape == (60, 50)
    assert layer.data.shape == viewer.layers["slide"].data.shape
    for labels in np.moveaxis(layer.data, axis, 0):
        np.testing.assert_array_equal(labels, expected)
    assert layer.data.base is not None
    # On the last axes, tiles are drawn; elsewhere they would lie in the wrong place.
    assert (dock.overlay._zones.layer is not None and dock.overlay._zones.layer.visible) == (axis == 0)


def test_the_person_says_where_the_channels_lie(opened: Any, qtbot: QtBot) -> None:
    """Where two axes fit, the choice decides; a choice that does not fit is explained."""
    colour = lively_model("two", channels=2)
    image = pixels((2, 2, 40, 50))
    viewer, dock = opened(image, plan=False)
    use(qtbot, dock, colour)
    viewer.dims.set_current_step(0, 1)
    dock.fields.channels.value = 1
    layer = finish(qtbot, dock)
    np.testing.assert_array_equal(layer.data[1, 0], ex.segment_whole(image[1], colour).labels)
    dock.fields.channels.value = 2
    assert "'slide' has 40 channels, but the model takes 2" in dock.fields.image_note.text()
    assert dock.fields.channels_row.isVisibleTo(dock)


def test_selected_layers_are_the_channels(opened: Any, qtbot: QtBot) -> None:
    """Two selected layers are the channels, from the lowest up; one of another shape is refused."""
    colour = lively_model("two", channels=2)
    image = pixels((2, 60, 50))
    viewer, dock = opened(image[0], plan=False)
    second = viewer.add_image(image[1], name="second")
    dock.add_model(colour)
    viewer.layers.selection = {viewer.layers["slide"], second}
    dock.fields.channels.value = "selected layers"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    layer = finish(qtbot, dock)
    np.testing.assert_array_equal(layer.data, ex.segment_whole(image, colour).labels)
    second.data = pixels((30, 30))
    dock.update_plan()
    assert "'second' has not the shape of 'slide'" in dock.fields.image_note.text()


def test_a_volume_is_segmented_and_its_tiles_are_boxes(opened: Any, qtbot: QtBot) -> None:
    """A network of volumes labels (z, y, x) as one pass does; zones show in 2D, a tile's box in 3D."""
    solid = small("solid", axes=3)
    volume = pixels((20, 40, 50))
    viewer, dock = opened(volume, scale=(2, 1, 1), plan=False, tile=14, show=True)
    use(qtbot, dock, solid)
    qtbot.waitUntil(lambda: is_solid(dock.overlay), timeout=WAIT)
    assert dock.overlay._zones.layer.visible
    layer = finish(qtbot, dock)
    assert dock.run.job.task.plan.zor == (10, 10, 10)
    np.testing.assert_array_equal(layer.data, ex.segment_whole(volume, solid).labels)
    viewer.dims.ndisplay = 3
    box = dock.overlay._box._own.layer
    assert box.visible
    assert len(box.data) == 24
    assert not dock.overlay._zones.layer.visible
    # In the world: lines are as wide along z as along the other axes, whatever the distance of planes.
    low = np.min([line.min(axis=0) for line in box.data], axis=0) * box.scale + box.translate
    assert (low >= -0.5 * np.array(layer.scale)).all()
    viewer.dims.ndisplay = 2
    assert not box.visible


def test_the_status_of_a_volume_is_that_of_the_plane_in_view(opened: Any, qtbot: QtBot) -> None:
    """Of a volume's tiles, those show their status that the plane in view passes through."""
    viewer, dock = opened(pixels((20, 40, 50)), plan=False, tile=14, show=True)
    use(qtbot, dock, small("solid", axes=3))
    overlay = dock.overlay
    qtbot.waitUntil(lambda: is_solid(overlay), timeout=WAIT)
    viewer.dims.set_current_step(0, 3)
    overlay.start_status()
    overlay.set_status([0, 21], TileStatus.DONE)
    assert overlay._slab == 0
    viewer.dims.set_current_step(0, 12)
    assert overlay._slab == 1
    qtbot.waitUntil(lambda: overlay._slab_shown == 1, timeout=WAIT)


def test_edges_are_those_of_the_box() -> None:
    """Twelve lines join the eight corners, between pixels, each along one axis."""
    lines = edges((Interval(0, 2), Interval(3, 7), Interval(1, 9)))
    assert lines.shape == (12, 2, 3)
    assert ((lines[:, 0] != lines[:, 1]).sum(axis=1) == 1).all()
    corners = {tuple(corner) for corner in lines.reshape(-1, 3)}
    assert corners == {(z, y, x) for z in (-0.5, 1.5) for y in (2.5, 6.5) for x in (0.5, 8.5)}


def test_channels_decided_by_themselves_are_layers(opened: Any, qtbot: QtBot) -> None:
    """Each channel of a multi-label model has a Labels layer that is called after it."""
    many = small("many", kind="threshold", classes=("cell", "nucleus", "debris"))
    image = pixels((60, 50))
    viewer, dock = opened(image, plan=False)
    use(qtbot, dock, many)
    finish(qtbot, dock)
    layers = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    assert [layer.name.split(": ")[-1] for layer in layers] == ["cell", "nucleus", "debris"]
    expected = ex.segment_whole(image, many).labels
    for layer, labels in zip(layers, expected, strict=True):
        np.testing.assert_array_equal(layer.data, labels)


def test_values_are_image_layers(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """The numbers of a regression are Image layers over their own range, and are saved as numbers."""
    values = small("values", out=2, kind="values")
    image = pixels((60, 50))
    viewer, dock = opened(image, plan=False)
    use(qtbot, dock, values)
    finish(qtbot, dock)
    outputs = [layer for layer in viewer.layers if isinstance(layer, Image) and "output" in layer.name]
    expected = ex.segment_whole(image, values).probabilities
    for layer, channel in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(layer.data, channel, atol=1e-5)
        assert layer.contrast_limits == pytest.approx([channel.min(), channel.max()], abs=1e-5)
    dock.save(tmp_path / "values.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "values.ome.tif"), expected, atol=1e-5)


def test_a_threshold_can_be_changed_after_the_run(opened: Any, qtbot: QtBot) -> None:
    """With probabilities kept, another threshold changes the labels to what a run with it would give."""
    yes_or_no = small("yes or no", out=1)
    image = pixels((60, 50))
    _, dock = opened(image, plan=False)
    use(qtbot, dock, yes_or_no)
    assert dock.fields.threshold_row.isVisibleTo(dock)
    dock.fields.probabilities.value = True
    layer = finish(qtbot, dock)
    threshold = round(float(np.quantile(dock.run.series.probabilities, 0.8)), 2)
    expected = ex.segment(image, yes_or_no, threshold=threshold).labels
    assert (layer.data != expected).any()
    dock.fields.threshold.value = threshold
    qtbot.waitUntil(lambda: np.array_equal(layer.data, expected), timeout=WAIT)
    use(qtbot, dock, small("classes"))
    assert not dock.fields.threshold_row.isVisibleTo(dock)
