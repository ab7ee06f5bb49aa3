"""Dask arrays are read by their blocks, which are checked, and are computed once as long as there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_exactile as ex
from drawn_indices import indices
from napari_exactile.images import blocks
from napari_exactile.images.blocks import Blocks
from proofs import many
from slow_run import TILE, image, network

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 100


class Files:
    """An image in files, one dask block each, which are read when they are computed."""

    def __init__(self, pixels: np.ndarray, changed: dict[tuple[int, int], Callable[..., Any]] | None = None):
        self.read: Counter[tuple[int, int]] = Counter()
        wrong = changed or {}

        def read(y: int, x: int) -> Any:
            self.read[y, x] += 1
            return wrong.get((y, x), np.array)(part(y, x))

        def part(y: int, x: int) -> Any:
            return pixels[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE]

        def block(y: int, x: int) -> Any:
            return da.from_delayed(dask.delayed(read)(y, x), part(y, x).shape, pixels.dtype)

        rows, columns = (-(-length // SIDE) for length in pixels.shape)
        self.array = da.block([[block(y, x) for x in range(columns)] for y in range(rows)])


def expected() -> np.ndarray:
    labels: np.ndarray = ex.segment_whole(image(), network()).labels
    return labels


SIDES = st.lists(st.integers(1, 5), min_size=4, max_size=4)


@given(drawn=indices(), sides=SIDES, budget=st.sampled_from([0, 40, 9999]))
@settings(max_examples=many(50), deadline=None)
def test_slices_are_numpys(drawn: Any, sides: list[int], budget: int) -> None:
    """What is taken of a dask array, however much of it is kept, is what numpy takes of its pixels."""
    shape, index = drawn
    array = np.arange(np.prod(shape)).reshape(shape)
    read = Blocks(da.from_array(array, chunks=sides[: len(shape)]), budget)
    for _again in range(2):
        np.testing.assert_array_equal(read[index], array[index])


def test_each_block_is_computed_once() -> None:
    """A block is computed once to measure it and for all tiles, and once more to tell whether it changed."""
    files = Files(image())
    result = ex.segment(files.array, network(), tile=TILE)
    np.testing.assert_array_equal(result.labels, expected())
    assert set(files.read.values()) == {2}
    assert result.report.notes == ()


def test_blocks_that_do_not_fit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not a row of blocks can be kept, a warning says so before the run, and the report afterwards."""
    monkeypatch.setattr(blocks, "MOST_KEPT", 30_000)
    files = Files(image())
    with pytest.warns(UserWarning, match=r"'image' is read slowly: its dask blocks of 20 kB make rows of"):
        result = ex.segment(files.array, network(), tile=TILE)
    np.testing.assert_array_equal(result.labels, expected())
    again = sum(files.read.values()) - len(files.read) * 2
    (note,) = result.report.notes
    assert note.startswith(f"dask blocks of the image were computed {again} times again, as only 30 kB of")


def test_another_run_computes_them_anew() -> None:
    """What is kept of one run never stands for what the same array gives in the next."""
    pixels = image()
    array = Files(pixels).array
    ex.segment(array, network(), tile=TILE)
    pixels[:] = pixels[::-1].copy()
    labels = ex.segment(array, network(), tile=TILE).labels
    np.testing.assert_array_equal(labels, ex.segment_whole(pixels, network()).labels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda block: np.pad(block, ((0, 3), (0, 0))), "gives 103 x 100 where it has announced 100 x 100"),
        (lambda block: block[:-3], "gives 97 x 100 where it has announced 100 x 100"),
        (lambda block: block[:, :-1], "gives 100 x 99 where it has announced 100 x 100"),
        (lambda block: block[None], "gives 1 x 100 x 100 where it has announced 100 x 100"),
        (lambda block: block.astype(float), "gives float64 where it has announced uint16"),
    ],
)
@pytest.mark.parametrize("stored", [True, False])
def test_blocks_that_are_not_what_was_announced(
    tmp_path: Path, change: Callable[..., Any], words: str, stored: bool
) -> None:
    """A block of another shape or type ends the run with a sentence that says which, before any label."""
    files, more = Files(image(), {(0, 1): change}), {"output": tmp_path / "a.ome.zarr"} if stored else {}
    with pytest.raises(
        OSError, match=rf"'image' cannot be read: in its dask block 0, 1, it {words}; let both be the same$"
    ):
        ex.segment(files.array, network(), tile=TILE, **more)
    assert not (tmp_path / "a.ome.zarr").exists()


@pytest.mark.parametrize("lying", [0, 1])
def test_labels_are_held_to_what_was_announced_too(lying: int) -> None:
    """Neither objects nor agreement are found in labels of which a block is not what was announced."""
    labels = (image() % 3).astype(np.uint8)
    wrong = Files(labels, {(0, 1): lambda block: np.pad(block, ((0, 3), (0, 0)))}).array
    with pytest.raises(ValueError, match="in its dask block 0, 1, it gives 103 x 100 where"):
        ex.agreement(*((wrong, labels) if lying else (labels, wrong)))
    with pytest.raises(ValueError, match="in its dask block 0, 1, it gives 103 x 100 where"):
        ex.find_objects(wrong)
    right = Files(labels)
    assert len(ex.find_objects(right.array)) == len(ex.find_objects(labels))
    assert set(right.read.values()) == {1}


@pytest.mark.parametrize("segment", [ex.segment, ex.segment_whole])
def test_blocks_of_unknown_size_are_refused(segment: Any) -> None:
    """An array that does not know its shape, as after a choice of rows, is refused with what to do."""
    array = da.from_array(image(), chunks=64)
    array = array[da.from_array(np.ones(len(image()), bool), chunks=64)]
    with pytest.raises(ValueError, match=r"^'image' has dask blocks of unknown size: call its compute_chunk"):
        segment(array, network())
    np.testing.assert_array_equal(segment(array.compute_chunk_sizes(), network()).labels, expected())
