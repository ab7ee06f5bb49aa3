"""Files of several images in the dock: any of them is opened; results never replace any of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image
from pytestqt.qtbot import QtBot

import ome_files
from converted_files import converted
from docks import WAIT, finish, pixels
from napari_exactile.widget.choose import output
from napari_exactile.widget.open.image_reader import add_image

NAMES = ("0 'Pos 0' (200 x 150)", "1 'Pos 1' (180 x 150)", "2 'Pos 2' (160 x 150)")


def positions(path: Path, channels: int = 0) -> list[Any]:
    images = [pixels((*((channels,) if channels else ()), 200 - 20 * n, 150), n) for n in range(3)]
    with tifffile.TiffWriter(path, ome=True) as file:
        for number, image in enumerate(images):
            about = {"Name": f"Pos {number}", "axes": "CYX" if channels else "YX"}
            file.write(image, metadata=about, photometric="minisblack")
    return images


def series_of(dock: Any) -> tuple[bool, tuple[str, ...], int]:
    """Return whether images of the file are offered, which, and which one is shown."""
    field = dock.fields.series
    return (
        not dock.fields.series_row.isHidden(),
        tuple(field.native.itemText(n) for n in range(len(field.choices))),
        field.value,
    )


@pytest.mark.parametrize("channels", [0, 2])
def test_another_image_of_the_file_is_opened(
    opened: Any, qtbot: QtBot, tmp_path: Path, channels: int
) -> None:
    """The images of a file are offered; the one that is picked is opened and shown, others are hidden."""
    images = positions(tmp_path / "a.ome.tif", channels)
    viewer, dock = opened()
    assert not dock.fields.series_row.isVisibleTo(dock)
    first = add_image(viewer, tmp_path / "a.ome.tif")
    viewer.add_points(name="drawn")
    dock.fields.image.value = first[0]
    names = tuple(name.replace("(", f"({channels} x ") if channels else name for name in NAMES)
    assert series_of(dock) == (True, names, 0)
    dock.fields.series.value = 2
    picked = dock.fields.image.value
    assert picked.name.startswith("a.ome.tif: Pos 2")
    assert series_of(dock) == (True, names, 2)
    np.testing.assert_array_equal(np.asarray(picked.data), images[2][0] if channels else images[2])
    assert [layer.visible for layer in first] == [False] * len(first)
    assert picked.visible
    assert viewer.layers[-1].name == "drawn", "what is drawn on images stays above them"
    count = len(viewer.layers)
    dock.fields.series.value = 0
    assert dock.fields.image.value in first
    assert len(viewer.layers) == count, "what is open already is not opened again"
    assert all(layer.visible for layer in first)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)


def test_series_of_a_converted_slide_are_offered(opened: Any, tmp_path: Path) -> None:
    """Series of a zarr are offered as positions are, the largest first open."""
    path, images = converted(tmp_path)
    viewer, dock = opened()
    dock.fields.image.value = add_image(viewer, path)[0]
    offered, names, number = series_of(dock)
    assert (offered, len(names), number) == (True, 3, 1)
    dock.fields.series.value = 0
    np.testing.assert_array_equal(np.asarray(dock.fields.image.value.data[0]), images[0][0])


def test_images_that_napari_left_out_are_offered(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Of a file that napari opened with its first image, the others are offered, too."""
    images = positions(tmp_path / "a.ome.tif")
    viewer, dock = opened()
    (layer,) = viewer.open(str(tmp_path / "a.ome.tif"), plugin="napari")
    dock.fields.image.value = layer
    qtbot.waitUntil(lambda: series_of(dock)[0], timeout=WAIT)
    assert series_of(dock) == (True, NAMES, 0)
    dock.fields.series.value = 1
    np.testing.assert_array_equal(np.asarray(dock.fields.image.value.data), images[1])
    assert not layer.visible


def test_single_images_offer_nothing(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """A file of one image, and a layer without a file, have no choice."""
    tifffile.imwrite(tmp_path / "a.tif", pixels((200, 150)))
    viewer, dock = opened()
    for layer in (
        *add_image(viewer, tmp_path / "a.tif"),
        *viewer.open(str(tmp_path / "a.tif"), plugin="napari"),
    ):
        dock.fields.image.value = layer
        qtbot.wait(200)
        assert dock.fields.series_row.isHidden()


def test_a_broken_file_leaves_the_image_as_it_is(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another image cannot be opened any more, that is said, and the field shows what is there."""
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)
    positions(tmp_path / "a.ome.tif")
    viewer, dock = opened()
    (layer,) = add_image(viewer, tmp_path / "a.ome.tif")
    dock.fields.image.value = layer
    (tmp_path / "a.ome.tif").write_bytes(b"II*\0")
    dock.fields.series.value = 1
    assert (dock.fields.image.value, dock.fields.series.value) == (layer, 0)
    assert "a.ome.tif cannot be opened as a TIFF file" in said[0]


def test_labels_are_never_saved_over_the_image(opened: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Saving labels to any file of the image is refused, and leaves it as it was."""
    path = ome_files.positions(tmp_path, [pixels((64, 72))] * 2)
    viewer, dock = opened()
    dock.fields.image.value = add_image(viewer, path, 1)[0]
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    finish(qtbot, dock)
    before = (tmp_path / "f1.ome.tif").read_bytes()
    dock.save(tmp_path / "f1.ome.tif")
    qtbot.waitUntil(lambda: "Not saved" in dock.footer.result.text(), timeout=WAIT)
    assert "would replace the image" in dock.footer.result.text().replace("\u200b", "")
    assert (tmp_path / "f1.ome.tif").read_bytes() == before


@pytest.mark.parametrize("inside", [True, False])
def test_labels_on_disk_stay_away_from_the_image(
    opened: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    """A store in the image's zarr, or over it, is not begun: the sentence says so, and nothing changes."""
    path = tmp_path / "image.zarr"
    zarr.create_array(path, data=pixels((200, 150)), chunks=(64, 64))
    viewer, dock = opened()
    dock.fields.image.value = next(one for one in add_image(viewer, path) if isinstance(one, Image))
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    place = str(path / "labels.ome.zarr" if inside else path)
    monkeypatch.setattr(output.QFileDialog, "getSaveFileName", lambda *_args, **_more: (place, ""))
    dock._chooser.output.ask(dock)
    before = sorted(path.rglob("*"))
    dock.start()
    assert not dock.running
    words = "would lie in the image" if inside else "would replace the image"
    assert f"Not started: the labels {words}" in dock.footer.result.text().replace("\u200b", "")
    assert sorted(path.rglob("*")) == before
