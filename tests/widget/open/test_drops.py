"""Ordinary files open as before; large ones lazily, dropped or chosen, and the dock segments them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari import Viewer
from napari._qt.dialogs import qt_reader_dialog
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

import napari_exactile as ex
from docks import finish, lively_model, pixels
from layer_files import pyramid, write_image
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.draw.own_layer import OWN
from napari_exactile.widget.open import drops
from napari_exactile.widget.open.image_reader import add_image
from nuclei_package import nuclei

WAIT = 20_000


def drop(viewer: Viewer, *paths: Path) -> None:
    """Drop files onto the picture, as the window system does."""
    canvas = viewer.window._qt_viewer
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    rest = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(canvas, QDragEnterEvent(QPoint(9, 9), *rest))
    QApplication.sendEvent(canvas, QDropEvent(QPointF(9, 9), *rest))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The questions which reader is to be used; each is answered by Cancel."""
    questions: list[str] = []

    def answer(dialog: Any) -> tuple[str, bool]:
        questions.append(dialog._current_file)
        return "", False

    monkeypatch.setattr(qt_reader_dialog.QtReaderDialog, "get_user_choices", answer)
    before = get_settings().plugins.extension2reader
    yield questions
    get_settings().plugins.extension2reader = before


def files(folder: Path) -> dict[str, Path]:
    """Write ordinary files: a TIFF, an OME-TIFF, an array and a folder of TIFFs."""
    image = pixels((60, 50))
    found = {name: folder / name for name in ("a.tif", "a.ome.tif", "a.npy", "stack")}
    tifffile.imwrite(found["a.tif"], image)
    tifffile.imwrite(found["a.ome.tif"], image)
    np.save(found["a.npy"], image)
    found["stack"].mkdir()
    for number in range(3):
        tifffile.imwrite(found["stack"] / f"{number}.tif", image)
    return found


@pytest.mark.parametrize("docked", [False, True])
@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.npy", "stack"])
def test_ordinary_files_open_as_before(
    tmp_path: Path, name: str, docked: bool, asked: list[str], make_napari_viewer: Callable[..., Viewer],
) -> None:  # fmt: skip
    """Ordinary files and folders are opened by napari's own reader, without a question."""
    viewer, path = make_napari_viewer(show=docked), files(tmp_path)[name]
    if docked:
        show_dock(viewer)
    drop(viewer, path)
    viewer.open(path, plugin=None)
    viewer.open(path)
    read_layers = [layer for layer in viewer.layers if OWN not in layer.metadata]
    assert (asked, [layer.source.reader_plugin for layer in read_layers]) == ([], ["napari"] * 3)


def show_dock(viewer: Viewer) -> ExactileDock:
    dock = ExactileDock(viewer, remembers=False)
    viewer.window.add_dock_widget(dock)
    QApplication.processEvents()
    return dock


