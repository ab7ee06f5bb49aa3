"""Images of any size come into napari lazily, with the labels beside them, and ordinary files as before."""

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
from napari.layers import Image, Labels
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

import napari_exactile as ex
from docks import finish, lively_model, pixels
from napari_exactile.images import overview
from napari_exactile.images.overview import Overview
from napari_exactile.images.view import View
from napari_exactile.widget.dock import ExactileDock
from napari_exactile.widget.draw.own_layer import OWN
from napari_exactile.widget.open import drops, image_layers
from napari_exactile.widget.open.image_reader import add_image, read

WAIT = 20_000
Counted = list[tuple[Any, ...]]


# --- views and overviews ----------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [
    np.s_[...], np.s_[3], np.s_[-1, 2], np.s_[:, 4:9], np.s_[2:7:2, ..., 1], np.s_[5:5], np.s_[..., -3:],
    np.s_[::-1], np.s_[[0, 2]], np.s_[np.int64(1), 1:4],
])  # fmt: skip
@pytest.mark.parametrize("parts", [
    (slice(None), slice(None), slice(None)), (1, slice(None), slice(None)), (slice(None), 2, slice(None)),
    (slice(None), slice(None, None, 2), slice(None, None, 3)),
])  # fmt: skip
def test_a_view_is_what_numpy_gives(parts: Any, index: Any) -> None:
    """Slicing a view of an array is slicing numpy's view; a view of the other byte order becomes ours."""
    array = np.arange(9 * 11 * 13).reshape(9, 11, 13).astype(">u4")
    view, expected = View(array, parts), array[parts]
    assert (view.shape, view.ndim, view.size) == (expected.shape, expected.ndim, expected.size)
    assert view.dtype.isnative
    np.testing.assert_array_equal(view[index], expected[index])


def test_a_view_reads_what_is_asked_for() -> None:
    """A window of a view asks its array for that window, and for nothing beyond it."""
    array = Watched(np.arange(100 * 100, dtype=np.uint16).reshape(100, 100))
    view = View(array, (slice(None, None, 4), slice(None, None, 4)))
    _ = view[2:5, 1:3]
    assert array.read == [(slice(8, 17, 4), slice(4, 9, 4))]


class Watched:
    """An array that notes what is read of it."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape, self.dtype, self.ndim, self.size = array.shape, array.dtype, array.ndim, array.size
        self.read: Counted = []

    def __getitem__(self, index: Any) -> Any:
        self.read.append(index)
        return self._array[index]


@pytest.fixture
def small_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images of 200 pixels a side count as large."""
    monkeypatch.setattr(overview, "SHOWN_AT_ONCE", 100 * 100)
    monkeypatch.setattr(overview, "SIDE", 32)
    monkeypatch.setattr("napari_exactile.images.pyramid.COARSEST", 20 * 20)


