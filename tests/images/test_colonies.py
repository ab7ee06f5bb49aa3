"""Synthetic colonies: reproducible, of any size, with the same statistics at every size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_exactile.images.colonies import CLASS_NAMES, PIXEL_SIZE_UM, draw_colonies
from proofs import many


def test_same_seed_same_image() -> None:
    """The seed alone decides: equal seeds give equal images and labels, other seeds give others."""
    one, same, other = (draw_colonies((200, 240), seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert (one.image != other.image).mean() > 0.9
    assert (one.labels != other.labels).any()


@settings(max_examples=many(10), deadline=None)
@given(st.tuples(st.integers(1, 90), st.integers(1, 90)), st.integers(0, 2**32))
def test_any_shape(shape: tuple[int, int], seed: int) -> None:
    """Every shape works, down to a single pixel, and gives counts and labels of that shape."""
    drawn = draw_colonies(shape, seed)
    assert drawn.image.shape == drawn.labels.shape == shape
    assert drawn.image.dtype == np.uint16
    assert drawn.labels.dtype == np.uint8
    assert drawn.labels.max() < len(CLASS_NAMES)


@pytest.mark.parametrize("shape", [(1, 1), (37, 300), (1, 700), (513, 16)])
def test_odd_shapes(shape: tuple[int, int]) -> None:
    """Thin and odd shapes hold sensible light, neither black nor saturated."""
    image = draw_colonies(shape, 4).image
    assert image.shape == shape
    assert 3000 < np.median(image) < 20_000
    assert image.max() < 65_535


@pytest.mark.parametrize("shape", [(0, 5), (5, -1), (5,), (5, 5, 5)])
def test_shapes_without_pixels_are_refused(shape: tuple[int, ...]) -> None:
    """A shape that is not two positive numbers is named in the error."""
    with pytest.raises(ValueError, match="two numbers of pixels, at least 1 each, not"):
        draw_colonies(shape)  # type: ignore[arg-type]


def test_colonies_cover_a_sensible_part() -> None:
    """Every image has colonies and background; on average colonies cover about a third."""
    covered = np.array([draw_colonies(seed=seed).labels.mean() for seed in range(8)])
    assert 0.27 < covered.mean() < 0.45
    assert covered.min() > 0.03
    assert covered.max() < 0.85


def test_statistics_do_not_depend_on_the_size() -> None:
    """One large image looks like many small ones: same cover, brightness, contrast and number of edges."""
    small = [draw_colonies((256, 256), seed) for seed in range(40)]
    large = draw_colonies((1280, 1280), 5)

    def statistics(image: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
        fine = image - gaussian_filter(image.astype(np.float32), 3)
        edges = (np.diff(labels.astype(np.int8), axis=1) != 0).mean()
        return labels.mean(), image.mean(), fine.std(), edges

    expected = np.mean([statistics(*drawn) for drawn in small], axis=0)
    np.testing.assert_allclose(statistics(*large), expected, rtol=0.25)


def test_brightness_alone_does_not_tell_colonies_apart() -> None:
    """Even the best threshold on brightness, chosen by looking at the truth, segments badly."""
    best = []
    for seed in range(4):
        drawn = draw_colonies(seed=seed)
        light, truth = gaussian_filter(drawn.image.astype(np.float32), 2), drawn.labels == 1
        dark = (light < level for level in np.quantile(light, np.linspace(0.05, 0.95, 19)))
        best.append(max((mask & truth).sum() / (mask | truth).sum() for mask in dark))
    assert np.mean(best) < 0.6


def test_texture_tells_colonies_apart() -> None:
    """Fine structure is stronger inside colonies than outside: there is something to learn."""
    drawn = draw_colonies(seed=1)
    fine = drawn.image - gaussian_filter(drawn.image.astype(np.float32), 3)
    assert np.abs(fine[drawn.labels == 1]).mean() > 1.5 * np.abs(fine[drawn.labels == 0]).mean()


def test_constants() -> None:
    """Class names are those of the labels, and a pixel is that of a 10x objective."""
    assert CLASS_NAMES == ("background", "colony")
    assert PIXEL_SIZE_UM == 0.65
