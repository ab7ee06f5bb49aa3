"""Many images: each gets the labels that it has by itself, what fails is told, and nothing is done twice."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import napari_exactile as ex
from napari_exactile.geometry.interval import Interval
from napari_exactile.images.making import Making
from napari_exactile.images.normalize.statistics import measure
from napari_exactile.images.source import ArraySource
from napari_exactile.run.many import one
from napari_exactile.run.many.found import found_images
from napari_exactile.run.many.joined import JoinedSource
from plates import plate


def network() -> nn.Module:
    import torch

    torch.manual_seed(0)
    return nn.Conv2d(1, 2, 3, padding=1).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of several shapes."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name, shape in (("a", (60, 70)), ("b", (40, 50)), ("c", (60, 70))):
        pixels = (rng.random(shape) * 100).astype(np.uint8)
        tifffile.imwrite(tmp_path / f"images/{name}.tif", pixels, metadata={"axes": "YX"})
    return tmp_path / "images"


def labels(path: Path) -> Any:
    return tifffile.imread(path) if path.suffix == ".tif" else zarr.open_array(path / "0", mode="r")[:]


def states(summary: ex.Summary) -> list[str]:
    return [row.state for row in summary.rows]


@pytest.mark.parametrize("names", ["{name}_labels.ome.zarr", "{number} {folder}.tif"])
@pytest.mark.parametrize("jobs", [1, 3])
def test_each_image_is_segmented_as_it_is_alone(folder: Path, names: str, jobs: int) -> None:
    """Labels, counts and the table of each image are those of `segment`, however many go on at once."""
    out, model = folder.parent / "out", network()
    summary = ex.segment_many(folder, model, out, names=names, jobs=jobs, normalization="z-score", tile=32)
    assert states(summary) == ["done"] * 3
    for path, row in zip(sorted(folder.iterdir()), summary.rows, strict=True):
        alone = ex.segment(path, model, normalization="z-score", tile=32)
        assert np.array_equal(labels(out / row.output), alone.labels)
        assert list(row.pixels.values()) == np.bincount(alone.labels.ravel(), minlength=2).tolist()
        assert (row.tiles, row.exact, row.shape) == (alone.report.tiles, True, alone.report.shape)
    table = list(csv.DictReader((out / "summary.csv").read_text().splitlines()))
    assert [line["labels"] for line in table] == [row.output for row in summary.rows]
    assert [int(line["pixels of class 1"]) for line in table] == [r.pixels["class 1"] for r in summary.rows]


def test_what_fails_is_told_and_the_others_go_on(folder: Path) -> None:
    """An image that cannot be read, or has other channels, is a row with a sentence."""
    (folder / "b.tif").write_text("no image")
    tifffile.imwrite(
        folder / "d.tif", np.zeros((3, 40, 50), np.uint8), photometric="rgb", planarconfig="separate"
    )
    summary = ex.segment_many(folder, network(), folder.parent / "out")
    assert states(summary) == ["done", "failed", "done", "failed"]
    assert "cannot be opened as a TIFF file" in summary.rows[1].message
    assert "3 channels" in summary.rows[3].message
    assert len(summary.failed) == 2


@pytest.mark.parametrize("names", ["{name}.ome.zarr", "{name}.tif"])
def test_what_is_done_is_skipped(folder: Path, names: str) -> None:
    """Again, nothing is done; a changed image is refused as its labels are of another, or overwritten."""
    out, model = folder.parent / "out", network()
    first = ex.segment_many(folder, model, out, names=names)
    again = ex.segment_many(folder, model, out, names=names)
    assert states(again) == ["skipped"] * 3
    assert [row.pixels for row in again.rows] == [row.pixels for row in first.rows]
    tifffile.imwrite(folder / "b.tif", np.full((40, 50), 7, np.uint8), metadata={"axes": "YX"})
    changed = ex.segment_many(folder, model, out, names=names)
    assert states(changed) == ["skipped", "failed", "skipped"]
    assert "overwrite" in changed.rows[1].message
    assert states(ex.segment_many(folder, model, out, names=names, overwrite=True)) == ["done"] * 3
    other = ex.segment_many(folder, model, out, names=names, padding="always", threshold=None, tile=32)
    assert states(other) == ["failed"] * 3, "other settings make other labels"


def test_a_run_that_was_stopped_continues(folder: Path) -> None:
    """Stopped after a tile of the second image, the next run skips the first and does what is left."""
    out, model, tiles = folder.parent / "out", network(), list[str]()

    def listen(event: Any) -> None:
        if isinstance(event, ex.ImageStep) and isinstance(event.event, ex.TileFinished):
            tiles.append(f"{event.number}")

    stopped = ex.segment_many(
        folder, model, out, tile=32, on_event=listen, cancel=lambda: tiles.count("1") >= 1
    )
    assert states(stopped) == ["done", "stopped", "stopped"]
    assert stopped.stopped
    before = len(tiles)
    assert states(ex.segment_many(folder, model, out, tile=32, on_event=listen)) == [
        "skipped",
        "done",
        "done",
    ]
    assert tiles[before:].count("0") == 0
    assert tiles.count("1") == 4


def test_a_lost_record_costs_no_labels(folder: Path) -> None:
    """Without its record, a finished store is found finished, and counted again."""
    out, model = folder.parent / "out", network()
    first = ex.segment_many(folder, model, out)
    (out / "summary.json").write_text("[{}, 3")
    again = ex.segment_many(folder, model, out)
    assert states(again) == ["done"] * 3
    assert [row.pixels for row in again.rows] == [row.pixels for row in first.rows]


def test_together_images_are_normalised_as_one(folder: Path) -> None:
    """Labels are those with the mean and deviation of all pixels of all images, whatever their shapes."""
    out, model = folder.parent / "out", network()
    images = [tifffile.imread(path) for path in sorted(folder.iterdir())]
    pixels = np.concatenate([image.ravel() for image in images]).astype(np.float64)
    (folder / "z.tif").write_text("no image")
    summary = ex.segment_many(folder, model, out, normalization="z-score", together=True)
    assert states(summary) == ["done"] * 3 + ["failed"]
    fixed = (ex.Affine((pixels.mean(),), (pixels.std(),)),)
    for image, row in zip(images, summary.rows, strict=False):
        assert np.array_equal(labels(out / row.output), ex.segment(image, model, normalization=fixed).labels)


shapes = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 7)), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(shapes=shapes, planes=st.integers(1, 3), ends=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_joined_pixels_are_all_pixels(
    shapes: list[tuple[int, int]], planes: int, ends: tuple[float, float]
) -> None:
    """Any part of the row of pixels is that part of the images one after the other, stacks among them."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 99, (2, planes, *shape)) for shape in shapes]
    joined = JoinedSource([ArraySource(array, 0) for array in arrays])
    whole = np.concatenate([array.reshape(2, -1) for array in arrays], axis=1)
    start, stop = sorted(round(end * whole.shape[1]) for end in ends)
    if start < stop:
        assert np.array_equal(joined.read((Interval(start, stop),)), whole[:, start:stop])


