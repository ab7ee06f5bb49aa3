"""Objects found block by block are those of the whole array, and so is all that is measured of them."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import napari_exactile as ex
from command_line import MODEL, assert_refused, call, summary
from made_results import a_result
from napari_exactile.images.colonies import draw_colonies
from napari_exactile.images.store.tiff import open_tiff
from napari_exactile.stopping import Cancelled
from proofs import many

Array = np.ndarray[Any, Any]


def whole(labels: Array, background: int | None, structure: Array) -> Array:
    """Label each class of the whole array at once, and number the objects by their first pixels."""
    found = np.zeros(labels.shape, np.int64)
    for value in np.unique(labels):
        if value != background:
            part, _ = ndimage.label(labels == value, structure)
            found += np.where(part, part + found.max(), 0)
    numbers, firsts = np.unique(found, return_index=True)
    order = [n for _, n in sorted(zip(firsts, numbers, strict=True)) if n]
    renumbered = np.zeros(found.max() + 1, np.int64)
    renumbered[order] = np.arange(1, len(order) + 1)
    return renumbered[found]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Array, tuple[int, ...], int]:
    """Draw an array of a few classes with 1 to 3 axes, a zone, and a connectivity."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=9))
    classes = draw(st.integers(1, 3))
    labels = np.random.default_rng(draw(st.integers(0, 10**6))).integers(0, classes + 1, shape)
    if draw(st.booleans()):  # long, winding objects that meet only after many blocks
        labels = np.where(np.random.default_rng(1).random(shape) < 0.65, 1, labels)
    zone = tuple(draw(st.integers(1, length + 1)) for length in shape)
    return labels.astype(np.uint8), zone, draw(st.integers(1, len(shape)))


@settings(max_examples=many(150))
@given(cases(), st.sampled_from([0, 1, None]))
def test_objects_of_blocks_are_those_of_the_whole(case: Any, background: int | None) -> None:
    """For all shapes, zones, connectivities and classes: the labels of one call, in order of first pixels."""
    labels, zone, connectivity = case
    found = ex.find_objects(labels, background=background, zone=zone, connectivity=connectivity)
    structure = ndimage.generate_binary_structure(labels.ndim, connectivity)
    assert np.array_equal(found.labels, whole(labels, background, structure))
    assert len(found) == found.labels.max()


@settings(max_examples=many(60))
@given(cases())
def test_the_table_is_that_of_the_whole(case: Any) -> None:
    """Class, pixels, centroid and bounding box of each object are what scipy measures in the whole array."""
    labels, zone, connectivity = case
    found = ex.find_objects(labels, zone=zone, connectivity=connectivity)
    table, ids = found.table(), np.arange(1, len(found) + 1)
    axes = "zyx"[-labels.ndim :]
    boxes = ndimage.find_objects(found.labels)
    assert np.array_equal(table["id"], ids)
    assert list(table["class"]) == [f"class {labels[found.labels == n][0]}" for n in ids]
    assert np.array_equal(table["pixels"], np.bincount(found.labels.ravel())[1:])
    centres = np.array(ndimage.center_of_mass(found.labels > 0, found.labels, ids)).reshape(-1, labels.ndim)
    for number, axis in enumerate(axes):
        assert np.allclose(table[axis], centres[:, number], atol=1e-12)
        assert list(table[f"{axis}_start"]) == [box[number].start for box in boxes]
        assert list(table[f"{axis}_stop"]) == [box[number].stop for box in boxes]


@settings(max_examples=many(40))
@given(cases(), st.integers(0, 12))
def test_small_objects_are_left_out_by_their_whole_size(case: Any, least: int) -> None:
    """Objects of at least `min_size` pixels over all blocks stay and are numbered 1, 2, ...; others go."""
    labels, zone, connectivity = case
    every = ex.find_objects(labels, zone=zone, connectivity=connectivity)
    large = ex.find_objects(labels, zone=zone, connectivity=connectivity, min_size=least)
    kept = np.isin(every.labels, np.flatnonzero(every.pixels >= least) + 1)
    assert np.array_equal(large.labels > 0, kept)
    assert np.array_equal(large.pixels, every.pixels[every.pixels >= least])
    assert np.array_equal(large.centroids, every.centroids[every.pixels >= least])