def test_large_files_are_dropped_lazily(
    tmp_path: Path,
    asked: list[str],
    make_napari_viewer: Callable[..., Viewer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the dock is open, a dropped TIFF that is too large for napari opens lazily, and is picked."""
    monkeypatch.setattr(drops, "LARGEST_SIDE", 150)
    monkeypatch.setattr(drops, "SMALLEST_FILE", 0)
    pyramid(tmp_path / "large.ome.tif", pixels((200, 150)))
    viewer = make_napari_viewer(show=True)
    dock = show_dock(viewer)
    drop(viewer, tmp_path / "large.ome.tif")
    [layer] = viewer.layers
    assert (asked, layer.multiscale, layer.name) == ([], True, "large.ome.tif")
    assert dock.fields.image.value is layer


def test_ome_zarr_is_dropped_lazily(
    tmp_path: Path, asked: list[str], make_napari_viewer: Callable[..., Viewer]
) -> None:
    """While the dock is open, a dropped OME-Zarr folder opens with its labels, where it lies."""
    write_image(tmp_path / "a.ome.zarr", np.ones((20, 30), np.uint8), pixels((60, 50)))
    viewer = make_napari_viewer(show=True)
    show_dock(viewer)
    drop(viewer, tmp_path / "a.ome.zarr")
    assert (asked, [layer.name for layer in viewer.layers]) == ([], ["a.ome.zarr", "cells"])


def test_a_package_is_dropped_as_a_folder(
    tmp_path: Path, asked: list[str], make_napari_viewer: Callable[..., Viewer], qtbot: QtBot
) -> None:
    """While the dock is open, the folder of a package is opened as a model, and not read as images."""
    package = nuclei(tmp_path / "a package")
    viewer = make_napari_viewer(show=True)
    dock = show_dock(viewer)
    drop(viewer, package)
    qtbot.waitUntil(lambda: dock.fields.model.value == "nuclei-test", timeout=WAIT)
    assert (asked, len(viewer.layers), dock.fields.open_note.text()) == ([], 0, "")


def test_a_preferred_reader_comes_first(
    tmp_path: Path, asked: list[str], make_napari_viewer: Callable[..., Viewer]
) -> None:
    """Whoever has told napari which reader to use for a kind of file, gets that one."""
    zarr.create_array(tmp_path / "a.zarr", data=pixels((60, 50)))
    get_settings().plugins.extension2reader = {"*.zarr/": "napari"}
    viewer = make_napari_viewer(show=True)
    show_dock(viewer)
    drop(viewer, tmp_path / "a.zarr")
    assert (asked, viewer.layers[0].source.reader_plugin) == ([], "napari")


def test_what_cannot_be_opened_is_told(
    tmp_path: Path,
    asked: list[str],
    make_napari_viewer: Callable[..., Viewer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dropped zarr folder without an image gives one sentence, and no layer."""
    told: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_error", told.append)
    zarr.create_group(tmp_path / "a.zarr")
    viewer = make_napari_viewer(show=True)
    show_dock(viewer)
    drop(viewer, tmp_path / "a.zarr")
    assert (asked, len(viewer.layers)) == ([], 0)
    assert told == [
        f"{tmp_path / 'a.zarr'} is a zarr group without an image: choose a folder that holds one."
    ]


@pytest.mark.parametrize("name", ["a.svs", "a.btf", "a.tf8", "a.zarr/zarr.json"])
def test_the_reader_can_be_chosen(
    tmp_path: Path, name: str, make_napari_viewer: Callable[..., Viewer]
) -> None:
    """viewer.open(..., plugin="napari-exactile") takes slides, and zarr by the file that describes it."""
    image, path = pixels((60, 50)), tmp_path / name
    if name.endswith("json"):
        zarr.create_array(path.parent, data=image)
    else:
        tifffile.imwrite(path, image)
    viewer = make_napari_viewer()
    [layer] = viewer.open(path, plugin="napari-exactile")
    np.testing.assert_array_equal(layer.data[...], image)


def test_zarr_json_is_asked_of_nobody_else(tmp_path: Path, make_napari_viewer: Callable[..., Viewer]) -> None:
    """File > Open of zarr.json, which no other reader takes, opens the folder without a question."""
    zarr.create_array(tmp_path / "a.zarr", data=pixels((60, 50)))
    viewer = make_napari_viewer()
    viewer.open(tmp_path / "a.zarr" / "zarr.json", plugin=None)
    assert viewer.layers[0].name == "a.zarr"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_menu_entries_open_images(
    tmp_path: Path, kind: str, make_napari_viewer: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """File > IO Utilities opens any file, and any folder, that can be opened."""
    from napari._app_model import get_app_model

    tifffile.imwrite(tmp_path / "a.tif", pixels((60, 50)))
    zarr.create_array(tmp_path / "a.zarr", data=pixels((60, 50)))
    monkeypatch.setattr(
        "qtpy.QtWidgets.QFileDialog.getOpenFileName", lambda *_: (str(tmp_path / "a.tif"), "")
    )
    monkeypatch.setattr(
        "qtpy.QtWidgets.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path / "a.zarr")
    )
    viewer = make_napari_viewer()
    commands = [entry.command.id for entry in get_app_model().menus.get_menu("napari/file/io_utilities")]
    assert f"napari-exactile.open_image_{kind}" in commands
    get_app_model().commands.execute_command(f"napari-exactile.open_image_{kind}").result()
    assert [layer.name for layer in viewer.layers] == ["a.tif" if kind == "file" else "a.zarr"]


def test_the_dock_segments_what_was_opened(
    tmp_path: Path, opened: Callable[..., tuple[Viewer, ExactileDock]], model: ex.Model, qtbot: QtBot
) -> None:
    """The dock picks a lazily opened pyramid, and its labels are those of the pixels of level 0."""
    image = pixels((200, 150))
    pyramid(tmp_path / "a.ome.tif", image)
    viewer, dock = opened("nothing", plan=False)
    add_image(viewer, tmp_path / "a.ome.tif")
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    labels = finish(qtbot, dock)
    np.testing.assert_array_equal(labels.data, ex.segment(image, model, tile=92).labels)


def test_channels_that_are_layers_are_segmented_together(
    tmp_path: Path, opened: Callable[..., tuple[Viewer, ExactileDock]], qtbot: QtBot
) -> None:
    """A model of two channels takes the two selected layers that a file with two channels became."""
    image, model = pixels((2, 200, 150)), lively_model("two", channels=2)
    pyramid(tmp_path / "a.ome.tif", image, "CYX")
    viewer, dock = opened("nothing", plan=False)
    dock.add_model(model)
    layers = add_image(viewer, tmp_path / "a.ome.tif")
    viewer.layers.selection = set(layers)
    dock.fields.channels.value = "selected layers"
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=WAIT)
    labels = finish(qtbot, dock)
    np.testing.assert_array_equal(labels.data, ex.segment(image, model, tile=92, axes="cyx").labels)
