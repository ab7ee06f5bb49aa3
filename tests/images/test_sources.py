"""What is read of a source is what numpy would read, channels first, and padded as numpy pads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counted_arrays import ARRAYS, counting
from napari_exactile.geometry.frame import Frame
from napari_exactile.geometry.interval import Interval, full_box, slices
from napari_exactile.images.framed import FramedSource
from napari_exactile.images.planes import planes_of, source_of
from napari_exactile.images.source import ArraySource
from proofs import many

BOX = (Interval(2, 9), Interval(3, 5))


@pytest.fixture(params=ARRAYS)
def wrap(request: pytest.FixtureRequest) -> Callable[[np.ndarray], Any]:
    """Return what makes an array of one kind from a numpy array."""
    return ARRAYS[request.param]


# --- sources ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes", "channels", "expected"),
    [
        ((12, 7), None, 1, np.s_[None, 2:9, 3:5]),
        ((3, 12, 7), None, 3, np.s_[:, 2:9, 3:5]),
        ((2, 12, 7), "cyx", 2, np.s_[:, 2:9, 3:5]),
    ],
)
def test_reads_what_slicing_reads(
    wrap: Callable, shape: tuple[int, ...], axes: str | None, channels: int, expected: Any
) -> None:
    """Any box of an array of any kind is that slice of it, channels first."""
    array = counting(*shape)
    source = source_of(wrap(array), channels, axes)
    assert (source.shape, source.channels) == ((12, 7), channels)
    np.testing.assert_array_equal(source.read(BOX), array[expected])


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_come_first_and_alpha_is_dropped(wrap: Callable, samples: int) -> None:
    """Of RGB and RGBA with the colours last, a model for RGB gets the three colours first."""
    array = counting(12, 7, samples)
    source = source_of(wrap(array), 3)
    assert (source.shape, source.channels) == ((12, 7), 3)
    np.testing.assert_array_equal(source.read(BOX), np.moveaxis(array[2:9, 3:5, :3], -1, 0))


@pytest.mark.parametrize(
    ("axes", "shape"), [("tzyx", (2, 3, 12, 7)), ("tyxc", (2, 12, 7, 3)), ("ctyx", (3, 2, 12, 7)),
                        ("tczyx", (2, 3, 4, 12, 7)), ("zyx", (3, 12, 7)), ("cyx", (3, 12, 7))]
)  # fmt: skip
def test_planes_of_stacks(wrap: Callable, axes: str, shape: tuple[int, ...]) -> None:
    """Wherever the channels stand, the planes of a stack come in order, each with its channels first."""
    array = counting(*shape)
    channels = 3 if "c" in axes else 1
    planes = planes_of(wrap(array), axes, channels)
    stack = axes.replace("c", "")
    ordered = array if "c" in axes else array[..., None]
    ordered = np.moveaxis(ordered, axes.find("c"), -3).reshape(-1, channels, 12, 7)
    assert planes.axes == stack
    assert planes.shape == tuple(shape[axes.index(axis)] for axis in stack[:-2])
    assert len(planes.sources) == len(ordered)
    for source, plane in zip(planes.sources, ordered, strict=True):
        np.testing.assert_array_equal(source.read(BOX), plane[:, 2:9, 3:5])


def test_planes_are_named() -> None:
    """A plane's name says which plane it is, so that messages about its pixels do."""
    sources = planes_of(counting(2, 3, 4, 4), "tzyx", 1, "cells.tif").sources
    assert sources[4].name == "cells.tif, t 1, z 1"


