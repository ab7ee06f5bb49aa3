"""Indices into arrays, drawn by hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


@st.composite
def indices(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Draw the shape of an array, and an index with a place, a slice or an ellipsis along its axes."""
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))
    parts: list[Any] = []
    for length in shape:
        place = st.integers(-length, length - 1)
        step = st.none() | st.integers(1, 5)
        bound = st.none() | st.integers(-length - 2, length + 2)
        parts.append(draw(place | st.builds(slice, bound, bound, step)))
    given_axes = draw(st.integers(0, len(parts)))
    kept = (*parts[:given_axes], ...) if given_axes < len(parts) or draw(st.booleans()) else tuple(parts)
    return shape, kept
