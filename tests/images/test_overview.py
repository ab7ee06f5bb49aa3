"""Views of arrays are numpy's, and images without coarse levels get some, for no more than is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_exactile.images.overview import Overview
from napari_exactile.images.view import View

Counted = list[tuple[Any, ...]]


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