@pytest.mark.parametrize("shape", [(203, 311), (203, 311, 3)])
@pytest.mark.usefixtures("small_screens")
def test_levels_of_an_image_without_any(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Level k is every 2^k-th pixel, whether it is read or kept; filling reads each pixel once."""
    image = np.random.default_rng(1).integers(1, 255, shape).astype(np.uint8)
    found = Overview.of(
        zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(25, 40, 3)[: len(shape)]), (0, 1)
    )
    assert (len(found.read), len(found.kept)) == (2, 2)
    assert not any(level.any() for level in found.kept)
    boxes = list(found.filling())
    assert sum(len(y) * len(x) for y, x in boxes) == shape[0] * shape[1]
    for number, level in enumerate(found.levels, 1):
        np.testing.assert_array_equal(level[...], image[:: 2**number, :: 2**number])


@pytest.mark.usefixtures("small_screens")
def test_filling_ends_with_the_levels() -> None:
    """When nobody has the levels any more, the image is not read on."""
    array = Watched(np.ones((203, 311), np.uint8))
    filling = Overview.of(array, (0, 1)).filling()
    assert list(filling) == []
    assert len(array.read) <= 1


@pytest.mark.usefixtures("small_screens")
def test_stacks_are_not_read_for_one_plane() -> None:
    """A stack has levels that are read plane by plane."""
    found = Overview.of(np.ones((5, 203, 311), np.uint8), (1, 2))
    assert ([level.shape for level in found.levels], found.kept) == (
        [(5, 102, 156), (5, 51, 78), (5, 26, 39), (5, 13, 20)], ()
    )  # fmt: skip


# --- layers of images -------------------------------------------------------------------------------------


def pyramid(path: Path, image: Any, axes: str = "YX", channels: Any = None) -> None:
    about = {"axes": axes, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    if channels:
        about["Channel"] = {"Name": channels}
    kind: dict[str, Any] = {"tile": (32, 32), "photometric": "rgb" if axes.endswith("S") else "minisblack"}
    steps = (slice(None), slice(None, None, 4))
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(image, subifds=1, metadata=about, **kind)
        small = image[steps[1], steps[1]] if axes.endswith("S") else image[..., steps[1], steps[1]]
        file.write(small, subfiletype=1, **kind)


def test_a_pyramid_is_one_multiscale_layer(tmp_path: Path) -> None:
    """A pyramid has its levels, the size of a pixel in micrometres, its axes, and a contrast of its own."""
    image = pixels((200, 150))
    pyramid(tmp_path / "a.ome.tif", image)
    [(data, about, kind)] = read(str(tmp_path / "a.ome.tif"))
    layer = Image(data, **about)
    assert (kind, layer.name, layer.multiscale, layer.rgb) == ("image", "a.ome.tif", True, False)
    assert [level.shape for level in layer.data] == [(200, 150), (50, 38)]
    assert (tuple(layer.scale), tuple(layer.axis_labels)) == ((0.25, 0.5), ("y", "x"))
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    small = image[::4, ::4]
    assert tuple(layer.contrast_limits) == (small.min(), small.max())


def test_opening_reads_no_pixel_of_level_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a small level, opening and showing a large image as a whole does not touch level 0."""
    pyramid(tmp_path / "a.ome.tif", pixels((2000, 1500)))
    read_shapes: list[tuple[int, ...]] = []
    original = zarr.Array.__getitem__

    def noted(self: Any, index: Any) -> Any:
        read_shapes.append(self.shape)
        return original(self, index)

    monkeypatch.setattr(zarr.Array, "__getitem__", noted)
    [(data, about, _kind)] = read(str(tmp_path / "a.ome.tif"))
    layer = Image(data, **about)
    assert layer.data_level == 1
    assert set(read_shapes) == {(500, 375)}


def test_channels_become_layers(tmp_path: Path) -> None:
    """Each channel is a layer with its name and colour, added up on the screen; nothing else is split."""
    image = pixels((2, 3, 200, 150))
    pyramid(tmp_path / "a.ome.tif", image, "CZYX", ["nuclei", "membrane"])
    layers = [Image(data, **about) for data, about, _kind in read(str(tmp_path / "a.ome.tif"))]
    assert [layer.name for layer in layers] == ["a.ome.tif: nuclei", "a.ome.tif: membrane"]
    assert [layer.colormap.name for layer in layers] == ["magenta", "green"]
    for channel, layer in zip(image, layers, strict=True):
        assert layer.blending == "additive"
        assert tuple(layer.axis_labels) == ("z", "y", "x")
        np.testing.assert_array_equal(layer.data[0][1, 20:40, 30:50], channel[1, 20:40, 30:50])


def test_many_channels_stay_an_axis(tmp_path: Path) -> None:
    """More channels than there are colours are an axis called c, as hundreds of layers help nobody."""
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels((9, 60, 50)), metadata={"axes": "CYX"})
    [(data, about, _kind)] = read(str(tmp_path / "a.ome.tif"))
    assert (data.shape, about["axis_labels"]) == ((9, 60, 50), ["c", "y", "x"])


def test_slides_are_colour_images(tmp_path: Path) -> None:
    """The colours of a slide are one RGB layer over all levels."""
    image = np.random.default_rng(2).integers(0, 255, (200, 150, 3)).astype(np.uint8)
    pyramid(tmp_path / "a.ome.tif", image, "YXS")
    [(data, about, _kind)] = read(str(tmp_path / "a.ome.tif"))
    layer = Image(data, **about)
    assert (layer.rgb, layer.ndim, layer.multiscale) == (True, 2, True)
    np.testing.assert_array_equal(layer.data[0][:], image)


@pytest.mark.parametrize("shape", [(60, 50), (4, 60, 50), (60, 50, 3)])
def test_arrays_without_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """The last axes of an array that names none are y and x, or y, x and the colours of bytes."""
    image = np.random.default_rng(2).integers(0, 255, shape).astype(np.uint8)
    np.save(tmp_path / "a.npy", image)
    [(data, about, _kind)] = read(str(tmp_path / "a.npy"))
    layer = Image(data, **about)
    assert layer.rgb == (shape[-1] == 3)
    np.testing.assert_array_equal(layer.data, image)


def test_the_other_byte_order_is_drawn(tmp_path: Path) -> None:
    """Files of the other byte order come as numbers that can be drawn, with their contrast."""
    image = pixels((60, 50))
    tifffile.imwrite(tmp_path / "a.tif", image, byteorder=">")
    [(data, about, _kind)] = read(str(tmp_path / "a.tif"))
    assert data.dtype.isnative
    assert about["contrast_limits"] == (image.min(), image.max())


@pytest.mark.usefixtures("small_screens")
def test_large_images_without_levels_fill_in(
    tmp_path: Path, make_napari_viewer: Callable[..., Viewer], qtbot: QtBot
) -> None:
    """A large image of one level is shown at once, and its coarse levels come in the background."""
    image = pixels((203, 311))
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(32, 32), metadata=None)
    viewer = make_napari_viewer()
    [layer] = add_image(viewer, tmp_path / "a.tif")
    qtbot.waitUntil(lambda: np.array_equal(layer.data[-1], image[::16, ::16]), timeout=WAIT)
    assert [level.shape for level in layer.data][:2] == [(203, 311), (102, 156)]


