"""Which band comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from napari_exactile.run.engine.control import Order


class Queue:
    """The numbers of the bands that are left, in their own order but for what `order` puts first.

    `order` names tiles; `of_tile` gives the band that a tile is in.
    """

    def __init__(self, left: Iterable[int], of_tile: Callable[[int], int], order: Order) -> None:
        self._left, self._of_tile, self._order = dict.fromkeys(left), of_tile, order

    def __len__(self) -> int:
        return len(self._left)

    def first(self, count: int) -> list[int]:
        """Return the next `count` bands, or all that are left, as the order is now."""
        found: list[int] = []
        for number in chain(map(self._of_tile, self._order()), self._left):
            if len(found) == count:
                break
            if number in self._left and number not in found:
                found.append(number)
        return found

    def remove(self, number: int) -> None:
        """Take a band out: it is never named again."""
        del self._left[number]
