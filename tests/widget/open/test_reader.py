"""Images of any size come into napari lazily, with the labels beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari import Viewer
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from docks import lively_model, pixels
from layer_files import pyramid, write_image
from napari_exactile.widget.open import image_layers
from napari_exactile.widget.open.image_reader import add_image, read

WAIT = 20_000


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
