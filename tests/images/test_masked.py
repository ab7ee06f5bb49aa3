"""Pixels that are masked are no pixels: an image that has some is refused, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import torch

import napari_exactile as ex
from napari_exactile.images.source import ArraySource
from napari_exactile.run.engine.events import TileError
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


def of_dask_in_lists(array: np.ma.MaskedArray) -> Any:
    return [of_dask(row) for row in array]


def pixel_by_pixel(array: np.ma.MaskedArray) -> Any:
    return [list(row) for row in array]


class Turned:
    """What can only be turned into an array."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._array


class Own:
    """A source that somebody has written: what is read of an array comes as `give` makes it."""

    channels, name = 1, "image"

    def __init__(self, array: Any, give: Callable[[Any], Any] = lambda block: block) -> None:
        self.array, self.give, self.shape = array, give, array.shape

    def read(self, box: Any) -> Any:
        return self.give(self.array[None, *(slice(side.start, side.stop) for side in box)])


FORMS: list[Callable[[np.ma.MaskedArray], Any]] = [
    lambda array: array, of_dask, in_list, of_dask_in_lists, pixel_by_pixel, Turned, Own
]  # fmt: skip


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


@pytest.mark.parametrize("nest", [lambda one: [[one], [one]], lambda one: [([one],), ([one],)]])
def test_masks_are_found_however_deep_they_lie(nest: Callable[[Any], Any]) -> None:
    """Lists of lists of arrays keep their masks; without masked pixels, they are the stack that they say."""
    axes = "tcyx" if np.ndim(nest(0)) == 2 else "tzcyx"
    with pytest.raises(ValueError, match=REFUSED):
        ex.segment(nest(masked()), network(), axes=axes)
    labels = ex.segment(nest(masked(0)), network(), axes=axes).labels
    np.testing.assert_array_equal(labels[0].squeeze(), ex.segment(image(), network()).labels)


INSTEAD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "complex": (lambda block: block * 1j, "'image' has pixels of type complex128: only real numbers can be"),
    "objects": (lambda block: block.astype(object), "'image' has pixels of type object: only real numbers"),
    "text": (lambda block: block.astype("U4"), "'image' has pixels of type <U4: only real numbers"),
    "list": (lambda block: block.tolist(), "'image' cannot be read: it gives an object of type list instead"),
    "nothing": (lambda _block: None, "'image' cannot be read: it gives None instead of an array"),
    "tensor": (
        lambda block: torch.from_numpy(block.astype("f4")),
        "it gives an object of type Tensor instead",
    ),
    "shape": (lambda block: block[..., :-1], "'image' cannot be read: it gives .* where it has announced"),
}


@pytest.mark.parametrize("normalization", ["z-score", "none"])
@pytest.mark.parametrize("kind", INSTEAD)
def test_own_sources_give_pixels_or_a_sentence(kind: str, normalization: str) -> None:
    """What somebody's own `read` returns is held to what arrays are held to, in the same words."""
    give, words = INSTEAD[kind]
    with pytest.raises((ValueError, OSError, TileError), match=words) as caught:
        ex.segment(Own(image(), give), network(), tile=TILE, normalization=normalization)
    assert "was changed during the run" not in str(caught.value)


def test_own_sources_of_the_other_byte_order() -> None:
    """Their pixels are the same numbers."""
    swapped = Own(image(), lambda block: block.astype(block.dtype.newbyteorder()))
    labels = ex.segment(swapped, network(), tile=TILE).labels
    np.testing.assert_array_equal(labels, ex.segment(image(), network(), tile=TILE).labels)


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
