"""Whether letters name the axes of an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_exactile.geometry.words import counted


def check_axes(axes: Any, shape: Sequence[int], name: str) -> None:
    """Raise ValueError where axes are not a text of as many letters as the array has axes, each once.

    >>> check_axes("cyxc", (3, 64, 64, 2), "cells")
    Traceback (most recent call last):
    ValueError: axes 'cyxc' name 'c' twice: give each axis of 'cells', of shape (3, 64, 64, 2), its own letter
    """
    if not isinstance(axes, str):
        raise ValueError(f"axes are a letter for each axis of '{name}', such as 'yx' or 'cyx', not {axes!r}")
    whose = f"'{name}', of shape {tuple(map(int, shape))}"
    if len(axes) != len(shape):
        have = counted(len(shape), "axis", "axes")
        raise ValueError(
            f"axes {axes!r} do not fit {whose}: it has {have}, so give {counted(len(shape), 'letter')}"
        )
    twice = next((letter for letter in axes if axes.count(letter) > 1), None)
    if twice is not None:
        raise ValueError(f"axes {axes!r} name {twice!r} twice: give each axis of {whose}, its own letter")
