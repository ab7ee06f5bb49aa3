"""Pieces of an image that its file does not store, and that are a fill value by its format: counted, told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from threading import Lock
from typing import Any

from napari_exactile.geometry.words import counted
from napari_exactile.images.known import KnownOf

Place = tuple[int, ...]
# Of one piece: how many parts of it that are counted are not stored, and how many there are.
Ask = Callable[[Place], tuple[int, int]]


@dataclass(slots=True, eq=False)
class Gaps:
    """How many of the `total` pieces of an array, such as "chunk", are not stored and read as `fill`.

    Where they could not be listed, `ask` says it of each piece of the shape `piece`, and is asked as these
    are read. May be used from any thread.
    """

    what: str
    total: int
    fill: str
    missing: int = 0
    piece: tuple[int, ...] = ()
    ask: Ask | None = None
    _seen: set[Place] = field(default_factory=set)
    _read: int = 0
    _lock: Any = field(default_factory=Lock)

    def look(self, index: tuple[slice, ...]) -> None:
        """Count those pieces that a part of the array touches, if they have not been listed."""
        if self.ask is None:
            return
        for place in _touched(index, self.piece):
            with self._lock:
                if place not in self._seen:
                    self._seen.add(place)
                    missing, read = self.ask(place)
                    self.missing, self._read = self.missing + missing, self._read + read

    def describe(self) -> str:
        """Return it in words; nothing where all is stored, as far as is known."""
        if not self.missing:
            return ""
        read = self._read if self.ask else self.total
        some = "that were read " if read < self.total else ""
        one = self.missing == 1
        verbs = ("is not stored and reads", "are not stored and read")[not one]
        return f"{self.missing:,} of {counted(read, self.what)} {some}{verbs} as {self.fill}"


def _touched(index: tuple[slice, ...], piece: tuple[int, ...]) -> Iterator[Place]:
    """Return the places of the pieces that a part touches; its slices have a start and a stop."""
    sides = (
        range(part.start // side, -(-part.stop // side)) if part.stop > part.start else range(0)
        for part, side in zip(index, piece, strict=True)
    )
    return product(*sides)


GAPS: KnownOf[Gaps] = KnownOf()


def gap_words(array: Any) -> str:
    """Return what is known of pieces of an array that are not stored, in words."""
    known = GAPS.of(array)
    return known.describe() if known else ""