@settings(max_examples=many(40))
@given(cases(), st.data())
def test_nothing_depends_on_the_zone(case: Any, data: st.DataObject) -> None:
    """Two partitions give the same numbers and, to the last bit, the same table."""
    labels, zone, connectivity = case
    other = tuple(data.draw(st.integers(1, length)) for length in labels.shape)
    one, two = (ex.find_objects(labels, zone=z, connectivity=connectivity) for z in (zone, other))
    assert np.array_equal(one.labels, two.labels)
    columns = two.table()
    assert all(np.array_equal(column, columns[name]) for name, column in one.table().items())


def test_objects_stay_in_their_plane_of_a_series() -> None:
    """Along t, pixels are not connected, whatever the connectivity; along z they are."""
    labels = np.ones((3, 4, 5), np.uint8)
    assert len(ex.find_objects(labels, axes="tyx", connectivity=2)) == 3
    assert len(ex.find_objects(labels, axes="zyx")) == 1
    assert ex.find_objects(labels, axes="tyx").table()["t"].tolist() == [0, 1, 2]


def test_zarr_and_dask_arrays_are_read_block_by_block() -> None:
    """Arrays on disk or not computed yet are sliced by blocks, and so is `out`."""
    labels = np.random.default_rng(0).integers(0, 3, (60, 70)).astype(np.uint8)
    stored = zarr.array(labels, chunks=(16, 16))
    out = zarr.zeros(labels.shape, chunks=(16, 16), dtype=np.uint16)
    sizes: list[int] = []

    class Watched:
        shape, dtype = stored.shape, stored.dtype

        def __getitem__(self, index: Any) -> Any:
            block = stored[index]
            sizes.append(block.size)
            return block

    found = ex.find_objects(Watched(), zone=16, out=out)
    plain = ex.find_objects(labels)
    assert found.labels is out
    assert max(sizes) == 256
    assert plain.labels.dtype == np.uint32
    assert np.array_equal(out[:], plain.labels)
    assert np.array_equal(ex.find_objects(da.from_array(labels, chunks=13)).labels, plain.labels)


def test_what_was_in_out_does_not_matter() -> None:
    """`out` may hold anything before: every pixel is written before it is read."""
    labels = np.random.default_rng(0).integers(0, 2, (9, 9, 9))
    out = np.full(labels.shape, 7, np.uint32)
    ex.find_objects(labels, zone=2, connectivity=3, out=out)
    assert np.array_equal(out, ex.find_objects(labels, connectivity=3).labels)


def test_sizes_are_physical(tmp_path: Path) -> None:
    """Area and volume are pixels times the size of one; the file has the table's columns and rows."""
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 2:5], labels[5, 7] = 1, 2
    found = ex.find_objects(labels, classes=("nothing", "cell", "spot"), pixel_size=(0.5, 0.25))
    assert found.table()["area_um2"].tolist() == [0.75, 0.125]
    assert found.summary() == (
        "cell: 1 object, mean area 0.75 µm²",
        "spot: 1 object, mean area 0.125 µm²",
    )
    volume = ex.find_objects(labels[None], pixel_size=(2, 0.5, 0.25))
    assert volume.table()["volume_um3"].tolist() == [1.5, 0.25]
    found.to_csv(tmp_path / "cells.csv")
    rows = list(csv.DictReader((tmp_path / "cells.csv").read_text().splitlines()))
    assert [row["class"] for row in rows] == ["cell", "spot"]
    assert rows[0] | {"y": "1.5", "x": "3.0", "y_start": "1", "x_stop": "5", "pixels": "6"} == rows[0]
    assert "area_um2" not in ex.find_objects(labels).table()


def test_progress_ends_at_one_and_cancel_stops() -> None:
    """Progress goes up to 1; once `cancel` says so, nothing more is read."""
    told: list[float] = []
    ex.find_objects(np.ones((8, 8), int), zone=4, on_progress=told.append)
    assert told == [0.125 * n for n in range(1, 9)]
    told.clear()
    with pytest.raises(Cancelled):
        ex.find_objects(np.ones((8, 8), int), zone=4, on_progress=told.append, cancel=lambda: len(told) == 3)
    assert len(told) == 3


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((2, 2)), {}, "labels are whole numbers, not float64"),
        (np.zeros((0, 2), int), {}, "are empty"),
        (np.zeros((2, 2), int), {"axes": "tc"}, "do not fit"),
        (np.zeros((2, 2), int), {"axes": "zyx"}, "do not fit"),
        (np.zeros((2, 2), int), {"connectivity": 3}, "from 1 to 2 for axes 'yx', not 3"),
        (np.zeros((2, 2), int), {"zone": 0}, "at least one pixel"),
        (np.zeros((2, 2), int), {"zone": (1, 2, 3)}, "at least one pixel along each of 2 axes"),
        (np.zeros((2, 2), int), {"out": np.zeros((2, 3), int)}, r"of shape \(2, 2\), not"),
        (np.zeros((2, 2), int), {"out": np.zeros((2, 2))}, "whole numbers"),
        (np.indices((32, 32)).sum(0) % 2, {"out": np.zeros((32, 32), np.uint8)}, "more than 255 pieces"),
        (np.zeros((2, 2), int), {"pixel_size": (1.0,)}, "along y, x"),
    ],
)
def test_what_cannot_be_labelled_is_refused(labels: Array, options: dict[str, Any], message: str) -> None:
    """Wrong types, shapes and options raise ValueError with the reason."""
    with pytest.raises(ValueError, match=message):
        ex.find_objects(labels, **options)


