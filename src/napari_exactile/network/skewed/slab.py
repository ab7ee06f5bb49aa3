"""The rows of one tensor that are still wanted, in memory that stays where it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import prod

import torch

from napari_exactile.geometry.interval import Interval
from napari_exactile.network.skewed.memory import new_memory
from napari_exactile.network.skewed.turned import Turned
from napari_exactile.network.traced.layout import Layout


def is_plain(layout: Layout) -> bool:
    """Tell whether a tensor is (1, channels, *space)."""
    return layout.is_last and len(layout.shape) == len(layout.lengths) + 2 and layout.shape[0] == 1


class Slab:
    """Memory for rows of a tensor, (rows, *across, *others) in the turned order, of which those from `first`
    on are there.

    Channels come last in memory, rows first: what is read and written is one block.
    """

    def __init__(self, layout: Layout, turned: Turned, memory: torch.Tensor) -> None:
        self.plain, self.first, self.memory = is_plain(layout), 0, memory
        others = [dim for dim, axes in enumerate(layout.dims) if not axes]
        # Where each axis and each other dimension lies in memory, in the order of the tensor's dimensions.
        apart = [[turned.order.index(axis) for axis in dim] for dim in layout.dims]
        behind = iter(range(len(turned.order), len(turned.order) + len(others)))
        self._together = [len(places) for places in apart]
        self._apart = [place for places in apart for place in places or [next(behind)]]

    @classmethod
    def new(
        cls, layout: Layout, turned: Turned, across: Sequence[int], capacity: int, dtype: torch.dtype,
        device: torch.device,
    ) -> Slab:  # fmt: skip
        """Return one with room for `capacity` rows; `across` are the lengths along the other axes."""
        others = [layout.shape[dim] for dim, axes in enumerate(layout.dims) if not axes]
        shape = capacity, *across, *others[1 if is_plain(layout) else 0 :]
        return cls(layout, turned, new_memory(shape, dtype, device))

    @classmethod
    def over(cls, layout: Layout, turned: Turned, tensor: torch.Tensor) -> Slab:
        """Return one whose memory is that of a whole tensor (1, channels, *space): it holds all rows."""
        return cls(layout, turned, turned.tensor(tensor)[0].movedim(0, -1))

    @property
    def last(self) -> int:
        """The row after the last one for which there is room."""
        return self.first + len(self.memory)

    def rows(self, rows: Interval) -> torch.Tensor:
        """Return these rows, which must be in reach: a view (1, channels, rows, *across), turned.

        Those of a tensor that is not plain have its dimensions, and may be a copy.
        """
        room = self.room(rows)
        if self.plain:
            return room
        places = iter(room.shape)
        return room.reshape([prod(islice(places, max(1, axes))) for axes in self._together])

    def room(self, rows: Interval) -> torch.Tensor:
        """Return a view of the memory of these rows, where each axis has a dimension of its own."""
        found = self.memory[rows.start - self.first : rows.stop - self.first]
        # The axis of the batch comes first: with a stride of less than an image, torch takes a tensor for
        # channels first.
        return found[None].movedim(-1, 1) if self.plain else found.permute(self._apart)

    def make_room(self, rows: Interval, keep: int) -> None:
        """Let new rows have room; of those before them, the ones from `keep` on are kept."""
        if rows.stop <= self.last:
            return
        if rows.stop - keep > len(self.memory):
            self._grow(rows.stop - keep)
        by, self.first = keep - self.first, keep
        kept = max(0, rows.start - keep)
        for start in range(0, kept, by) if by else ():
            stop = min(start + by, kept)  # no copy overlaps itself
            self.memory[start:stop] = self.memory[start + by : stop + by]

    def _grow(self, capacity: int) -> None:
        old = self.memory
        self.memory = new_memory((capacity, *old.shape[1:]), old.dtype, old.device)
        self.memory[: len(old)] = old
