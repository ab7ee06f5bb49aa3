"""What the dock has put on disk is shown, reported, copied, saved and verified as it would be in memory."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from docks import WAIT, finish, lively_model, pixels, to_disk
from napari_exactile.images.store import tiff
from napari_exactile.images.store.journal import read_json
from napari_exactile.images.view import View
from napari_exactile.widget.choose.fields import ALL_PLANES
from napari_exactile.widget.draw.stored_levels import Repeated
from napari_exactile.widget.open.image_reader import add_image

SHAPE = (700, 900)  # three levels


def test_stacks_with_channels_on_disk(opened: Any, qtbot: QtBot, tmp_path: Path, model: ex.Model) -> None:
    """All planes of a stack lie on disk as they would in memory, and the layer has the image's axes."""
    data = pixels((3, 200, 150))
    _, dock = opened(data, tile=92)
    dock.fields.planes.value = "All planes"
    to_disk(dock, tmp_path / "labels.ome.zarr")
    layer = finish(qtbot, dock)
    assert layer.ndim == 3
    found = layer.data[0] if layer.multiscale else layer.data
    for number, plane in enumerate(data):
        assert np.array_equal(np.asarray(found[number]), ex.segment_whole(plane, model).labels)


def test_the_report_of_labels_on_disk_and_in_memory(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Report... shows what the store keeps, with the check of windows; of labels in memory what is known."""
    _, dock = opened(pixels(SHAPE), tile=172)
    assert not dock.footer.report.isVisibleTo(dock)
    finish(qtbot, dock)
    dialog = dock.result.dialog
    dock.footer.report.click()
    qtbot.waitUntil(dialog.isVisible, timeout=WAIT)
    assert "exact: the labels of one pass" in dialog.facts.toPlainText()
    dialog.close()
    to_disk(dock, tmp_path / "labels.ome.zarr")
    finish(qtbot, dock)
    dock.footer.report.click()
    qtbot.waitUntil(dialog.isVisible, timeout=WAIT)
    assert read_json(tmp_path / "labels.ome.zarr/exactile/report.json")["spot_check"]["differing"] == 0
    assert "windows" in dialog.facts.toPlainText()


def test_a_copy_of_the_view_can_be_painted(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """The button adds a paintable layer with the labels in sight; it is offered for labels on disk only."""
    viewer, dock = opened(pixels(SHAPE), tile=172)
    finish(qtbot, dock)
    assert not dock.footer.copy.isVisibleTo(dock)
    to_disk(dock, tmp_path / "labels.ome.zarr")
    layer = finish(qtbot, dock)
    dock.footer.copy.click()
    name = f"{layer.name} (copy)"
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=WAIT)
    copy = viewer.layers[name]
    assert copy.editable
    box = [round(start) for start in copy.translate]
    part = np.asarray(layer.data[0][:, :])[box[0] :, box[1] :]
    assert np.array_equal(copy.data, part[: len(copy.data), : len(copy.data[0])])


def test_saving_can_be_stopped(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed again while a file is written, the button stops that, and no file is left."""
    _, dock = opened(pixels(SHAPE), tile=172)
    finish(qtbot, dock)
    held, original = threading.Event(), tiff._filled
    monkeypatch.setattr(tiff, "_filled", lambda part: (held.wait(WAIT / 1000), original(part))[1])
    path = tmp_path / "saved.ome.tif"
    dock.save(path)
    qtbot.waitUntil(lambda: dock.footer.save.text() == "Stop saving", timeout=WAIT)
    dock.footer.save.click()
    held.set()
    qtbot.waitUntil(lambda: dock.footer.save.text() == "Save...", timeout=WAIT)
    assert dock.footer.result.text() == "Not saved: stopped"
    assert not list(tmp_path.glob("*.tif*"))
    dock.save(path)
    qtbot.waitUntil(path.exists, timeout=WAIT)


def test_probabilities_on_disk_are_layers(opened: Any, qtbot: QtBot, tmp_path: Path, model: ex.Model) -> None:
    """Of a time series, where channels come after time on disk, each class has its layer as in memory."""
    data = pixels((2, 140, 150))
    viewer, dock = opened(data, tile=92)
    dock.fields.planes.value = "All planes"
    dock.fields.probabilities.value = True
    to_disk(dock, tmp_path / "labels.ome.zarr")
    finish(qtbot, dock)
    found = [layer for layer in viewer.layers if "probability of" in layer.name]
    expected = ex.segment(data, model, axes="tyx", tile=92, probabilities=True, stream=True).probabilities
    for layer, values in zip(found, expected[1:], strict=True):  # all but the background
        assert not layer.visible
        assert np.array_equal(np.asarray(layer.data), values)


def test_values_on_disk_are_layers(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """A network that gives values has an image layer for each output, with all its levels, and Save works."""
    torch.manual_seed(0)
    net = nn.Conv2d(1, 2, 3, padding=1).eval()
    values, data = ex.load_model(net, name="values", kind="values"), pixels(SHAPE)
    viewer, dock = opened(data, tile=172)
    dock.add_model(values)
    qtbot.waitUntil(lambda: dock.plan is not None and dock._chooser.choice.task.model is values, timeout=WAIT)
    to_disk(dock, tmp_path / "values.ome.zarr")
    finish(qtbot, dock)
    expected = ex.segment(data, values, tile=172, stream=True).probabilities
    outputs = [layer for layer in viewer.layers if "output" in layer.name]
    for layer, channel in zip(outputs, expected, strict=True):
        for level, shown in enumerate(layer.data):
            assert np.array_equal(np.asarray(shown[:, :]), channel[:: 2**level, :: 2**level])
        assert layer.contrast_limits[0] < layer.contrast_limits[1] != 1
    dock.save(tmp_path / "values.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    assert np.array_equal(tifffile.imread(tmp_path / "values.ome.tif"), expected)


KEYS = (np.s_[:], np.s_[2, 1:3], np.s_[..., 3], np.s_[1:3, :, 1:5], np.s_[0, 1, 2])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_part_on_disk_is_sliced_like_numpy(tmp_path: Path, axis: int, key: Any) -> None:
    """It gives what numpy gives of a part of an array, repeated along a new axis."""
    values = np.arange(6 * 2 * 7).reshape(6, 2, 7)
    stored = zarr.create_array(tmp_path / "a", data=values)
    part = Repeated(View(stored, (slice(None), 1, slice(None))), axis, 4)
    like = np.repeat(np.expand_dims(values[:, 1], axis), 4, axis)
    assert part.shape == like.shape
    assert np.array_equal(part[key], like[key])
    assert np.array_equal(np.asarray(part), like)


def test_objects_and_saving_from_disk(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Objects are found in labels on disk, and Save writes them as in memory."""
    _, dock = opened(pixels(SHAPE), tile=172)
    to_disk(dock, tmp_path / "labels.ome.zarr")
    layer = finish(qtbot, dock)
    assert isinstance(layer, Labels)
    dock.results.objects.find()
    qtbot.waitUntil(lambda: dock.results.objects.objects is not None, timeout=WAIT)
    assert dock.results.objects.objects.pixels.sum() > 0
    dock.save(tmp_path / "saved.ome.tif")
    qtbot.waitUntil(lambda: dock.run.status.saved, timeout=WAIT)
    assert np.array_equal(tifffile.imread(tmp_path / "saved.ome.tif"), np.asarray(layer.data[0][:, :]))


def reopened_layers(viewer: Any, path: Path) -> list[Any]:
    """Open a file of two channels and three times in the viewer."""
    image = pixels((3, 2, 200, 150))
    tifffile.imwrite(path, image, metadata={"axes": "TCYX"}, photometric="minisblack", tile=(64, 64))
    return add_image(viewer, path)


@pytest.mark.parametrize("everything", [False, True])
def test_labels_of_a_layer_are_verified_by_its_file(
    opened: Any, qtbot: QtBot, tmp_path: Path, model: ex.Model, everything: bool
) -> None:
    """The store knows which channel and plane of the file were segmented; a moved file is the same one."""
    path = tmp_path / "labels.ome.zarr"
    viewer, dock = opened("nothing", plan=False)
    first, _second = reopened_layers(viewer, tmp_path / "a.ome.tif")
    viewer.dims.set_point(0, 1)
    dock.fields.image.value = first
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    if everything:
        dock.fields.planes.value = ALL_PLANES
    to_disk(dock, path)
    finish(qtbot, dock)
    origin = read_json(path / "exactile" / "report.json")["image"]
    assert (origin["arrays"][0]["part"], origin["plane"]) == (
        [None, 0, None, None],
        [] if everything else [1],
    )
    assert ex.verify(path, model=model).agrees
    (tmp_path / "a.ome.tif").rename(tmp_path / "b.ome.tif")
    with pytest.raises(ValueError, match=r"is not at .*a\.ome\.tif any more"):
        ex.verify(path, model=model)
    assert ex.verify(path, tmp_path / "b.ome.tif", model).agrees
    taken = tifffile.imread(tmp_path / "b.ome.tif")[:, 0]
    assert ex.verify(path, taken if everything else taken[1], model).agrees
    taken[:, -1, -1] += 1
    with pytest.raises(ValueError, match="another image content"):
        ex.verify(path, taken if everything else taken[1], model)


def test_labels_of_several_layers_are_verified_by_their_file(
    opened: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """Layers that hold the channels are found again; one file with all of them does as well."""
    model, path = lively_model("two", channels=2), tmp_path / "labels.ome.zarr"
    viewer, dock = opened("nothing", plan=False)
    dock.add_model(model)
    viewer.layers.selection = set(reopened_layers(viewer, tmp_path / "a.ome.tif"))
    viewer.dims.set_point(0, 2)
    dock.fields.channels.value = "selected layers"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    to_disk(dock, path)
    finish(qtbot, dock)
    assert ex.verify(path, model=model).agrees
    (tmp_path / "a.ome.tif").rename(tmp_path / "b.ome.tif")
    assert ex.verify(path, tmp_path / "b.ome.tif", model).agrees
    channels = tifffile.imread(tmp_path / "b.ome.tif")[2]
    assert ex.verify(path, np.moveaxis(channels, 0, -1), model, axes="yxc").agrees
    with pytest.raises(ValueError, match="another image content"):
        ex.verify(path, channels[::-1], model, axes="cyx")
