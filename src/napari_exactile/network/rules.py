"""The table of rules: for each operator, how far it reaches and how to compute a box of its output.

A rule turns a node into an Operator, or raises NotExactError. Operators without a rule are refused, never
guessed; the walkers (`halo`, `cone`) know none of them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn import functional as F

from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.geometry.window import Reach
from napari_exactile.network.graph import Graph, Node, NotExactError, Refusal


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a tensor that has been computed; `box` says where it lies in the whole-image tensor."""

    tensor: torch.Tensor
    box: Box

    def crop(self, box: Box) -> torch.Tensor:
        """Return a view of the part in `box`, which must lie inside."""
        index: Any = (..., *slices(box, self.box))
        part: torch.Tensor = self.tensor[index]
        return part

    def crop_dense(self, box: Box) -> torch.Tensor:
        """Return the part in `box` without gaps in memory.

        Elementwise kernels work on blocks of memory: on a view with gaps they can take another path than on
        the whole tensor, and give other last bits.
        """
        part = self.crop(box)
        if part.ndim == 4 and part.shape[1] > 1 and part.stride(1) == 1:
            return part.contiguous(memory_format=torch.channels_last)
        return part.contiguous()

    def padded(self, need: Box, extent: Sequence[int], value: float = 0.0) -> torch.Tensor:
        """Return `need`, which may lie partly outside a tensor of spatial shape `extent`: there, `value`."""
        inside = tuple(want.clip(Interval(0, length)) for want, length in zip(need, extent, strict=True))
        # Where `need` lies outside altogether, padding starts at the nearest element all the same.
        around = tuple(want.hull(got) for want, got in zip(need, inside, strict=True))
        # torch counts padding from the last axis to the first.
        sides = reversed(tuple(zip(around, inside, strict=True)))
        pads = [n for outer, got in sides for n in (got.start - outer.start, outer.stop - got.stop)]
        part = self.crop(inside)
        return Region(F.pad(part, pads, value=value), around).crop(need) if any(pads) else part


class Operator(Protocol):
    """One node, made ready: its reach along each spatial axis, its cost, and how to run it on a region."""

    @property
    def label(self) -> str:
        """What people call it."""
        ...

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """What it needs of each of its image-dependent inputs, one Reach per spatial axis."""
        ...

    @property
    def work(self) -> float:
        """Multiply-accumulates per spatial position of the output; 0 where they do not count."""
        ...

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Compute exactly the box `wanted` of the output from regions that hold at least what it needs."""
        ...


Rule = Callable[[Node, Graph], Operator]
_TABLE: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators by name; a second rule for the same operator is an error."""

    def register(function: Rule) -> Rule:
        for name in names:
            if name in _TABLE:
                raise ValueError(f"there are two rules for the operator {name}")
            _TABLE[name] = function
        return function

    return register


def rule_for(node: Node) -> Rule:
    """Return the rule of a node's operator; raise NotExactError where there is none."""
    if any(ref.result for ref in node.refs):
        raise refused(node, "it uses a second result of an operator, such as the indices of a max pooling")
    if node.name in _TABLE:
        return _TABLE[node.name]
    if torch.Tag.pointwise in node.op.tags:
        return _TABLE["pointwise"]
    raise refused(node, "there is no rule for this operator yet, so nothing is known of how far it reaches")


def handled() -> tuple[str, ...]:
    """Return the names in the table, sorted."""
    return tuple(sorted(_TABLE))


def refused(node: Node, reason: str, remedy: str = "") -> NotExactError:
    """Return the error that says why one node cannot be exact."""
    return NotExactError((Refusal(node.name, node.place, reason, remedy),))


def bound_arguments(node: Node) -> dict[str, Any]:
    """Return a node's arguments by the names of the operator's schema, defaults filled in."""
    schema = node.op._schema.arguments
    values = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    values |= {argument.name: value for argument, value in zip(schema, node.args, strict=False)}
    return values | node.kwargs
