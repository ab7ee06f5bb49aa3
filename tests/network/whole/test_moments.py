"""Means and variances gathered in float32 blocks are those of float64, for all values and layouts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_exactile.network.whole import moments
from napari_exactile.network.whole.moments import Moments
from napari_exactile.network.whole.reductions import Partial
from proofs import many

SHAPES = [
    (1, 1, 1),
    (1, 1, 7),
    (1, 3, 1, 1),
    (1, 1, 301, 299),
    (1, 6, 211, 97),
    (1, 160, 9, 31),
    (1, 4, 13, 20, 17),
]
SPREAD = 1e-6  # of a mean, in standard deviations, and of a variance in itself


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def ramp(shape: tuple[int, ...]) -> np.ndarray:
    return np.linspace(-1, 3, int(np.prod(shape))).reshape(shape)


def plateaus(shape: tuple[int, ...]) -> np.ndarray:
    """Two levels, far from each other: the second half of the rows is another one."""
    return np.where(ramp(shape) > 1, 900.0, -3.0) + 1e-2 * noise(shape)


def spike(shape: tuple[int, ...]) -> np.ndarray:
    """One pixel of a constant image, in the last row, which no sample may have met."""
    values = np.full(shape, 0.1)
    values[..., -1] = np.where(np.arange(shape[-2]) == shape[-2] - 1, 50.0, 0.1)
    return values


VALUES: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
    "noise": noise,
    "offset 1e4": lambda shape: noise(shape) + 1e4,
    "offset 1e6": lambda shape: 5 * noise(shape) - 1e6,
    "channels apart": lambda shape: (
        noise(shape) + 1e5 * np.arange(shape[1]).reshape(-1, *[1] * (len(shape) - 2))
    ),
    "plateaus": plateaus,
    "ramp": ramp,
    "spike": spike,
    "tiny": lambda shape: 1e-22 * noise(shape),
    "huge": lambda shape: 1e24 * noise(shape),
}


def cut_out(tensor: Tensor) -> Tensor:
    """A view with gaps, as a box of a larger result is one."""
    larger = torch.full([size + 3 for size in tensor.shape], torch.nan)
    view = larger[tuple(slice(1, size + 1) for size in tensor.shape)]
    return view.copy_(tensor)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels first": lambda tensor: tensor.contiguous(),
    "channels last": lambda tensor: tensor.movedim(1, -1).contiguous().movedim(-1, 1),
    "cut out, channels first": cut_out,
    "cut out, channels last": lambda tensor: cut_out(tensor.movedim(1, -1)).movedim(-1, 1),
    "last axis first": lambda tensor: tensor.movedim(-1, 0).contiguous().movedim(0, -1),
}


def expected(tensor: Tensor, dims: tuple[int, ...], groups: int | None) -> Partial:
    values = tensor.double().contiguous().numpy()
    if groups:
        values = values.reshape(1, groups, -1, *tensor.shape[2:])
    mean = values.mean(dims, keepdims=True)
    squares = ((values - mean) ** 2).sum(dims, keepdims=True)
    return tuple(map(torch.from_numpy, (np.full_like(mean, values.size / mean.size), mean, squares)))


def assert_close(found: Partial, wanted: Partial) -> None:
    (count, mean, squares), (number, middle, true) = found, wanted
    assert {one.dtype for one in found} == {torch.float64}
    assert [one.shape for one in found] == [one.shape for one in wanted]
    assert torch.equal(count, number)
    assert ((squares - true).abs() <= SPREAD * true).all()
    # The values themselves have 24 bits.
    assert ((mean - middle).abs() <= SPREAD * (true / number).sqrt() + 1e-15 * middle.abs()).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("values", VALUES)
def test_float32_blocks_give_what_float64_gives(
    values: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one to three axes, in every layout, per channel and for groups; in one block and in many."""
    for shape in SHAPES:
        tensor = LAYOUTS[layout](torch.from_numpy(VALUES[values]((1, *shape[1:]))).float())
        for groups in {1, shape[1]} | ({2} if shape[1] % 2 == 0 else set()):
            dims = tuple(range(2, len(shape) + 1))
            for block in (1 << 18, 1 << 13):
                monkeypatch.setattr(moments, "BLOCK", block)
                assert_close(Moments(dims, groups).part(tensor, ()), expected(tensor, dims, groups))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dimensions_of_every_kind(layout: str) -> None:
    """Over space, over all, over what is no channel at dimension 1, and what is no matrix: as float64."""
    tensor = LAYOUTS[layout](torch.from_numpy(noise((1, 6, 50, 40)) + 1e3).float())
    for dims in ((2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3), (1, 2), (0, 1, 2), (3,)):
        assert_close(Moments(dims).part(tensor, ()), expected(tensor, dims, None))
    for dims in ((0,), (1,), (0, 1)):
        assert_close(Moments(dims).part(tensor[0, 0], ()), expected(tensor[0, 0], dims, None))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_coarse_numbers_are_gathered_without_more_rounding(dtype: torch.dtype) -> None:
    """What half precision holds is gathered as exactly as float32."""
    for layout in LAYOUTS.values():
        tensor = layout(torch.from_numpy(noise((1, 6, 50, 40)) + 5).to(dtype))
        assert_close(Moments((2, 3, 4), 2).part(tensor, ()), expected(tensor, (2, 3, 4), 2))


@settings(max_examples=many(30))
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(1, 300), st.integers(1, 30))
def test_a_constant_has_no_variance(value: float, height: int, channels: int) -> None:
    """Its mean is itself and its variance exactly 0, in one part and in several, in every layout."""
    for layout in LAYOUTS.values():
        one = Moments((2, 3, 4), 1)
        tensor = layout(torch.full((1, channels, height, 37), value))
        for found in (one.part(tensor, ()), one.total(one.part(t, ()) for t in tensor.split(7, 2))):
            assert found[1].item() == np.float32(value)
            assert found[2].item() == 0


def test_a_box_gives_the_same_bits_alone_and_cut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gaps in memory and the number of threads change nothing; blocks follow from the shape."""
    monkeypatch.setattr(moments, "BLOCK", 1 << 16)
    threads = torch.get_num_threads()
    for channels in (1, 3, 40):
        tensor = torch.from_numpy(noise((1, channels, 300, 211))).float()
        for place in ("channels first", "channels last"):
            found = []
            for layout, count in ((place, 1), (place, 2), (f"cut out, {place}", 2)):
                torch.set_num_threads(count)
                found.append(Moments((2, 3, 4), channels).part(LAYOUTS[layout](tensor), ()))
            torch.set_num_threads(threads)
            assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_numbers_without_end_stay_without_end() -> None:
    """A part with NaN or infinity has no moments that could be mistaken for some."""
    for odd in (torch.nan, torch.inf):
        tensor = torch.zeros(1, 2, 9, 9)
        tensor[0, 1, 4, 4] = odd
        _count, _mean, squares = Moments((2, 3, 4), 2).part(tensor, ())
        assert squares.flatten()[0] == 0
        assert squares.flatten()[1].isnan()


def test_float64_stays_float64() -> None:
    """Of integers in float64, sums of whose squares are exact, mean and variance are exact to the bit."""
    tensor = torch.arange(-512, 512, dtype=torch.float64).reshape(1, 1, 32, 32) + 2**30
    _count, mean, squares = Moments((2, 3, 4), 1).part(tensor, ())
    assert mean.item() == 2**30 - 0.5
    assert squares.item() == 1024 * (1024**2 - 1) / 12
