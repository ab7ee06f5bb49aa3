"""What is measured of an image block by block is numpy's of the whole; what is no number is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from counted_arrays import ARRAYS
from napari_exactile.images.normalize import statistics
from napari_exactile.images.normalize.steps import Affine, Normalization
from napari_exactile.images.planes import source_of


def measured(array: Any, channels: int = 1) -> Normalization:
    """Run a measurement to its end."""
    measuring = statistics.measure(source_of(array, channels))
    while True:
        try:
            next(measuring)
        except StopIteration as result:
            return result.value


def random_image(dtype: str, *shape: int) -> np.ndarray:
    values = np.random.default_rng(3).random(shape)
    return values > 0.3 if dtype == "bool" else (values * 100 + 20).astype(dtype)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in blocks of a few rows, as a large image is."""
    monkeypatch.setattr(statistics, "BLOCK_PIXELS", 70)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "uint16", "int32", "float16", "float32", "float64"]
)
def test_statistics_are_numpys(dtype: str) -> None:
    """Mean and standard deviation, merged from blocks, are numpy's in float64, channel by channel."""
    image = random_image(dtype, 2, 53, 21)
    found, exact = measured(image, 2), image.astype(np.float64)
    np.testing.assert_allclose(found.steps[0].mean, exact.mean(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.steps[0].std, exact.std(axis=(1, 2)), rtol=1e-12)


@pytest.mark.usefixtures("small_blocks")
def test_statistics_of_small_differences_on_a_large_offset() -> None:
    """A variation of one part in a million is measured: nothing is lost to the squares of large numbers."""
    image = 1e6 + np.random.default_rng(0).random((64, 50))
    assert measured(image).steps[0].std[0] == pytest.approx(image.std(), rel=1e-9)


@pytest.mark.usefixtures("small_blocks")
def test_statistics_do_not_depend_on_the_kind_of_array() -> None:
    """The same pixels give the same numbers to the last bit, whatever holds them."""
    image = random_image("float32", 53, 21)
    found = {measured(wrap(image)) for wrap in ARRAYS.values()}
    assert len(found) == 1


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("value", [7, 0.1, -1 / 3, 123456.789, 1e-30, 0])
def test_a_constant_image_is_divided_by_one(value: float) -> None:
    """A constant channel has no spread, also where its mean is rounded: it becomes zero, not noise."""
    image = np.full((53, 21), value)
    found = measured(image)
    assert found.steps[0].std == (1.0,)
    assert np.abs(found.apply(image[None], np.float64)).max() <= 1e-14 * abs(value)


def test_measuring_tells_how_far_it_is(small_blocks: None) -> None:
    """The fractions rise to one, one for each block, in measuring as in checking."""
    source = source_of(np.zeros((10, 35)), 1)
    assert list(statistics.measure(source)) == list(statistics.check(source)) == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_normalised_pixels_do_not_depend_on_the_cut() -> None:
    """A box of the normalised image is the normalised box, to the bit."""
    image, normalization = (
        random_image("float32", 2, 40, 30),
        Normalization((Affine((3.1, 0.7), (17.3, 0.03)),)),
    )
    whole = normalization.apply(image)
    np.testing.assert_array_equal(normalization.apply(image[:, 7:19, 3:]), whole[:, 7:19, 3:])
    assert whole.dtype == np.float32


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
@pytest.mark.parametrize("examine", [statistics.measure, statistics.check])
def test_pixels_that_are_no_numbers_are_named(value: float, name: str, examine: Callable) -> None:
    """The first NaN or infinite pixel is named with its place in the whole image."""
    image = np.zeros((20, 35))
    image[13, 30] = image[19, 2] = value
    message = f"'image' has {name} pixels, first at y 13, x 30. Nothing was created."
    with pytest.raises(ValueError, match=message):
        list(examine(source_of(image, 1)))
