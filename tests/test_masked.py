"""Pixels that are masked are no pixels: an image that has some is refused, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest

import napari_exactile as ex
from napari_exactile.images.source import ArraySource
from napari_exactile.run.events import TileError
from slow_run import TILE, image, network

pytestmark = pytest.mark.usefixtures("one_thread")
REFUSED = r"'image' has masked pixels, .*: fill them with a value, .*\.filled\(0\).*ignore=0"


def masked(count: int = 1) -> np.ma.MaskedArray:
    """An image in which as many pixels are masked, the last ones."""
    where = np.zeros(image().shape, bool)
    where.flat[where.size - count :] = True
    return np.ma.array(image(), mask=where)


def of_dask(array: np.ma.MaskedArray) -> Any:
    return dask.array.from_array(array, chunks=64)


def in_list(array: np.ma.MaskedArray) -> Any:
    return list(array)


FORMS: list[Callable[[np.ma.MaskedArray], Any]] = [lambda array: array, of_dask, in_list]


@pytest.mark.parametrize("normalization", ["z-score", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_masked_pixels_are_refused(
    form: Callable[[np.ma.MaskedArray], Any], normalization: str, tmp_path: Path
) -> None:
    """One is enough, and nothing is written; of a lazy array that is not measured, a tile finds them."""
    out = tmp_path / "labels.ome.zarr"
    with pytest.raises(ValueError, match=REFUSED):
        ex.segment(form(masked()), network(), tile=TILE, output=out, normalization=normalization)
    assert not out.exists()
    with pytest.raises((ValueError, TileError), match=REFUSED):
        ex.segment(form(masked()), network(), tile=TILE, normalization=normalization)


def test_whatever_looks_at_an_image_refuses_them() -> None:
    """One pass, the error of a radius, a stack, and a layer of napari, which comes as a source."""
    with pytest.raises(ValueError, match=REFUSED):
        ex.segment_whole(masked(), network())
    with pytest.raises(ValueError, match=REFUSED):
        ex.tiling_error(masked(), network(), radius=8, tile=64)
    with pytest.raises(ValueError, match=REFUSED):
        ex.segment(np.ma.stack([masked(0), masked()]), network(), axes="tyx")
    with pytest.raises(ValueError, match=REFUSED):
        ex.segment(ArraySource(masked()), network(), tile=TILE)


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_without_masked_pixels_is_none(form: Callable[[np.ma.MaskedArray], Any]) -> None:
    """Labels are those of the image itself."""
    wanted = ex.segment(image(), network(), tile=TILE).labels
    for array in masked(0), np.ma.array(image()):
        labels = ex.segment(form(array), network(), tile=TILE).labels
        np.testing.assert_array_equal(labels, wanted)
        assert type(labels) is np.ndarray


def test_the_way_out(tmp_path: Path) -> None:
    """What the sentence says works: the value that masked pixels are filled with is not measured."""
    filled = masked(500).filled(0)
    steps = ex.segment(
        filled, network(), tile=TILE, ignore=0, normalization="z-score"
    ).report.normalization.steps
    used = image().ravel()[:-500].astype(float)
    assert steps[0].mean[0] == pytest.approx(used[used != 0].mean())
