"""What finished passes over an image have found, as records that a journal can keep."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from napari_exactile.network.whole.reductions import Partial

# What one pass has found: float64 tensors by the keys of its statistics.
Statistics = Mapping[int, Partial]
Record = dict[str, Any]


def record_of(number: int, values: Statistics) -> Record:
    """Return the record of pass `number` (from 0), to the last bit: numbers in decimals would not all be.

    >>> record_of(0, {7: (torch.tensor([0.5], dtype=torch.float64),)})
    {'pass': 0, 'values': {'7': [[[1], 'AAAAAAAA4D8=']]}}
    """
    return {"pass": number, "values": {str(key): [*map(_packed, one)] for key, one in values.items()}}


def known_passes(records: Iterable[Record], before: Iterable[Statistics] = ()) -> tuple[Statistics, ...]:
    """Return what the first passes have found, in order, as far as there are records of all of them.

    A pass that was done again makes those after it void, which were made from what it had found before. The
    records come after those of which `before` is what they gave.
    """
    known: list[Statistics] = list(before)
    for record in records:
        if record["pass"] <= len(known):
            known[record["pass"] :] = [_values(record)]
    return tuple(known)


def _values(record: Record) -> Statistics:
    return {int(key): tuple(map(_unpacked, one)) for key, one in record["values"].items()}


def _packed(tensor: torch.Tensor) -> list[Any]:
    assert tensor.dtype == torch.float64
    return [list(tensor.shape), b64encode(tensor.numpy().astype("<f8").tobytes()).decode()]


def _unpacked(packed: list[Any]) -> torch.Tensor:
    shape, numbers = packed
    return torch.from_numpy(np.frombuffer(b64decode(numbers), "<f8").astype(np.float64).reshape(shape))