@pytest.mark.usefixtures("small_screens")
def test_an_unreadable_image_says_so(
    tmp_path: Path, make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pixels cannot be read in the background, one sentence says so."""
    told: list[str] = []
    monkeypatch.setattr("napari_exactile.widget.open.overview_filling.show_warning", told.append)
    monkeypatch.setattr(image_layers, "_windows", lambda _level, _axes: iter([np.arange(9)]))
    zarr.create_array(tmp_path / "a.zarr", data=pixels((203, 311)), chunks=(32, 32))
    (tmp_path / "a.zarr" / "c" / "1" / "1").write_bytes(b"broken")
    layers = read(str(tmp_path / "a.zarr"))
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT)
    assert told[0].startswith("The image cannot be shown as a whole: ")
    assert len(layers) == 1


# --- labels -----------------------------------------------------------------------------------------------


def store(path: Path, region: Any = None, **settings: Any) -> Any:
    """Segment a small image into a store, and return the labels."""
    model = lively_model("lively")
    image = pixels((200, 150))
    ex.segment(image, model, tile=92, output=path, region=region, **settings)
    return zarr.open_array(path / "0", mode="r")[...]


@pytest.mark.parametrize("inside", ["", "zarr.json"])
def test_our_stores_open_with_their_classes(
    tmp_path: Path, inside: str, make_napari_viewer: Callable[..., Viewer]
) -> None:
    """The store of a run is a Labels layer over all its levels, with the names and colours of the classes."""
    labels = store(tmp_path / "out.ome.zarr")
    [layer] = add_image(make_napari_viewer(), tmp_path / "out.ome.zarr" / inside)
    assert isinstance(layer, Labels)
    level = layer.data[0] if layer.multiscale else layer.data
    np.testing.assert_array_equal(level[...], labels)
    about = zarr.open_group(tmp_path / "out.ome.zarr").attrs["ome"]["image-label"]
    assert list(layer.features["class"]) == [entry["class"] for entry in about["properties"]]
    for entry in about["colors"]:
        shown = layer.get_color(entry["label-value"])
        expected = np.array(entry["rgba"]) / 255
        np.testing.assert_allclose([0, 0, 0, 0] if shown is None else shown, expected if expected[3] else 0)


def write_image(path: Path, labels: Any, image: Any) -> None:
    """Write an image whose labels lie at a place of their own."""
    group = zarr.create_group(path)
    group.create_array("0", data=image)
    group.attrs["ome"] = {"version": "0.5", "multiscales": [scales([0.5, 0.5], [10.0, 20.0])]}
    beside = group.create_group("labels")
    beside.attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    cells = beside.create_group("cells")
    cells.create_array("0", data=labels)
    colors = [{"label-value": 1, "rgba": [255, 0, 0, 255]}]
    names = [{"label-value": 1, "class": "cell"}]
    cells.attrs["ome"] = {
        "version": "0.5", "multiscales": [scales([1.0, 1.0], [12.0, 24.0])],
        "image-label": {"colors": colors, "properties": names},
    }  # fmt: skip


def scales(scale: list[float], translation: list[float]) -> dict[str, Any]:
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    return {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}


def test_labels_beside_an_image_open_with_it(tmp_path: Path) -> None:
    """An image and its labels open together, each where its file says that it lies."""
    write_image(tmp_path / "a.ome.zarr", np.ones((20, 30), np.uint8), pixels((60, 50)))
    first, second = read(str(tmp_path / "a.ome.zarr"))
    image, labels = Image(first[0], **first[1]), Labels(second[0], **second[1])
    assert (tuple(image.scale), tuple(image.translate)) == ((0.5, 0.5), (10.0, 20.0))
    assert (labels.name, tuple(labels.scale), tuple(labels.translate)) == ("cells", (1.0, 1.0), (12.0, 24.0))
    assert list(labels.features["class"]) == ["cell"]
    np.testing.assert_allclose(labels.get_color(1), [1, 0, 0, 1])


@pytest.mark.usefixtures("small_screens")
def test_large_labels_without_levels_fill_in(
    tmp_path: Path, make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large labels of one level get coarser ones of nearest labels; little ones can be painted on."""
    labels = np.random.default_rng(3).integers(0, 9, (203, 311)).astype(np.uint8)
    write_image(tmp_path / "a.ome.zarr", labels, pixels((60, 50)))
    viewer = make_napari_viewer()
    _image, little = add_image(viewer, tmp_path / "a.ome.zarr")
    assert isinstance(little.data, np.ndarray)
    monkeypatch.setattr(image_layers, "LITTLE", 0)
    _image, layer = add_image(viewer, tmp_path / "a.ome.zarr")
    qtbot.waitUntil(lambda: np.array_equal(layer.data[-1], labels[::16, ::16]), timeout=WAIT)


# --- which reader opens what ------------------------------------------------------------------------------


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
    assert told == [f"{tmp_path / 'a.zarr'} is a zarr group without an image."]


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
