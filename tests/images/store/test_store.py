"""A label store is an OME-Zarr image whose levels are level 0, thinned, whatever the order of its zones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_exactile as ex
from command_line import MODEL, assert_refused, call
from napari_exactile.geometry.interval import slices
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.images.store.folder import NewImage
from napari_exactile.images.store.ome_zarr import Axes, Class, label_metadata, multiscales
from napari_exactile.images.store.shards import StoreLayout
from napari_exactile.images.store.store import LabelStore
from proofs import many
from slow_run import image, network

pytestmark = pytest.mark.usefixtures("one_thread")


def created(path: Path, layout: StoreLayout) -> LabelStore:
    axes = Axes(layout.axes, (1.0,) * len(layout.axes), (0.0,) * len(layout.axes))
    scales = multiscales("a", axes, len(layout.levels), len(layout.shape))
    metadata = label_metadata(scales, (Class("back", "#000000"), Class("cell", "#00FF80")), 0)
    return LabelStore.create(path, {"labels": NewImage(layout, metadata)}, {})


@st.composite
def orders(draw: st.DrawFn) -> tuple[StoreLayout, Tiling, list[int]]:
    axes = draw(st.sampled_from(["yx", "zyx", "tyx"]))
    space = 3 if axes[0] == "z" else 2
    shape = tuple(draw(st.lists(st.integers(1, 40 if space == 2 else 14), min_size=space, max_size=space)))
    zone = tuple(draw(st.lists(st.integers(3, 20), min_size=space, max_size=space)))
    tiling = Tiling(shape, (1,) * space, zone, (0,) * space)
    leading = (2,) if axes[0] == "t" else ()
    return (
        StoreLayout(leading, shape, zone, axes, "uint8", 2),
        tiling,
        draw(st.permutations(range(len(tiling)))),
    )


@given(orders())
@settings(max_examples=many(25))
def test_every_level_is_level_0_thinned(case: tuple[StoreLayout, Tiling, list[int]]) -> None:
    """With the last zone, pixel i of level k is pixel 2**k * i of level 0, whatever the order of zones."""
    small = patch("napari_exactile.images.pyramid.COARSEST", 20), patch(
        "napari_exactile.images.store.shards.SHARD_PIXELS", 16
    )  # fmt: skip
    with small[0], small[1], TemporaryDirectory() as folder:
        layout, tiling, order = case
        labels = np.random.default_rng(0).integers(0, 2, (*layout.leading, *layout.shape)).astype(np.uint8)
        store = created(Path(folder) / "a.ome.zarr", layout)
        for plane in np.ndindex(*layout.leading):
            for zone in (tiling.tile(index).zone for index in order):
                store.write(plane, zone, labels[(*plane, *slices(zone))])
                store.finish(plane, zone)
        store.close()
        for level, array in enumerate(store.levels):
            thinned = (slice(None),) * len(layout.leading) + (slice(None, None, 2**level),) * len(tiling.zone)
            np.testing.assert_array_equal(array[:], labels[thinned])


def datasets(path: Path) -> Iterator[tuple[zarr.Array[Any], dict[str, Any]]]:
    group: Any = zarr.open_group(path, mode="r")
    for entry in group.attrs["ome"]["multiscales"][0]["datasets"]:
        yield group[entry["path"]], {one["type"]: one for one in entry["coordinateTransformations"]}


def test_metadata_is_that_of_the_specification(tmp_path: Path) -> None:
    """Keys, types and orders that OME-Zarr 0.5 asks for are there, and the names and colours of classes."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(np.stack([image()] * 2), ex.load_model(network(), classes=("a", "b", "c")), axes="tyx",
               region=None, output=path)  # fmt: skip
    group: Any = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == 3
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (scales,) = ome["multiscales"]
    assert [(axis["name"], axis["type"]) for axis in scales["axes"]] == [
        ("t", "time"), ("y", "space"), ("x", "space"),
    ]  # fmt: skip
    assert {"name", "type", "metadata"} <= set(scales)
    for level, (array, transformations) in enumerate(datasets(path)):
        assert array.metadata.dimension_names == ("t", "y", "x")
        assert list(transformations) == ["scale", "translation"]
        assert transformations["scale"]["scale"] == [1.0, 2.0**level, 2.0**level]
        assert transformations["translation"]["translation"] == [0.0] + [(2**level - 1) / 2] * 2
        assert array.dtype == np.uint8
    about = ome["image-label"]
    assert [entry["class"] for entry in about["properties"]] == ["a", "b", "c"]
    assert [entry["label-value"] for entry in about["colors"]] == [0, 1, 2]
    assert [entry["rgba"][3] for entry in about["colors"]] == [0, 255, 255]
    assert {name for name, _ in group.members()} == {"0", "exactile"}


@pytest.mark.parametrize("axes", ["x", "tx", "ctyx", "tpcyx"])
def test_axes_that_ome_zarr_has_not_are_refused(axes: str) -> None:
    """Two or three axes of space come last, after at most one of time and one of anything else."""
    with pytest.raises(ValueError, match="an OME-Zarr image has the axes t, c, z, y, x in this order"):
        Axes(axes, (1.0,) * len(axes), (0.0,) * len(axes))


def test_a_whole_slide_takes_thousands_of_files() -> None:
    """At 100,000 x 50,000 px, all levels together have fewer than 7,000 shards, each of whole zones.

    No chunk is of two zones: what one of them has written is not compressed anew for the next.
    """
    for zone in (64, 640, 832, 1024, 4096):
        layout = StoreLayout((3,), (100_000, 50_000), (zone, zone), "cyx", "float32", nan, channel=0)
        side, chunk = layout.shard[-1], layout.chunk[-1]
        assert sum(np.prod([-(-n // side) for n in shape]) for shape in layout.levels) < 7_000
        assert side % zone == zone % chunk == 0


def test_a_disk_without_room_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """Where less is free than the labels can take, an error names both, and no folder appears."""
    layout = StoreLayout((), (10**8, 10**8), (1024, 1024), "yx", "uint8", 2)
    with pytest.raises(OSError, match=r"can take up to 1.33e\+07 GB, but only .* are free"):
        created(tmp_path / "a.ome.zarr", layout)
    assert not list(tmp_path.iterdir())


def test_the_command_line_writes_and_continues_stores(tmp_path: Path) -> None:
    """`--out labels.ome.zarr` gives the labels of `segment`; again, it says what is left."""
    tifffile.imwrite(tmp_path / "a.tif", image())
    arguments = ("segment", tmp_path / "a.tif", "--model", MODEL, "--out", tmp_path / "a.ome.zarr")
    assert "Continuing" not in call(*arguments).stderr
    labels: Any = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")["0"]
    np.testing.assert_array_equal(labels[:], ex.segment(image(), MODEL).labels)
    assert re.search(r"Continuing .*: 0 of \d+ tiles? left", call(*arguments).stderr)
    assert_refused(call(*arguments, "--normalization", "min-max"), "begun with another normalization")
    assert "Continuing" not in call(*arguments, "--normalization", "min-max", "--overwrite").stderr
