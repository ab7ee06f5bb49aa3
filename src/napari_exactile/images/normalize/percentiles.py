"""Exact percentiles of images of any size and type, in memory that does not depend on either."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers are told apart by so many bits at a time: one pass over the image for each.
DIGIT = 16
Blocks = Callable[[], Iterable[NDArray[Any]]]


def percentiles(
    blocks: Blocks, asked: tuple[float, ...], dtype: np.dtype[Any]
) -> Generator[None, None, list[tuple[float, ...]]]:
    """Return the percentiles `asked` of each row of `blocks()`, arrays (rows, pixels) of real numbers.

    Equal to numpy's (linear interpolation between neighbours in order), with no approximation: the numbers
    of the ranks in question are found digit by digit, in `passes(dtype)` passes of a histogram each. Yields
    after each block.
    """
    counts = 0
    searches: list[dict[int, int]] = []  # per row: rank -> leading digits of the number at that rank
    for number in range(passes(dtype)):
        shift = 8 * _keys(np.empty(0, dtype)).itemsize - DIGIT * (number + 1)
        found: list[dict[int, NDArray[Any]]] = []
        total = 0
        for block in blocks():
            found = found or [defaultdict(lambda: np.zeros(1 << DIGIT, np.int64)) for _ in block]
            prefixes = [set(search.values()) for search in searches] or [{0}] * len(block)
            for histograms, row, wanted in zip(found, block, prefixes, strict=True):
                _count(histograms, _keys(row), wanted, shift)
            total += block.shape[1]
            yield
        if not searches:
            counts = total
            searches = [dict.fromkeys(_ranks(asked, counts), 0) for _ in found]
            below = [dict.fromkeys(search, 0) for search in searches]
        for search, under, histograms in zip(searches, below, found, strict=True):
            _descend(search, under, histograms)
    numbers = [{rank: _number(key, dtype) for rank, key in search.items()} for search in searches]
    return [tuple(_interpolated(q, counts, row) for q in asked) for row in numbers]


def passes(dtype: np.dtype[Any]) -> int:
    """Return how often the image is read: once for up to 16 bits, twice for 32, four times for 64."""
    return _keys(np.empty(0, dtype)).itemsize * 8 // DIGIT


def _count(histograms: dict[int, NDArray[Any]], keys: NDArray[Any], wanted: set[int], shift: int) -> None:
    leading = keys >> np.array(shift, keys.dtype)
    for prefix in wanted:
        inside = leading if shift + DIGIT >= 8 * keys.itemsize else leading[leading >> DIGIT == prefix]
        digits = (inside & np.array((1 << DIGIT) - 1, keys.dtype)).astype(np.intp)
        histograms[prefix] += np.bincount(digits, minlength=1 << DIGIT)


def _descend(search: dict[int, int], below: dict[int, int], histograms: dict[int, NDArray[Any]]) -> None:
    """Append the next digit to what is known of the number at each rank."""
    for rank, prefix in search.items():
        cumulated = np.cumsum(histograms[prefix])
        digit = int(np.searchsorted(cumulated, rank - below[rank], side="right"))
        below[rank] += int(cumulated[digit - 1]) if digit else 0
        search[rank] = prefix << DIGIT | digit


def _ranks(asked: tuple[float, ...], count: int) -> list[int]:
    places = [q / 100 * (count - 1) for q in asked]
    return sorted({rank for place in places for rank in (int(place), min(int(place) + 1, count - 1))})


def _interpolated(q: float, count: int, numbers: dict[int, float]) -> float:
    place = q / 100 * (count - 1)
    low, high = numbers[int(place)], numbers[min(int(place) + 1, count - 1)]
    return low + (high - low) * (place - int(place))


def _keys(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return unsigned whole numbers in the order of `numbers`, of at least one digit."""
    if numbers.dtype.kind in "bu":
        return numbers.astype(np.uint16) if numbers.itemsize == 1 else numbers
    if numbers.itemsize == 1:
        numbers = numbers.astype(np.int16)
    bits = np.ascontiguousarray(numbers).view(f"u{numbers.itemsize}")
    sign = np.array(1 << (8 * numbers.itemsize - 1), bits.dtype)
    flipped = bits ^ sign
    return np.where(bits & sign, ~bits, flipped) if numbers.dtype.kind == "f" else flipped


def _number(key: int, dtype: np.dtype[Any]) -> float:
    """Undo `_keys` for one number."""
    if dtype.kind in "bu":
        return float(key)
    size = max(2, dtype.itemsize)
    sign = 1 << (8 * size - 1)
    if dtype.kind == "i":
        return float(key - sign)
    bits = key ^ sign if key & sign else ~key & (2 * sign - 1)
    return float(np.array(bits, f"u{size}").view(f"f{size}"))