def test_an_incomplete_result_is_refused() -> None:
    """Objects of a result that was cancelled would be cut off where it ends."""
    labels = np.random.default_rng(0).integers(0, 2, (30, 20))
    assert len(ex.find_objects(a_result(labels, tiles=4))) == ndimage.label(labels)[1]
    with pytest.raises(ValueError, match="only 3 of 4 tiles are done"):
        ex.find_objects(a_result(labels, tiles=4, done=3))


# --- on the command line


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path, size = tmp_path / "colonies.tif", {"PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    colonies = draw_colonies((150, 140), seed=6).image
    tifffile.imwrite(path, colonies, ome=True, metadata=size | {"axes": "YX"})
    return path


def test_segment_writes_objects_and_their_table(image: Path, tmp_path: Path) -> None:
    """--objects is the labelling of the labels, --table has a row for each object, with areas."""
    objects, table = tmp_path / "objects.tif", tmp_path / "objects.csv"
    facts = summary(call("segment", image, "--model", MODEL, "--objects", objects, "--table", table))
    labels = np.asarray(open_tiff(tmp_path / "colonies_labels.tif").array[:])
    written = open_tiff(objects)
    found = ex.find_objects(labels)
    assert np.array_equal(np.asarray(written.array[:]), found.labels)
    assert written.pixel_size == (0.5, 0.25)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert Counter(row["class"] for row in rows) == {"colony": len(found)}
    assert [float(row["area_um2"]) for row in rows] == (found.pixels * 0.125).tolist()
    assert facts["objects"].startswith(f"colony: {len(found)} object")


def test_segment_takes_planes_of_a_series_apart(image: Path, tmp_path: Path) -> None:
    """In a time series every plane has objects of its own, and the table says in which it lies."""
    series = np.stack([tifffile.imread(image)] * 2)
    tifffile.imwrite(image, series, metadata={"axes": "TYX"}, ome=True)
    table = tmp_path / "objects.csv"
    summary(call("segment", image, "--model", MODEL, "--table", table, "--min-size", 5))
    planes = Counter(float(row["t"]) for row in csv.DictReader(table.read_text().splitlines()))
    assert planes[0.0] == planes[1.0] > 0
    assert set(planes) == {0.0, 1.0}
    assert not list(tmp_path.glob("*objects*.tif"))


@pytest.mark.parametrize(("option", "name"), [("--objects", "objects.tif"), ("--table", "objects.csv")])
def test_objects_and_table_are_never_overwritten(image: Path, tmp_path: Path, option: str, name: str) -> None:
    """Files that exist, have another ending, or are the image or the labels, are refused at once."""
    arguments = ("segment", image, "--model", MODEL)
    (tmp_path / name).write_bytes(b"precious")
    assert_refused(call(*arguments, option, tmp_path / name), "exists already")
    assert (tmp_path / name).read_bytes() == b"precious"
    assert_refused(call(*arguments, option, tmp_path / "objects.png"), "must end in")
    assert not (tmp_path / "colonies_labels.tif").exists()


def test_objects_do_not_replace_image_or_labels(image: Path, tmp_path: Path) -> None:
    """One file cannot hold two things, --overwrite or not."""
    arguments = ("segment", image, "--model", MODEL, "--overwrite", "--objects")
    assert_refused(call(*arguments, image), "would replace the image")
    labels = tmp_path / "colonies_labels.tif"
    assert_refused(call(*arguments, labels), "the labels and the objects are two files")
    assert_refused(call("segment", image, "--model", MODEL, "--min-size", 5), "--min-size is of objects")
