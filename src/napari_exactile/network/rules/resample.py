"""Resizing by any factor, with the weights that torch has: what it makes of the impulses of a whole axis."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import torch
from torch.nn import functional as F

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.window import Resampled
from napari_exactile.network.rules.table import Region, bound_arguments
from napari_exactile.network.traced.graph import Made, Node


@dataclass(frozen=True, slots=True)
class Table:
    """What torch makes of one whole axis: output o is the sum of weights[t, o] * input[first[o] + t]."""

    first: torch.Tensor
    weights: torch.Tensor
    length: int

    @property
    def stop(self) -> torch.Tensor:
        """The input after the last one that has a weight, for every output."""
        taps = torch.arange(1, len(self.weights) + 1)[:, None]
        return self.first + (taps * (self.weights != 0)).amax(0)

    def reach(self, ratio: Fraction) -> Resampled:
        """Return the table as a reach, on a grid of `ratio` inputs per output."""
        stop, outputs = self.stop, torch.arange(len(self.first)) * ratio.numerator
        lowest = int((self.first * ratio.denominator - outputs).min())
        highest = int(((stop - 1) * ratio.denominator - outputs).max())
        lines = Fraction(lowest, ratio.denominator), Fraction(highest, ratio.denominator)
        return Resampled(array("q", self.first.tolist()), array("q", stop.tolist()), ratio, *lines)

    def repeats(self, ratio: Fraction) -> bool:
        """Return whether weights are the same at every period of the grid, away from the edges."""
        step = ratio.denominator
        free = (self.first > 0) & (self.stop < self.length)
        moved = self.first[step:] - self.first[:-step] == ratio.numerator
        same = moved & (self.weights[:, step:] == self.weights[:, :-step]).all(0)
        return bool((same | ~(free[step:] & free[:-step])).all())

    def apply(self, part: torch.Tensor, dim: int, wanted: Interval, held: Interval) -> torch.Tensor:
        """Return the outputs `wanted` along one dimension of `part`, which holds the inputs `held`."""
        outputs = slice(wanted.start, wanted.stop)
        places = (self.first[outputs] - held.start).to(part.device)
        # Beyond what is held, weights are zero; in crops, beyond their rim anything will do.
        taps = [(places + tap).clamp(0, len(held) - 1) for tap in range(len(self.weights))]
        picked = (part.index_select(dim, tap) for tap in taps)
        if len(taps) == 1:  # it has all the weight
            return next(picked)
        columns = self.weights[:, outputs].to(part).reshape(len(taps), -1, *(1,) * (-dim - 1))
        return reduce(torch.add, map(torch.mul, picked, columns))


@dataclass(frozen=True, slots=True)
class Resampling:
    """Resizing axis by axis, from the last to the first, as torch does; `anchor` as in Anchored."""

    reaches: tuple[Resampled, ...]
    tables: tuple[Table, ...]
    anchor: str
    label: str
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Sum the neighbours of every output with the weights that it has in the whole image."""
        axes = list(zip(self.tables, self.reaches, wanted, strict=True))
        given = tuple(reach.inside(interval, table.length) for table, reach, interval in axes)
        part = inputs[0].crop(given)
        # torch sums short numbers in float32.
        result = part.float() if part.itemsize < 4 else part
        for axis in reversed(range(len(axes))):
            result = self.tables[axis].apply(result, axis - len(axes), wanted[axis], given[axis])
        return result.to(part.dtype)


@dataclass(frozen=True, slots=True)
class Enlarged(Made):
    """A small constant (batch, channels, *space) resized to the image, made where it is needed."""

    tables: tuple[Table, ...]
    constant: torch.Tensor

    @classmethod
    def of(cls, node: Node, constant: torch.Tensor) -> Enlarged:
        """Return what a node that resizes a constant makes of it."""
        arguments, axes = bound_arguments(node), constant.ndim - 2
        options = (arguments["align_corners"],) if "align_corners" in arguments else ()
        scales = [value for name, value in arguments.items() if name.startswith("scale")] or [None] * axes
        sizes = zip(constant.shape[2:], node.shape[2:], scales, strict=True)
        return cls(tuple(table_of(node.name, n, m, options, s, node.dtype) for n, m, s in sizes), constant)

    def crop_dense(self, box: Box) -> torch.Tensor:
        """Return the part in a box of the image."""
        part = self.constant
        for axis in reversed(range(len(box))):
            held = Interval(0, self.constant.shape[2 + axis])
            part = self.tables[axis].apply(part, axis - len(box), box[axis], held)
        return part

    def with_constant(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Enlarged:
        """Return the same, made from `change` of the small constant."""
        return replace(self, constant=change(self.constant))


@lru_cache(maxsize=64)
def table_of(
    name: str, length: int, size: int, options: tuple[bool, ...], scale: float | None, dtype: torch.dtype
) -> Table:
    """Return the table of one axis of `length` elements that operator `name` resizes to `size`.

    Resizing is linear, so it is known from what becomes of impulses: the weight of input i is an output's
    share of an impulse there. Many impulses share a signal, further apart than one output reaches.
    """
    # Antialiasing reads up to two windows of a cubic on both sides.
    period = 8 * (1 + length // size)
    inputs = torch.arange(length)
    impulses = F.one_hot(inputs % period, period).T.to(dtype)
    ramp = inputs.double() if dtype == torch.float64 else inputs.float()
    shares, near = (_resized(name, signals, size, options, scale) for signals in (impulses, ramp[None]))
    phases = torch.arange(period)[:, None]
    # Of all inputs of a phase, an output can only read the nearest one.
    places = phases + period * ((near.double() - phases) / period).round().long()
    used = shares != 0
    first = places.where(used, length).amin(0)
    taps = int((places.where(used, -1).amax(0) - first).max()) + 1
    return Table(first, shares.gather(0, (first + phases[:taps]) % period), length)


def _resized(
    name: str, signals: torch.Tensor, size: int, options: tuple[bool, ...], scale: float | None
) -> torch.Tensor:
    """Return every signal resized by itself, along the last axis of as many as the operator has.

    torch's kernels for lines round some places to other neighbours than those for planes and volumes.
    """
    others = int(re.findall(r"\d", name)[0]) - 1
    lone = signals[(None, slice(None), *(None,) * others)]
    sizes, scales = [*[1] * others, size], [*[None] * others, scale]
    op: Any = getattr(torch.ops.aten, name)
    result: torch.Tensor = op(lone, sizes, *options, *scales)
    return result.reshape(len(signals), size)