def test_measuring_reads_a_row_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of images one after the other are those of all their pixels, to the last percentile."""
    arrays = [np.random.default_rng(n).integers(0, 4000, (30 + n, 40)).astype(np.uint16) for n in range(3)]
    joined = JoinedSource([ArraySource(array) for array in arrays])
    steps = (ex.Percentiles(1, 99.8),)
    known = Making(measure(joined, steps)).finished().steps[0]
    low, high = np.percentile(np.concatenate([a.ravel() for a in arrays]), [1, 99.8])
    assert isinstance(known, ex.Affine)
    assert np.allclose((known.mean[0], known.mean[0] + known.std[0]), (low, high))


def test_objects_are_counted_where_asked_for(folder: Path) -> None:
    """Objects of each class are as many as `find_objects` finds; asked for later, only they are new."""
    out, model = folder.parent / "out", network()
    assert ex.segment_many(folder, model, out).rows[0].objects is None
    rows = ex.segment_many(folder, model, out, count_objects=True, connectivity=2, min_size=3).rows
    found = ex.find_objects(labels(out / rows[0].output), connectivity=2, min_size=3)
    assert rows[0].objects == {"class 1": len(found)}
    assert (
        states(ex.segment_many(folder, model, out, count_objects=True, connectivity=2, min_size=3))
        == ["skipped"] * 3
    )
    assert states(ex.segment_many(folder, model, out, count_objects=True)) == ["done"] * 3


def test_what_is_doubtful_is_in_the_table(folder: Path) -> None:
    """An inexact run, and pixels of another size than the model's, say so in the row."""
    model = ex.load_model(network(), pixel_size=2.0)
    options: dict[str, Any] = {"pixel_size": (0.5, 0.5), "radius": 0, "method": "whole-tile", "tile": 32}
    row = ex.segment_many(folder / "a.tif", model, folder.parent / "out", **options).rows[0]
    assert (row.state, row.exact) == ("done", False)
    assert row.message.startswith("INEXACT")
    assert "2 µm per px" in row.message


