"""Agreement counted block by block is that of the whole arrays, and what cannot be compared is refused."""

from __future__ import annotations

import csv
from math import isnan
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import napari_exactile as ex
from command_line import assert_refused, call, summary
from made_results import a_result
from napari_exactile.evaluate import agreement as module
from napari_exactile.evaluate.agreement import ClassAgreement
from napari_exactile.stopping import Cancelled

Array = np.ndarray[Any, Any]

pairs = hnp.array_shapes(min_dims=1, max_dims=3, max_side=8).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2)
)


@given(pairs, st.sampled_from([None, 0, 2]), st.integers(1, 40))
def test_scores_are_those_of_the_whole(arrays: tuple[Array, Array], ignore: int | None, block: int) -> None:
    """For all arrays and blocks: Dice and IoU by their definitions over the annotated pixels, NaN for 0/0."""
    labels, manual = arrays
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_PIXELS", block)
        found = ex.agreement(labels, manual, ("a", "b", "c", "d"), ignore=ignore)
    annotated = np.ones(manual.shape, bool) if ignore is None else manual != ignore
    assert [one.value for one in found.classes] == [n for n in range(4) if n != ignore]
    for one in found.classes:
        mine, theirs = (labels == one.value) & annotated, (manual == one.value) & annotated
        either, both = (mine | theirs).sum(), (mine & theirs).sum()
        assert (one.labels, one.manual, one.both) == (mine.sum(), theirs.sum(), both)
        if not either:
            assert isnan(one.dice)
            assert isnan(one.iou)
            continue
        assert one.iou == pytest.approx(both / either)
        assert one.dice == pytest.approx(2 * one.iou / (1 + one.iou))
    known = [one for one in found.classes if one.value != 0 and not isnan(one.dice)]
    if known:
        assert found.dice == pytest.approx(np.mean([one.dice for one in known]))
        assert found.iou == pytest.approx(np.mean([one.iou for one in known]))
    else:
        assert isnan(found.dice)
    assert (found.pixels, found.ignored) == (annotated.sum(), (~annotated).sum())


def test_words_of_an_agreement() -> None:
    """Classes have their names, those without one are counted too, and what neither has is shown as "-"."""
    found = ex.agreement(np.array([0, 1, 1, 3]), np.array([0, 1, 0, 0]), ("back", "cell", "spot"))
    assert found.rows == (
        ("back", "0.500", "0.333"),
        ("cell", "0.667", "0.500"),
        ("spot", "-", "-"),
        ("class 3", "0.000", "0.000"),
        ("mean without back", "0.333", "0.250"),
    )
    assert ex.agreement(np.array([1]), np.array([1]), background=None).mean_name == "mean"


def test_equal_labels_agree_and_arrays_may_be_on_disk() -> None:
    """Against itself every class has Dice 1; zarr and dask arrays are sliced."""
    labels = np.random.default_rng(0).integers(0, 3, (40, 50)).astype(np.uint8)
    found = ex.agreement(zarr.array(labels, chunks=(16, 16)), da.from_array(labels, chunks=11))
    assert [one.dice for one in found.classes] == [1, 1, 1]
    assert found.dice == found.iou == 1


def test_a_result_is_compared_if_it_is_complete() -> None:
    """A Result stands for its labels; one that was cancelled is refused."""
    labels = np.random.default_rng(0).integers(0, 2, (30, 20))
    result = a_result(labels, tiles=4)
    assert ex.agreement(result, labels).dice == 1
    with pytest.raises(ValueError, match="only 1 of 4 tiles are done"):
        ex.agreement(a_result(labels, tiles=4, done=1), labels)


def test_cancel_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once `cancel` says so, no other block is read."""
    monkeypatch.setattr(module, "BLOCK_PIXELS", 4)
    labels, told = np.zeros((4, 4), int), list[float]()
    with pytest.raises(Cancelled):
        ex.agreement(labels, labels, on_progress=told.append, cancel=lambda: len(told) == 2)
    assert told == [0.25, 0.5]


@pytest.mark.parametrize(
    ("labels", "manual", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), "not 2 x 3 px with 3 x 2 px"),
        (np.zeros((2, 3), int), np.zeros((1, 2, 3), int), "not 2 x 3 px with 1 x 2 x 3 px"),
        (np.zeros((0, 3), int), np.zeros((0, 3), int), "same size"),
        (np.zeros((2, 3)), np.zeros((2, 3), int), "whole numbers, not float64"),
        (np.zeros((20, 20), int), np.arange(400).reshape(20, 20), "as if they were numbers of objects"),
    ],
)
def test_what_cannot_be_compared_is_refused(labels: Array, manual: Array, message: str) -> None:
    """Other sizes, other types, and objects instead of classes raise ValueError with the reason."""
    with pytest.raises(ValueError, match=message):
        ex.agreement(labels, manual)


def test_impossible_counts_are_refused() -> None:
    """More pixels in both than in either cannot be."""
    with pytest.raises(ValueError, match="cannot be in both"):
        ClassAgreement(1, "cell", labels=2, manual=5, both=3)


# --- on the command line


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    for name in ("labels.tif", "manual.tif"):
        tifffile.imwrite(tmp_path / name, rng.integers(0, 3, (20, 30)).astype(np.uint8))
    return tmp_path / "labels.tif", tmp_path / "manual.tif"


def test_compare_prints_and_writes_the_scores(files: tuple[Path, Path], tmp_path: Path) -> None:
    """The table has a row for each class with the function's scores; --csv has them in full."""
    found = ex.agreement(*map(tifffile.imread, files), ("back", "cell", "spot"), ignore=0)
    table = tmp_path / "scores.csv"
    result = call("compare", *files, "--classes", "back,cell,spot", "--ignore", 0, "--csv", table)
    facts = summary(result)
    cells = [[c.strip() for c in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    assert [tuple(row[:3]) for row in cells] == list(found.rows[:-1])
    assert facts["mean"] == f"Dice {found.dice:.3f}, IoU {found.iou:.3f}"
    assert facts["not annotated"] == f"{found.ignored:,} pixels"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [float(row["dice"]) for row in rows] == [one.dice for one in found.classes]
    assert [row["class"] for row in rows] == ["cell", "spot"]
    assert_refused(call("compare", *files, "--csv", table), "exists already")


def test_compare_refuses_other_sizes_and_scales(files: tuple[Path, Path], tmp_path: Path) -> None:
    """One sentence for files whose shapes or pixel sizes differ, or that are not there."""
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, np.zeros((20, 29), np.uint8))
    assert_refused(call("compare", files[0], small), "same size can be compared, not 20 x 30 px with 20 x 29")
    for number, size in enumerate((0.5, 1.0)):
        metadata = {"axes": "YX", "PhysicalSizeY": size, "PhysicalSizeX": size}
        tifffile.imwrite(files[number], np.zeros((20, 30), np.uint8), ome=True, metadata=metadata)
    assert_refused(call("compare", *files), "not pixels of 0.5 x 0.5 µm with 1 x 1 µm")
    assert_refused(call("compare", files[0], tmp_path / "none.tif"), "cannot be opened")
