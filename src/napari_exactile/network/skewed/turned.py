"""Images turned so that the axis along which they are walked comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import Any, TypeVar

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.network.rules.pooling import MaxPooling
from napari_exactile.network.rules.table import Operator
from napari_exactile.network.rules.windowed import Convolution, TransposedConvolution

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turned:
    """The order of `axes` of which `first` comes first and the others stay in theirs.

    >>> Turned(3, first=2).order, Turned(3, first=2).turn("zyx"), Turned(3, first=2).back("xzy")
    ((2, 0, 1), ('x', 'z', 'y'), ('z', 'y', 'x'))
    """

    axes: int
    first: int

    @property
    def order(self) -> tuple[int, ...]:
        """The axis that each place has."""
        return (self.first, *(axis for axis in range(self.axes) if axis != self.first))

    def turn(self, sides: Sequence[T]) -> tuple[T, ...]:
        """Return what belongs to each axis, the first one first."""
        return tuple(sides[axis] for axis in self.order)

    def back(self, sides: Sequence[T]) -> tuple[T, ...]:
        """Return what belongs to each axis in the order of the image."""
        places = {axis: place for place, axis in enumerate(self.order)}
        return tuple(sides[places[axis]] for axis in range(self.axes))

    def tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a view of (batch, channels, *space) with the first axis first."""
        return tensor.permute(0, 1, *(2 + axis for axis in self.order))

    def tensor_back(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a view of such a tensor as the image lies."""
        return tensor.permute(0, 1, *(2 + place for place in self.back(range(self.axes))))

    def box_back(self, box: Box) -> Box:
        """Return a box as the image lies."""
        return self.back(box)

    @singledispatchmethod
    def operator(self, operator: Operator) -> Operator | None:
        """Return an operator that does the same with turned tensors; None where there is none."""
        return operator if self.first == 0 else None

    @operator.register(Convolution)
    @operator.register(TransposedConvolution)
    def _windowed(self, operator: Any) -> Operator:
        weight = self.tensor(operator.weight)
        if weight.ndim == 4:
            weight = weight.to(weight.device, memory_format=torch.channels_last)
        sides: Any = {"reaches": self.turn(operator.reaches), "extent": self.turn(operator.extent)}
        turned: Operator = replace(operator, weight=weight, **sides)
        return turned

    @operator.register(MaxPooling)
    def _pooling(self, operator: MaxPooling) -> Operator | None:
        if self.first and (operator.places or operator.others):
            return None
        sides: Any = {"reaches": self.turn(operator.reaches), "extent": self.turn(operator.extent)}
        return replace(operator, **sides)
