"""What people give as a setting, in the form that runs go by, or a sentence that says what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from napari_exactile.geometry.interval import Box, Interval

BOX = "is a pair of start and stop in pixels for each axis, such as ((0, 512), (100, 600))"


def pixels(what: str, value: Any) -> int | Literal["auto"]:
    """Return a number of pixels, or "auto"; raises ValueError for anything else.

    >>> pixels("a tile", 512.0), pixels("a tile", "auto")
    (512, 'auto')
    """
    if isinstance(value, str) and value == "auto":
        return "auto"
    return _whole(value, f'{what} is a whole number of pixels or "auto", not {value!r}')


def whole(what: str, value: Any) -> int:
    """Return a whole number; raises ValueError for anything else."""
    return _whole(value, f"{what} is a whole number, not {value!r}")


def shape(value: Any, what: str = "a shape") -> tuple[int, ...]:
    """Return a number of pixels for each axis; raises ValueError for anything else.

    >>> shape([512, 640.0])
    (512, 640)
    """
    words = f"{what} is a number of pixels for each axis, such as (512, 512), not {value!r}"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ValueError(words)
    return tuple(_whole(length, words) for length in value)


def path(what: str, value: Any) -> Path:
    """Return the path of a file or folder; raises ValueError for anything else."""
    if not isinstance(value, str | PathLike):
        raise ValueError(f"{what} is the path of a file or folder, not {value!r}: name one")
    return Path(value)


def names(what: str, value: Any) -> tuple[str, ...]:
    """Return texts; raises ValueError for anything else, such as one text instead of a list."""
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    if not several or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{what} are a list of texts such as ('background', 'cell'), not {value!r}")
    return tuple(value)


def choice(what: str, value: Any, choices: Sequence[str]) -> None:
    """Raise ValueError for a value that is none of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{what} is one of {', '.join(choices)}, not {value!r}")


def flag(what: str, value: Any) -> None:
    """Raise ValueError for what is neither True nor False."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} is True or False, not {value!r}: give one of them")


def amount(what: str, value: Any) -> int | None:
    """Return a number of bytes, or None; raises ValueError for anything else."""
    words = f"{what} is a number of bytes, such as 4e9, not {value!r}"
    return None if value is None else _whole(value, words)


def number(what: str, value: Any, more: str = "") -> float | None:
    """Return a number as it is, or None; raises ValueError for anything else."""
    if value is None or isinstance(value, int | float):
        return value
    try:
        return float(value) if not isinstance(value, str | bytes) else float("no number")
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} is a number{more}, not {value!r}") from None


def box(value: Any, what: str = "a region") -> Box | None:
    """Return the box that a region means: an interval, a slice, or a pair for each axis, or None.

    Raises ValueError for what is none, and for a part of an axis that has no start or stop.

    >>> box(((0, 512), slice(100, 600)))
    (Interval(start=0, stop=512), Interval(start=100, stop=600))
    """
    if value is None:
        return None
    if isinstance(value, str | bytes) or not isinstance(value, Sequence) or not len(value):
        raise ValueError(f"{what} {BOX}, not {value!r}")
    return tuple(_side(one, f"{what} {BOX}, not {value!r}") for one in value)


def _side(one: Any, words: str) -> Interval:
    if isinstance(one, Interval):
        return one
    pair = (one.start, one.stop) if isinstance(one, slice) and one.step in {None, 1} else one
    try:
        start, stop = pair
    except (TypeError, ValueError):
        raise ValueError(words) from None
    if isinstance(pair, str | bytes):
        raise ValueError(words)
    return Interval(_whole(start, words), _whole(stop, words))


def _whole(value: Any, words: str) -> int:
    """Return a whole number, also one that has come as a float; ValueError with these words for others."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)
    except TypeError:
        if isinstance(value, float) and isfinite(value) and value == int(value):
            return int(value)
        raise ValueError(words) from None