def test_the_network_is_analysed_once_for_equal_shapes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of the same shape share the analysis of the one model."""
    tasks, make = [], one.make_task
    monkeypatch.setattr(one, "make_task", lambda *a, **k: tasks.append(make(*a, **k)) or tasks[-1])
    ex.segment_many(folder, network(), folder.parent / "out")
    assert tasks[0].analysis.bound is tasks[2].analysis.bound
    assert len({id(task.model) for task in tasks}) == 1


def test_fields_of_plates_are_images(tmp_path: Path) -> None:
    """All fields of a plate, of a well, and one field are found, each with a name of its own."""
    image = np.zeros((40, 50), np.uint8)
    path = plate(tmp_path / "p.ome.zarr", image)
    names = [one.name for one in found_images(path)]
    assert names == ["p_A_1_0", "p_A_1_1", "p_B_2_0", "p_B_2_1"]
    assert [one.name for one in found_images(path / "A/1")] == ["1_0", "1_1"]
    assert [one.name for one in found_images(path / "A/1/0")] == ["0"]
    summary = ex.segment_many(path, network(), tmp_path / "out")
    assert states(summary) == ["done"] * 4
    assert summary.rows[0].unit == "um2"
    assert sum(summary.rows[0].sizes.values()) == pytest.approx(40 * 50 * 0.25)


def test_images_are_found_as_people_mean_them(folder: Path) -> None:
    """Patterns, folders and files count in their order, each image once; labels and hidden files do not."""
    (folder / "deep").mkdir()
    (folder / "deep/e.tif").write_bytes((folder / "a.tif").read_bytes())
    (folder / ".hidden.tif").touch()
    (folder / "notes.txt").touch()
    ex.segment(folder / "a.tif", network(), output=folder / "old.ome.zarr")
    assert [one.name for one in found_images([folder / "c.tif", folder])] == ["c", "a", "b"]
    assert [one.name for one in found_images(str(folder / "**/*.tif"))] == ["a", "b", "c", "e"]
    tifffile.imwrite(folder / "two.ome.tif", np.zeros((40, 50), np.uint8), ome=True, metadata={"axes": "YX"})
    with tifffile.TiffWriter(folder / "two.ome.tif", ome=True) as file:
        file.write(np.zeros((40, 50), np.uint8), metadata={"axes": "YX"})
        file.write(np.ones((30, 20), np.uint8), metadata={"axes": "YX"})
    found = found_images(folder / "two.ome.tif", "all")
    assert [(one.name, one.series) for one in found] == [("two_0", 0), ("two_1", 1)]
