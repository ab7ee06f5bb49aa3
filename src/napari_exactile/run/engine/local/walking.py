"""Walk a band, and share out what is made to its zones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box, box_shape, common, slices
from napari_exactile.geometry.tiling import Tile
from napari_exactile.run.engine.door import Computed, Deliver, Piece
from napari_exactile.run.engine.events import Event, TileStarted


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """Labels and numbers in a box of the output, and where labels are `near` ties; each may be missing."""

    box: Box
    labels: NDArray[Any] | None
    numbers: NDArray[Any] | None
    near: NDArray[np.bool_] | None

    @property
    def near_ties(self) -> int:
        """How many labels are."""
        return 0 if self.near is None else int(np.count_nonzero(self.near))

    def crop(self, box: Box) -> Made:
        """Return the part in a box: views."""
        index: Any = (..., *slices(box, self.box))
        return Made(
            box, *(one if one is None else one[index] for one in (self.labels, self.numbers, self.near))
        )


Decide = Callable[[torch.Tensor, Box], Made]


@dataclass
class _Filling:
    """A zone that is being filled: results of its `part` of the output, as far as it is walked."""

    tile: Tile
    part: Box | None
    labels: NDArray[Any] | None = None
    numbers: NDArray[Any] | None = None
    near_ties: int = 0
    left: int = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.size = 0 if self.part is None else int(np.prod(box_shape(self.part)))

    @property
    def share(self) -> float:
        """How much of it is there, from 0 to 1."""
        return 1 - self.left / self.size if self.size else 1.0

    def take(self, made: Made) -> None:
        """Take the results of a box of the part."""
        assert self.part is not None, "there is nothing to take otherwise"
        index: Any = (..., *slices(made.box, self.part))
        if made.labels is not None:
            self.labels = self._room(made.labels) if self.labels is None else self.labels
            self.labels[index] = made.labels
        if made.numbers is not None:
            self.numbers = self._room(made.numbers) if self.numbers is None else self.numbers
            self.numbers[index] = made.numbers
        self.near_ties += made.near_ties
        self.left -= int(np.prod(box_shape(made.box)))

    def _room(self, like: NDArray[Any]) -> NDArray[Any]:
        assert self.part is not None
        leading = like.shape[: like.ndim - len(self.part)]
        return np.empty((*leading, *box_shape(self.part)), like.dtype)

    def end(self, deliver: Deliver) -> Computed:
        """Deliver what there is."""
        if self.part is not None:
            deliver(Piece(self.part, self.labels, self.numbers))
        return Computed(self.tile.index, self.near_ties)


class Sharing:
    """Shares out the rows that a walk along `axis` makes to zones, which end row after row.

    `tiles` are those that are wanted, `part_of` gives the box of the output that is a zone's.
    """

    def __init__(
        self, tiles: Sequence[Tile], part_of: Callable[[Box], Box | None], axis: int, decide: Decide,
        deliver: Deliver,
    ) -> None:  # fmt: skip
        self._axis, self._decide, self._deliver = axis, decide, deliver
        self._waiting = [_Filling(tile, part_of(tile.zone)) for tile in tiles]
        self._begun: list[_Filling] = []
        parts = [one.part for one in self._waiting if one.part is not None]
        self._all = reduce(_hull, parts) if parts else None

    @property
    def left(self) -> list[Tile]:
        """The zones that have not ended."""
        return [one.tile for one in (*self._begun, *self._waiting)]

    @property
    def begun(self) -> float:
        """What is there of the zones that have begun and not ended, counted in zones."""
        return sum(one.share for one in self._begun)

    def start(self) -> Iterator[Event | Computed]:
        """Begin with the next row of zones, if none is begun; those without an output end at once."""
        while self._waiting and not self._begun:
            side = self._waiting[0].tile.zone[self._axis]
            self._begun = [one for one in self._waiting if one.tile.zone[self._axis] == side]
            self._waiting = self._waiting[len(self._begun) :]
            for one in self._begun:
                yield TileStarted(one.tile.index)
            yield from self._ended()

    def take(self, box: Box, scores: torch.Tensor) -> Iterator[Event | Computed]:
        """Take the scores in a box of the output; tell of zones that begin and end with it."""
        wanted = None if self._all is None else common(self._all, box)
        if wanted is None:
            return
        index: Any = (..., *slices(wanted, box))
        made = self._decide(scores[index], wanted)  # at once: small tensors take longer
        while self._begun:
            for one in self._begun:
                shared = None if one.part is None else common(one.part, wanted)
                if shared is not None:
                    one.take(made.crop(shared))
            yield from self._ended()
            if self._begun:
                return  # the box reaches no further
            yield from self.start()

    def _ended(self) -> Iterator[Event | Computed]:
        for ended in [one for one in self._begun if not one.left]:
            computed = ended.end(self._deliver)
            self._begun = [one for one in self._begun if one is not ended]
            yield computed


def _hull(one: Box, other: Box) -> Box:
    return tuple(a.hull(b) for a, b in zip(one, other, strict=True))
