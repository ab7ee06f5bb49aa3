"""Sums and extremes of a whole tensor, gathered part by part in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any, Protocol

import torch

from napari_exactile.geometry.interval import Box, Interval, slices

Partial = tuple[torch.Tensor, ...]


class Reduction(Protocol):
    """What is gathered of a tensor: parts that do not overlap can be computed anywhere, in any order.

    They are merged in a fixed order, so that the result does not depend on who computed which part. All
    tensors of a Partial are float64, with a length of 1 along every dimension that was reduced.
    """

    __slots__ = ()

    def part(self, tensor: torch.Tensor, box: Box) -> Partial:
        """Return what one part gives; `box` says where it lies in the whole tensor."""
        ...

    def merged(self, one: Partial, other: Partial) -> Partial:
        """Return what two parts give together."""
        ...

    def unknown(self, shape: tuple[int, ...]) -> Partial:
        """Return harmless values for a tensor of `shape`, to stand for those that are not known yet."""
        ...

    def total(self, parts: Iterable[Partial]) -> Partial:
        """Return what all parts give together, merged in their order."""
        return reduce(self.merged, parts)


def reduced(shape: tuple[int, ...], dims: tuple[int, ...], value: float) -> torch.Tensor:
    """Return a tensor of one value, as a tensor of `shape` is once `dims` are reduced."""
    sizes = [1 if dim in dims else size for dim, size in enumerate(shape)]
    return torch.full(sizes, value, dtype=torch.float64)


def count_of(tensor: torch.Tensor, reduced: torch.Tensor) -> torch.Tensor:
    """Return for each element of a reduced tensor how many elements of the tensor it stands for."""
    return torch.full_like(reduced, tensor.numel() / reduced.numel())


@dataclass(frozen=True, slots=True)
class Sums(Reduction):
    """Count and sum over `dims`; of the `power` of the absolute values, where one is given."""

    dims: tuple[int, ...]
    power: float | None = None

    def part(self, tensor: torch.Tensor, box: Box) -> Partial:
        """Return (count, sum)."""
        values = tensor.double() if self.power is None else tensor.double().abs() ** self.power
        total = values.sum(self.dims, keepdim=True)
        return count_of(tensor, total), total

    def merged(self, one: Partial, other: Partial) -> Partial:
        """Return (count, sum) of both parts."""
        return one[0] + other[0], one[1] + other[1]

    def unknown(self, shape: tuple[int, ...]) -> Partial:
        """Return one element of value 1."""
        return reduced(shape, self.dims, 1), reduced(shape, self.dims, 1)


@dataclass(frozen=True, slots=True)
class Extreme(Reduction):
    """The largest or the smallest value over `dims`."""

    dims: tuple[int, ...]
    largest: bool

    def part(self, tensor: torch.Tensor, box: Box) -> Partial:
        """Return the extreme alone."""
        values = tensor.double()
        found = values.amax(self.dims, keepdim=True) if self.largest else values.amin(self.dims, keepdim=True)
        return (found,)

    def merged(self, one: Partial, other: Partial) -> Partial:
        """Return the more extreme of both."""
        choose = torch.maximum if self.largest else torch.minimum
        return (choose(one[0], other[0]),)

    def unknown(self, shape: tuple[int, ...]) -> Partial:
        """Return 1."""
        return (reduced(shape, self.dims, 1),)


@dataclass(frozen=True, slots=True)
class Bins(Reduction):
    """Count and sum, or the largest value, of each bin that the last dimensions are shared out into.

    `bins` has the intervals of the whole tensor that the bins cover, for each axis; they may overlap.
    """

    bins: tuple[tuple[Interval, ...], ...]
    largest: bool

    def part(self, tensor: torch.Tensor, box: Box) -> Partial:
        """Return (count, sum), or the largest alone, of what the bins have of this part."""
        result = self._filled(tuple(tensor.shape), -torch.inf if self.largest else 0)
        values = tensor.double()
        for place in product(*(range(len(axis)) for axis in self.bins)):
            covered = [_common(axis[i], side) for axis, i, side in zip(self.bins, place, box, strict=True)]
            if all(covered):
                index: Any = (..., *slices(tuple(covered), box))
                self._add(result, (..., *place), values[index])
        return tuple(one.to(tensor.device) for one in result)

    def _add(self, result: Partial, place: Any, values: torch.Tensor) -> None:
        dims = tuple(range(-len(self.bins), 0))
        if self.largest:
            result[0][place] = values.amax(dims).cpu()
        else:
            result[0][place] = values[0, 0].numel()
            result[1][place] = values.sum(dims).cpu()

    def merged(self, one: Partial, other: Partial) -> Partial:
        """Return what both parts give."""
        if self.largest:
            return (torch.maximum(one[0], other[0]),)
        return one[0] + other[0], one[1] + other[1]

    def unknown(self, shape: tuple[int, ...]) -> Partial:
        """Return one element of value 1 in each bin."""
        return self._filled(shape, 1)

    def _filled(self, shape: tuple[int, ...], value: float) -> Partial:
        sizes = (*shape[: len(shape) - len(self.bins)], *map(len, self.bins))
        return tuple(torch.full(sizes, value, dtype=torch.float64) for _ in range(1 if self.largest else 2))


def _common(one: Interval, other: Interval) -> Interval:
    start = max(one.start, other.start)
    return Interval(start, max(start, min(one.stop, other.stop)))
