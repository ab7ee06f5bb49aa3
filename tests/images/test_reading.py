"""What is read of an array of any kind has the shape and the type that were announced, or is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_exactile as ex
from napari_exactile.geometry.interval import full_box
from napari_exactile.images.source import ArraySource
from slow_run import image, network


class Lying:
    """An array that gives something else than it has announced."""

    def __init__(self, gives: Any) -> None:
        self.shape, self.ndim, self.dtype, self._gives = (20, 30), 2, np.dtype("uint16"), gives

    def __getitem__(self, index: Any) -> Any:
        return self._gives(np.zeros(self.shape, self.dtype)[index])


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (lambda part: np.pad(part, 1), "it gives 22 x 32 where it has announced 20 x 30"),
        (lambda part: part[:-2], "it gives 18 x 30 where it has announced 20 x 30"),
        (lambda part: part[0], "it gives 30 where it has announced 20 x 30"),
        (lambda part: part[..., None], "it gives 20 x 30 x 1 where it has announced 20 x 30"),
        (lambda part: part.astype(float), "it gives float64 where it has announced uint16"),
    ],
)
def test_arrays_that_give_something_else_are_refused(gives: Any, words: str) -> None:
    """Pixels of another shape, or of another type, than an array has announced are an error that says so."""
    source = ArraySource(Lying(gives), name="liar")
    with pytest.raises(
        OSError, match=rf"^the pixels of 'liar' cannot be read: {words}; let both be the same$"
    ):
        source.read(full_box(source.shape))


class OwnSource:
    """An image source of somebody's own, which reads one row too many."""

    shape, channels, name = image().shape, 1, "own"

    def read(self, box: Any) -> Any:
        return np.zeros((1, len(box[0]) + 1, len(box[1])), np.uint16)


def test_sources_of_ones_own_are_looked_at_too() -> None:
    """What a source of one's own reads must be the box that was asked for."""
    with pytest.raises((OSError, ValueError, RuntimeError), match=r"'own'.*gives 1 x \d+ x \d+ where"):
        ex.segment(OwnSource(), network(), normalization="none")
