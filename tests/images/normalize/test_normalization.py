"""Steps of normalisation give what numpy gives for the whole image, measured block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_exactile.images.normalize import statistics
from napari_exactile.images.normalize.parse import parse_steps, steps_of
from napari_exactile.images.normalize.steps import (
    Affine,
    Binarize,
    Clip,
    Linear,
    Normalization,
    Percentiles,
    ZScore,
)
from napari_exactile.images.planes import source_of
from napari_exactile.run.plan.settings import Settings

TYPES = ["uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "float16", "float32", "float64"]


def measured(array: Any, steps: Any, channels: int = 1, ignore: float | None = None) -> Normalization:
    measuring = statistics.measure(source_of(array, channels), steps, ignore)
    fractions = []
    while True:
        try:
            fractions.append(next(measuring))
        except StopIteration as result:
            assert fractions == sorted(fractions)
            measures = any(isinstance(step, ZScore | Percentiles) for step in steps)
            if measures or array.dtype.kind == "f":
                assert fractions[-1] == pytest.approx(1)
            else:
                assert not fractions, "integers that are not measured are not read"
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
    """Without anything to measure, steps keep their values and nothing of an image of integers is read."""
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


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("joint", [False, True])
def test_ignored_pixels_do_not_count(dtype: str, joint: bool) -> None:
    """Pixels that are 0 in all channels are left out, blocks of them too; those with one 0 count."""
    image = np.random.default_rng(2).integers(1, 100, (2, 60, 31)).astype(dtype)
    image[:, :20] = image[:, 40:, :9] = 0
    image[0, 30] = 0
    steps = (ZScore(joint=joint), Clip(-1, 1), Percentiles(2, 98, joint=joint))
    found = measured(image, steps, 2, ignore=0)
    tissue = image[:, image.any(axis=0)].astype(float)
    axis = None if joint else 1
    mean, std = tissue.mean(axis), tissue.std(axis)
    np.testing.assert_allclose(np.squeeze(found.steps[0].mean), mean)
    np.testing.assert_allclose(np.squeeze(found.steps[0].std), std)
    clipped = np.clip((tissue - np.reshape(mean, (-1, 1))) / np.reshape(std, (-1, 1)), -1, 1)
    low, high = np.percentile(clipped, [2, 98], axis=axis)
    np.testing.assert_allclose(np.squeeze(found.steps[2].mean), low, atol=1e-12)
    np.testing.assert_allclose(np.squeeze(found.steps[2].std), high - low)


@pytest.mark.parametrize("step", [ZScore(), Percentiles()])
def test_an_image_of_ignored_pixels_is_refused(step: Any) -> None:
    """Where no pixel is left to measure, a sentence says so, instead of a division by zero."""
    with pytest.raises(ValueError, match="all pixels of 'image' are 7, which is ignored"):
        measured(np.full((9, 9), 7, np.uint8), (step,), ignore=7)


@pytest.mark.parametrize("dtype", [">f4", ">i2", ">u2"])
def test_percentiles_of_the_other_byte_order(dtype: str) -> None:
    """The order of a number's bytes in memory does not change what is measured."""
    image = np.random.default_rng(0).normal(300, 90, (40, 30)).astype(dtype)
    steps = (Percentiles(5, 95),)
    assert measured(image, steps) == measured(image.astype(dtype[1:]), steps)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("z-score", (ZScore(),)),
        ("joint z-score", (ZScore(joint=True),)),
        ("joint min-max", (Percentiles(joint=True),)),
        ("percentile 2 98.5", (Percentiles(2, 98.5),)),
        ("percentile", (Percentiles(1, 99.8),)),
        ("fixed 120 35", (Affine((120.0,), (35.0,)),)),
        ("fixed 1,-2 3,4e-1", (Affine((1.0, -2.0), (3.0, 0.4)),)),
        ("clip 0 4095; joint percentile 1 99|z-score", (Clip(0, 4095), Percentiles(1, 99, True), ZScore())),
        ("none", ()),
    ],
)
def test_steps_can_be_typed(text: str, steps: tuple[Any, ...]) -> None:
    """What a person types means these steps, in order."""
    assert parse_steps(text) == steps_of(text) == steps


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "normalization is one of model, z-score.* not ''"),
        ("joint", "one of model"),
        ("joint fixed 1 2", "only what is measured can be joint"),
        ("fixed 120", "or steps such as fixed 120 35, not 'fixed 120'"),
        ("fixed a 2", "takes numbers such as 120 or 0.5, not 'a'"),
        ("fixed 1 nan", "takes numbers"),
        ("fixed 1 0", "a standard deviation of 0"),
        ("percentile 50 10", "percentiles rise"),
        ("z-score;;", "one of model"),
    ],
)
def test_what_means_nothing_is_refused(text: str, message: str) -> None:
    """A text that is no step is refused with what could be meant."""
    with pytest.raises(ValueError, match=message):
        Settings(normalization=text)


def test_values_are_as_many_as_channels() -> None:
    """Two values do not fit three channels: that is said before a pixel is read."""
    with pytest.raises(ValueError, match="normalization has 2 values, but the channels of 'image' are 3"):
        measured(np.zeros((3, 9, 9)), parse_steps("fixed 1,2 1"), 3)
