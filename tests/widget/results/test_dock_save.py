"""Save... writes what was chosen: OME-TIFF, or an OME-Zarr that says the same as the layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr
from pytestqt.qtbot import QtBot
from torch import nn

import napari_exactile as ex
from docks import WAIT, Brake, begin, finish, pixels, to_disk
from napari_exactile.images.read.from_labels import open_labels
from napari_exactile.widget.form import picking


def saved(qtbot: QtBot, dock: Any, path: Path) -> Any:
    """Save as OME-Zarr; return its group."""
    dock.save(path)
    qtbot.waitUntil(lambda: dock.footer.save.text() == "Save..." and path.exists(), timeout=WAIT)
    assert not list(path.parent.glob(".*.part"))
    return zarr.open_group(path, mode="r")


def described(path: Path) -> str:
    return json.loads((path / "zarr.json").read_text())["attributes"]["napari-exactile"]["description"]


@pytest.mark.parametrize("place", ["in memory", "on disk"])
def test_labels_are_saved_as_ome_zarr(
    opened: Any, qtbot: QtBot, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All levels, classes, colours, pixel size and place are there, and how exact the labels are."""
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 2**10)
    _, dock = opened(pixels((200, 150)), scale=(0.5, 0.25), translate=(3, 4), units=("um", "um"))
    if place == "on disk":
        to_disk(dock, tmp_path / "store.ome.zarr")
    layer, path = finish(qtbot, dock), tmp_path / "saved.ome.zarr"
    group = saved(qtbot, dock, path)
    (labels,) = open_labels(path)
    whole = layer.data if place == "in memory" else layer.data[0][:, :]
    assert len(labels.levels) > 2
    for level, array in enumerate(labels.levels):
        assert np.array_equal(array[:, :], whole[:: 2**level, :: 2**level])
    assert (labels.place.scale, labels.place.translation) == ((0.5, 0.25), (3.0, 4.0))
    names = [labels.properties[label]["class"] for label in range(3)]
    assert names == list(layer.features["class"])
    assert labels.colors[1][:3] == pytest.approx(tuple(layer.colormap.map(1)[:3]), abs=1 / 255)
    assert described(path).startswith("exact: the labels of one pass over the whole image")
    ome_zarr = pytest.importorskip("ome_zarr_models.v05")
    ome_zarr.ImageLabel.from_zarr(group)


def test_edits_and_what_is_unfinished_are_saved_as_they_are(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Painted labels are in the folder, which says so; of a run that was cancelled, the rest is named."""
    _, dock = opened(pixels((200, 150)))
    layer = finish(qtbot, dock)
    layer.fill((10, 10), 1)
    saved(qtbot, dock, tmp_path / "edited.ome.zarr")
    assert np.array_equal(open_labels(tmp_path / "edited.ome.zarr")[0].levels[0][:, :], layer.data)
    assert "edited by hand" in described(tmp_path / "edited.ome.zarr")
    brake = Brake(monkeypatch)
    dock.fields.tile.value = 96
    begin(qtbot, dock, brake)
    dock.cancel()
    qtbot.waitUntil(lambda: not dock.running, timeout=WAIT)
    saved(qtbot, dock, tmp_path / "part.ome.zarr")
    (labels,) = open_labels(tmp_path / "part.ome.zarr")
    assert labels.properties[3]["class"] == "unfinished"
    assert described(tmp_path / "part.ome.zarr").startswith("INCOMPLETE")


def test_channels_come_where_ome_zarr_wants_them(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Of a time series whose channels are decided each by itself, time comes first, then the channels."""
    torch.manual_seed(4)
    net = nn.Conv2d(1, 3, 3, padding=1).eval()
    by_channel = ex.load_model(net, name="each", kind="threshold", classes=("a", "b", "c"))
    data = pixels((2, 90, 80))
    _, dock = opened(data, axis_labels=("t", "y", "x"))
    dock.add_model(by_channel)
    dock.fields.planes.value = "All planes"
    qtbot.waitUntil(
        lambda: dock.plan is not None and dock._chooser.choice.task.model is by_channel, timeout=WAIT
    )
    finish(qtbot, dock)
    group = saved(qtbot, dock, tmp_path / "a.ome.zarr")
    expected = ex.segment(data, by_channel, axes="tyx").labels
    assert np.array_equal(group["0"][...], np.moveaxis(expected, 0, 1))


def test_what_is_there_is_not_replaced(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """A folder of that name stays as it is, and the footer says so; so does an image in the way."""
    _, dock = opened(pixels((200, 150)))
    finish(qtbot, dock)
    (tmp_path / "a.ome.zarr").mkdir()
    dock.save(tmp_path / "a.ome.zarr")
    qtbot.waitUntil(lambda: "exists already" in dock.footer.result.text(), timeout=WAIT)
    assert not list((tmp_path / "a.ome.zarr").iterdir())


def test_save_begins_beside_the_image(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window opens in the image's folder, under the name of the labels, and offers both kinds of file."""
    monkeypatch.setattr(picking, "_last", {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", pixels((200, 150)))
    viewer, dock = opened("nothing", plan=False)
    viewer.open(tmp_path / "images" / "a.tif", plugin="napari")
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    layer = finish(qtbot, dock)
    asked = list[tuple[Any, ...]]()
    monkeypatch.setattr(
        picking.QFileDialog, "getSaveFileName", lambda *given: (asked.append(given), ("", ""))[1]
    )
    dock.footer.save.click()
    ((_parent, _title, start, kinds),) = asked
    assert start == str(tmp_path / "images" / f"{layer.name}.ome.tif")
    assert kinds == "OME-TIFF (*.ome.tif *.tif *.tiff);;OME-Zarr (*.ome.zarr *.zarr)"
    dock.footer.report.click()
    qtbot.waitUntil(dock.result.dialog.isVisible, timeout=WAIT)
    dock.result.dialog.save.click()
    assert Path(asked[1][2]).parent == tmp_path / "images"


def test_volumes_are_saved_with_the_levels_that_a_tiff_has(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Levels on disk are halved along z too, those of a TIFF are not: its levels are its own."""
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 2**10)
    torch.manual_seed(4)
    volumes = ex.load_model(nn.Conv3d(1, 3, 3, padding=1).eval(), name="volumes", axes="zyx")
    data = pixels((9, 70, 60))
    _, dock = opened(data, plan=False)
    dock.add_model(volumes)
    dock.fields.automatic.value = True
    qtbot.waitUntil(lambda: dock.plan is not None and len(dock.plan.radius) == 3, timeout=WAIT)
    to_disk(dock, tmp_path / "store.ome.zarr")
    finish(qtbot, dock)
    dock.save(tmp_path / "a.ome.tif")
    qtbot.waitUntil(lambda: dock.footer.save.text() == "Save...", timeout=WAIT)
    assert "Not saved" not in dock.footer.result.text()
    expected = ex.segment(data, volumes).labels
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        levels = file.series[0].levels
        assert len(levels) > 2
        for level, one in enumerate(levels):
            assert np.array_equal(one.asarray(), expected[:, :: 2**level, :: 2**level])
