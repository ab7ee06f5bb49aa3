"""Which band comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from napari_exactile.run.engine.control import Order
from napari_exactile.run.plan.bands import Band


class Queue:
    """The bands that are left, in their own order but for those of the tiles that `order` puts first.

    `of_tile` gives the numbers of the bands that a tile is in.
    """

    def __init__(self, left: Iterable[Band], of_tile: Callable[[int], Iterable[int]], order: Order) -> None:
        self._left, self._of_tile, self._order = {band.number: band for band in left}, of_tile, order

    def __len__(self) -> int:
        return len(self._left)

    def first(self, count: int) -> list[Band]:
        """Return the next `count` bands, or all that are left, as the order is now."""
        wanted = (number for tile in self._order() for number in self._of_tile(tile))
        found: list[Band] = []
        for number in chain(wanted, self._left):
            if len(found) == count:
                break
            band = self._left.get(number)
            if band is not None and band not in found:
                found.append(band)
        return found

    def remove(self, band: Band) -> None:
        """Take a band out: it is never named again."""
        del self._left[band.number]
