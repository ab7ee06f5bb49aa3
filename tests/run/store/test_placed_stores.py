"""Labels in a store lie on their image when they are opened again, wherever the image lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from pytestqt.qtbot import QtBot

import napari_exactile as ex
from command_line import call
from docks import finish, pixels
from napari_exactile.geometry.interval import Interval
from napari_exactile.images.about.opened import Place
from napari_exactile.images.store.ome_zarr import Axes, multiscales
from napari_exactile.widget.choose.fields import ON_DISK, VIEW
from napari_exactile.widget.open.image_reader import add_image
from slow_run import TILE, image, network

PLACES: tuple[dict[str, Any], ...] = (
    {"scale": (0.5, 0.25), "translate": (100, -40), "units": ("um", "um")},
    {"scale": (500, 250), "translate": (100_000, -40_000), "units": ("nm", "nm")},
    {"scale": (2, 3), "translate": (10, 20)},
)


def corner(layer: Any, place: tuple[float, ...]) -> list[float]:
    """Return a place in a layer's array in the world, in micrometres where it has units of length."""
    world = layer.data_to_world(place)
    sizes = [1 * unit for unit in layer.units]
    lengths = [one.to("micrometer").magnitude if one.check("[length]") else 1.0 for one in sizes]
    return [float(a * b) for a, b in zip(world, lengths, strict=True)]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("region", [False, True])
def test_labels_opened_again_lie_on_the_layer(
    opened: Any, qtbot: QtBot, tmp_path: Path, where: dict[str, Any], region: bool
) -> None:
    """A store that the dock has written opens where the layer lies, or the part of it that was segmented."""
    viewer, dock = opened(pixels((150, 130)), tile=92, **where)
    path = tmp_path / "labels.ome.zarr"
    if region:
        viewer.scene.camera.zoom *= 5
        dock.fields.region.value = VIEW
    dock._chooser.output.path, dock.fields.output.value = path, ON_DISK
    finish(qtbot, dock)
    (again,) = add_image(viewer, path)
    box = dock.run.job.task.plan.tiling.region
    layer = viewer.layers["slide"]
    start, stop = [side.start for side in box], [side.stop - 1 for side in box]
    assert corner(again, (0, 0)) == pytest.approx(corner(layer, tuple(start)))
    last = tuple(length - 1 for length in again.data.shape)
    assert corner(again, last) == pytest.approx(corner(layer, tuple(stop)))


def ome_zarr(path: Path) -> Path:
    """Write an OME-Zarr image that does not begin at the origin."""
    axes = Axes("yx", (0.5, 0.25), (30.0, -7.0), (True, True))
    group = zarr.create_group(path, attributes={"ome": {"version": "0.5", "multiscales": [_scales(axes)]}})
    group.create_array("0", shape=image().shape, dtype=image().dtype, chunks=(64, 64))[...] = image()
    return path


def _scales(axes: Axes) -> dict[str, Any]:
    return multiscales("image", axes, 1, 2)


def transformations(path: Path) -> tuple[list[float], list[float]]:
    about: Any = zarr.open_group(path, mode="r").attrs["ome"]
    scale, moved = about["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert [axis.get("unit") for axis in about["multiscales"][0]["axes"]] == ["micrometer"] * 2
    return scale["scale"], moved["translation"]


def test_labels_of_a_placed_image_are_placed(tmp_path: Path) -> None:
    """Of an OME-Zarr image, labels have the translation, too, with that of a region added in its pixels."""
    path, out = ome_zarr(tmp_path / "image.ome.zarr"), tmp_path / "labels.ome.zarr"
    ex.segment(path, network(), tile=TILE, output=out)
    assert transformations(out) == ([0.5, 0.25], [30.0, -7.0])
    region = (Interval(10, 60), Interval(20, 80))
    ex.segment(path, network(), tile=TILE, output=out, overwrite=True, region=region)
    assert transformations(out) == ([0.5, 0.25], [35.0, -2.0])


def test_the_command_line_places_labels_too(tmp_path: Path) -> None:
    """`exactile segment` does the same; a pixel size that is given comes before the file's place."""
    path, out = ome_zarr(tmp_path / "image.ome.zarr"), tmp_path / "labels.ome.zarr"
    command = ("segment", str(path), "--model", "colonies-demo", "--no-check", "--out", str(out))
    assert call(*command).exit_code == 0
    assert transformations(out) == ([0.5, 0.25], [30.0, -7.0])
    assert call(*command, "--overwrite", "--pixel-size", "2").exit_code == 0
    assert transformations(out) == ([2.0, 2.0], [0.0, 0.0])


def test_places_are_known_by_axis() -> None:
    """A place along some axes takes what is known of these, in their order, and nothing of others."""
    place = Place((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (False, True, True))
    assert place.along("cyx", "yx") == Place((2.0, 3.0), (5.0, 6.0), (True, True))
    assert place.along("cyx", "tyx") == Place((1.0, 2.0, 3.0), (0.0, 5.0, 6.0), (False, True, True))
    assert Place.of("tyx", (9.0, 2.0, 3.0)) == Place((1.0, 2.0, 3.0), (0.0,) * 3, (False, True, True))
    assert np.isfinite(Place.of("yx").scale).all()
