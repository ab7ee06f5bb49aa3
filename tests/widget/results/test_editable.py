"""Labels in a store can be painted in a copy of what is in view, which lies right where they do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from napari import Viewer
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from pytestqt.qtbot import QtBot

from napari_exactile.geometry.interval import box_shape
from napari_exactile.widget.draw.in_view import box_in_view
from napari_exactile.widget.results import editable
from napari_exactile.widget.results.editable import editable_copy

PLACES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled": {"scale": (2, 0.5), "translate": (7, -3), "units": ("um", "um"), "axis_labels": ("y", "x")},
    "turned": {"scale": (2, 0.5), "rotate": 25, "shear": [0.3], "translate": (5, 6)},
    "affine": {"scale": (1, 2), "affine": [[1.2, 0.1, 4], [0, 0.8, -9], [0, 0, 1]]},
}
COLORS = {None: "transparent", 0: "transparent", 1: "#0072B2", 2: "#E69F00"}


def labels_of(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, shape).astype(np.uint8)


def stored(folder: Path, labels: np.ndarray) -> list[zarr.Array]:
    """The levels of labels in a zarr store, each thinned."""
    levels = []
    for level in range(3):
        thinned = labels[(..., *[slice(None, None, 2**level)] * 2)]
        array = zarr.create_array(
            folder / f"{level}",
            shape=thinned.shape,
            dtype=labels.dtype,
            chunks=(1,) * (labels.ndim - 2) + (64, 64),
        )
        array[...] = thinned
        levels.append(array)
    return levels


def over_store(viewer: Viewer, folder: Path, labels: np.ndarray, **how: Any) -> Labels:
    return viewer.add_labels(
        stored(folder, labels), name="slide - cells", multiscale=True, opacity=0.4,
        features={"index": [0, 1, 2], "class": ["back", "cell", "edge"]},
        colormap=DirectLabelColormap(color_dict=COLORS), **how,
    )  # fmt: skip


@pytest.mark.parametrize("kind", PLACES)
def test_the_copy_can_be_painted_and_lies_where_the_labels_do(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, tmp_path: Path, kind: str
) -> None:
    """It holds the full resolution in view, in place and in the same colours; painting changes it alone."""
    labels, viewer = labels_of((700, 600)), make_napari_viewer(show=True)
    layer = over_store(viewer, tmp_path, labels, **PLACES[kind])
    viewer.scene.camera.center = layer.data_to_world((320, 280))
    viewer.scene.camera.zoom = 4
    qtbot.wait(100)
    copy = editable_copy(viewer, layer)
    box = box_in_view(layer, viewer)
    assert all(50 < side < length for side, length in zip(box_shape(box), labels.shape, strict=True))
    region = tuple(slice(side.start, side.stop) for side in box)
    np.testing.assert_array_equal(copy.data, labels[region])
    start = np.array([side.start for side in box])
    for place in product(*((0, length - 1) for length in copy.data.shape)):
        np.testing.assert_allclose(copy.data_to_world(place), layer.data_to_world(start + place))
    assert (copy.name, copy.opacity, copy.units) == ("slide - cells (copy)", 0.4, layer.units)
    assert copy.axis_labels == layer.axis_labels
    assert copy.colormap.color_dict.keys() == layer.colormap.color_dict.keys()
    np.testing.assert_array_equal(copy.get_color(2), layer.get_color(2))
    assert copy.features.equals(layer.features)
    assert not layer.editable
    assert copy.editable
    copy.brush_size = 15
    copy.paint((40, 50), 2)
    painted = copy.data != labels[region]
    assert painted.sum() > 20
    assert (copy.data[painted] == 2).all()
    copy.undo()
    np.testing.assert_array_equal(copy.data, labels[region])
    copy.fill((40, 50), 1)
    assert copy.data[40, 50] == 1
    np.testing.assert_array_equal(layer.data[0][...], labels)


def test_the_copy_of_a_stack_is_the_plane_in_sight(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    """It is one plane, shown where that plane is shown, and can be painted there."""
    labels, viewer = labels_of((4, 300, 280)), make_napari_viewer()
    layer = over_store(viewer, tmp_path, labels, scale=(5, 1, 1), translate=(3, 0, 0))
    viewer.dims.set_current_step(0, 2)
    copy = editable_copy(viewer, layer)
    assert copy.data.shape[0] == 1
    np.testing.assert_array_equal(copy.data[0], labels[2])
    np.testing.assert_allclose(copy.data_to_world((0, 7, 9)), layer.data_to_world((2, 7, 9)))
    copy.paint((0, 40, 50), 1)
    assert copy.data[0, 40, 50] == 1


def test_ordinary_labels_are_copied_too(make_napari_viewer: Callable[..., Viewer]) -> None:
    """Of a layer with one resolution and napari's own colours, the copy has those, and its own pixels."""
    labels, viewer = labels_of((60, 50)), make_napari_viewer()
    layer = viewer.add_labels(labels, name="drawn")
    layer.new_colormap(7)
    copy = editable_copy(viewer, layer)
    np.testing.assert_array_equal(copy.data, labels)
    np.testing.assert_allclose(copy.get_color(2), layer.get_color(2))
    copy.data[...] = 0
    assert labels.any()


def test_too_much_is_refused_before_it_is_read(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More pixels than the bound, or none, are refused in a sentence; only those in view are ever read."""
    labels, viewer = labels_of((700, 600)), make_napari_viewer()
    layer = over_store(viewer, tmp_path, labels)
    monkeypatch.setattr(editable, "LARGEST_COPY", 20_000)
    layers, read, original = len(viewer.layers), [], zarr.Array.__getitem__

    def counted(array: zarr.Array, index: Any) -> Any:
        part = original(array, index)
        read.append(part.size)
        return part

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    with pytest.raises(ValueError, match=r"million pixels of 'slide - cells'.*: zoom in$"):
        editable_copy(viewer, layer)
    assert not read
    assert len(viewer.layers) == layers
    width, height = viewer.canvas.size[::-1]
    viewer.scene.camera.center, viewer.scene.camera.zoom = (300, 300), max(width, height) / 100
    read.clear()
    copy = editable.layer_of(
        layer, box := editable.box_to_copy(viewer, layer), editable.read_labels(layer, box)
    )
    assert read == [copy.data.size]
    assert 0 < copy.data.size <= 20_000
    viewer.scene.camera.center = (-900, 0)
    with pytest.raises(ValueError, match="'slide - cells' is not in sight: move it into view"):
        editable_copy(viewer, layer)
    viewer.dims.ndisplay = 3
    with pytest.raises(ValueError, match="switch to 2D"):
        editable_copy(viewer, layer)
