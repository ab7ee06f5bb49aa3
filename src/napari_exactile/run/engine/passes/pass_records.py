"""What finished passes over an image have found, as records that a journal can keep."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np
import torch

from napari_exactile.network.whole.reductions import Partial
from napari_exactile.record import Record

# What one pass has found: float64 tensors by the keys of its statistics.
Statistics = Mapping[int, Partial]
# Its shape, and its numbers as base64 of "<f8".
Packed = tuple[tuple[int, ...], str]


class PassRecord(Record, frozen=True, kw_only=True, rename={"number": "pass"}):
    """What pass `number` (from 0) has found, to the last bit: numbers in decimals would not all be.

    >>> PassRecord.said_of(0, {7: (torch.tensor([0.5], dtype=torch.float64),)}).as_json()
    {'pass': 0, 'values': {'7': [[[1], 'AAAAAAAA4D8=']]}}
    """

    number: int
    values: dict[int, tuple[Packed, ...]]

    @classmethod
    def said_of(cls, number: int, found: Statistics) -> Self:
        """Return the record of what a pass has found."""
        return cls(number=number, values={key: tuple(map(_packed, one)) for key, one in found.items()})

    @property
    def found(self) -> Statistics:
        """What the pass has found; raises ValueError where numbers do not fit their shapes."""
        return {key: tuple(map(_unpacked, one)) for key, one in self.values.items()}


def known_passes(records: Iterable[PassRecord], before: Iterable[Statistics] = ()) -> tuple[Statistics, ...]:
    """Return what the first passes have found, in order, as far as there are records of all of them.

    A pass that was done again makes those after it void, which were made from what it had found before. The
    records come after those of which `before` is what they gave.
    """
    known: list[Statistics] = list(before)
    for record in records:
        if record.number <= len(known):
            known[record.number :] = [record.found]
    return tuple(known)


def _packed(tensor: torch.Tensor) -> Packed:
    assert tensor.dtype == torch.float64
    return tuple(tensor.shape), b64encode(tensor.numpy().astype("<f8").tobytes()).decode()


def _unpacked(packed: Packed) -> torch.Tensor:
    shape, numbers = packed
    return torch.from_numpy(np.frombuffer(b64decode(numbers), "<f8").astype(np.float64).reshape(shape))