@pytest.mark.parametrize(
    ("array", "channels", "axes", "message"),
    [
        (np.zeros((4, 4), complex), 1, None, "pixels of type complex128: only real numbers"),
        (np.zeros((4, 4), "U1"), 1, None, "pixels of type <U1: only real numbers"),
        (np.zeros((0, 4)), 1, None, r"'image' is empty, of shape \(0, 4\): choose"),
        (
            np.zeros((2, 4, 4)),
            1,
            None,
            r"axes of 'image', of shape \(2, 4, 4\), are not clear: give a letter for each, such as axes=",
        ),
        (np.zeros((4, 4, 3)), 1, None, "not clear"),
        (np.zeros(4), 1, None, "has 1 axis, but the model takes y and x"),
        (
            np.zeros((4, 4)),
            1,
            "cyx",
            r"axes 'cyx' do not fit 'image', of shape \(4, 4\): it has 2 axes, so give 2 letters",
        ),
        (np.zeros((4, 4)), 1, "tz", "axes 'tz' do not fit"),
        (np.zeros((4, 4)), 3, None, "'image' has 1 channel, but the model takes 3 channels"),
        (np.zeros((3, 4, 4)), 1, "cyx", "'image' has 3 channels, but the model takes 1 channel"),
    ],
)
def test_what_holds_no_image_is_refused(
    array: np.ndarray, channels: int, axes: str | None, message: str
) -> None:
    """Arrays that hold no image for the model are refused in one sentence with the offending value."""
    with pytest.raises(ValueError, match=message):
        source_of(array, channels, axes)


@pytest.mark.parametrize("axes", ["yxz", "xy", "zyx", "yyx", "x"])
def test_axes_without_y_and_x_at_the_end_are_refused(axes: str) -> None:
    """Planes need y and x as the last axes, each name once, and as many names as the array has axes."""
    with pytest.raises(ValueError, match=f"axes '{axes}' (do not fit 'image'|name 'y' twice)"):
        planes_of(np.zeros((5, 5, 5) if axes in {"yxz", "yyx"} else (5, 5)), axes, 1)


def test_unreadable_pixels_are_an_error_of_the_image() -> None:
    """Whatever goes wrong while pixels are read comes out as one kind of error that names the image."""

    def broken(block: np.ndarray) -> np.ndarray:
        raise RuntimeError("bad checksum")

    lazy = da.zeros((8, 8), chunks=4).map_blocks(broken, dtype=float, meta=np.zeros((0, 0)))
    with pytest.raises(OSError, match="the pixels of 'cells' cannot be read: bad checksum"):
        ArraySource(lazy, name="cells").read(full_box((8, 8)))


# --- padding ---------------------------------------------------------------------------------------------


@settings(max_examples=many(200), deadline=None)
@given(st.data())
def test_padded_reads_equal_numpy_pad(data: st.DataObject) -> None:
    """Any box of the reflected image is that box of numpy.pad: any padding, 1-pixel images too."""
    shape = tuple(data.draw(st.integers(1, 6), "shape") for _ in range(data.draw(st.integers(1, 3), "axes")))
    padding = [(0, data.draw(st.integers(0, 20), "padding")) for _ in shape]
    image = counting(*shape)
    padded = np.pad(image, padding, mode="reflect")
    box = []
    for length in padded.shape:
        start = data.draw(st.integers(0, length - 1), "start")
        box.append(Interval(start, data.draw(st.integers(start + 1, length), "stop")))
    result = FramedSource(ArraySource(image), Frame(shape, padded.shape)).read(tuple(box))
    np.testing.assert_array_equal(result[0], padded[slices(tuple(box))])


class Watched:
    """An image that notes which boxes are read."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.channels, self.boxes = shape, 1, []

    def read(self, box: tuple[Interval, ...]) -> np.ndarray:
        self.boxes.append(box)
        return counting(*self.shape)[None][(slice(None), *slices(box))]


def test_padded_reads_read_no_more_than_they_show() -> None:
    """Of a box in the corner of the padding, only the pixels that it mirrors are read."""
    image = Watched(100, 100)
    FramedSource(image, Frame((100, 100), (112, 100))).read((Interval(90, 112), Interval(0, 5)))
    assert image.boxes == [(Interval(87, 100), Interval(0, 5))]
