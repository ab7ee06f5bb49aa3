"""Steps of normalisation give what numpy gives for the whole image, measured block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_exactile.images import statistics
from napari_exactile.images.normalization import (
    Affine,
    Binarize,
    Clip,
    Linear,
    Normalization,
    Percentiles,
    ZScore,
    steps_of,
)
from napari_exactile.images.source import source_of

TYPES = ["uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "float16", "float32", "float64"]


def measured(array: Any, steps: Any, channels: int = 1) -> Normalization:
    measuring = statistics.measure(source_of(array, channels), steps)
    fractions = []
    while True:
        try:
            fractions.append(next(measuring))
        except StopIteration as result:
            assert fractions == sorted(fractions)
            assert fractions[-1] == pytest.approx(1)
            return result.value


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in blocks of a few rows, as a large image is."""
    monkeypatch.setattr(statistics, "BLOCK_PIXELS", 70)


@given(data=st.data(), dtype=st.sampled_from(TYPES))
def test_percentiles_are_those_of_numpy(data: st.DataObject, dtype: str) -> None:
    """Of any type, negative and repeated numbers included, percentiles are exact, not approximate."""
    whole = np.dtype(dtype).kind in "iu"
    elements: Any = None if whole else st.floats(-6e4, 6e4, width=16)
    if dtype == "int64":
        elements = st.integers(-(2**52), 2**52)
    image = data.draw(
        arrays.arrays(dtype, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=elements)
    )
    low = data.draw(st.floats(0, 99))
    high = data.draw(st.floats(low, 100, exclude_min=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "BLOCK_PIXELS", 20)
        (found,) = measured(image, (Percentiles(low, high, eps=1e-3),)).steps
    expected = np.percentile(image.astype(np.float64), [low, high])
    scale = max(1.0, float(np.abs(expected).max()))
    assert isinstance(found, Affine)
    assert found.mean[0] == pytest.approx(expected[0], rel=1e-12, abs=1e-12 * scale)
    assert found.std[0] == pytest.approx(expected[1] - expected[0] + 1e-3, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.usefixtures("small_blocks")
def test_joint_statistics_are_those_of_all_channels_together() -> None:
    """Jointly, every channel is changed by the same two numbers; otherwise each by its own."""
    image = np.random.default_rng(0).normal([[[3]], [[50]]], [[[1]], [[9]]], (2, 40, 30))
    (apart,) = measured(image, (ZScore(eps=0.5),), 2).steps
    (joint,) = measured(image, (ZScore(joint=True, eps=0.5),), 2).steps
    np.testing.assert_allclose(apart.mean, image.mean((1, 2)))
    np.testing.assert_allclose(apart.std, image.std((1, 2)) + 0.5)
    np.testing.assert_allclose([*joint.mean, *joint.std], [image.mean(), image.std() + 0.5])
    (spread,) = measured(image, (Percentiles(joint=True),), 2).steps
    np.testing.assert_allclose([*spread.mean, *spread.std], [image.min(), np.ptp(image)])


@pytest.mark.usefixtures("small_blocks")
def test_steps_are_measured_on_what_the_ones_before_make() -> None:
    """Clipped first, the percentiles and the mean are those of the clipped image."""
    image = np.random.default_rng(1).integers(0, 4000, (50, 31)).astype(np.uint16)
    steps = (Clip(500, 2000), Linear((0.5,), (3.0,)), Percentiles(2, 98), ZScore())
    found = measured(image, steps)
    values = np.clip(image.astype(float), 500, 2000) * 0.5 + 3
    low, high = np.percentile(values, [2, 98])
    values = (values - low) / (high - low)
    values = (values - values.mean()) / values.std()
    np.testing.assert_allclose(found.apply(image[None], np.float64)[0], values, rtol=1e-9, atol=1e-12)


def test_fixed_steps_do_what_they_say() -> None:
    """Without anything to measure, steps keep their values and the image is only looked at."""
    image = np.array([[0, 5, 10]], np.uint8)
    steps = (Linear((2.0,), (1.0,)), Clip(None, 15), Binarize((10.9,)))
    assert measured(image, steps).steps == steps
    np.testing.assert_array_equal(measured(image, steps).apply(image[None])[0], [[0, 1, 1]])
    assert "times 2, plus 1" in Normalization(steps).describe()
    assert Normalization().describe() == "as it is"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Percentiles(50, 50), "percentiles rise from 0 to 100"),
        (lambda: Percentiles(-1, 50), "percentiles rise from 0 to 100"),
        (lambda: Affine((0.0,), (0.0,)), "cannot be divided by a standard deviation of 0"),
        (lambda: steps_of("max"), "normalization is one of model, z-score, min-max"),
        (lambda: steps_of((3,)), "a sequence of steps"),  # type: ignore[arg-type]
    ],
)
def test_impossible_steps_are_refused(make: Any, message: str) -> None:
    """Steps that no image can be put through say why."""
    with pytest.raises(ValueError, match=message):
        make()
