"""The table of rules: for each operator, how far it reaches and how to compute a box of its output.

A rule turns a node into an Operator, or raises NotExactError. Operators without a rule are refused, never
guessed; the walkers (`halo`, `cone`) know none of them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch.nn import functional as F

from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.geometry.window import Reach
from napari_exactile.geometry.words import counted
from napari_exactile.network.traced.graph import Graph, Node, NotExactError, Refusal
from napari_exactile.network.traced.layout import Dims, Layout, broadcast, sizes


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a tensor that has been computed; `box` says where it lies in the whole-image tensor.

    `dims` are the dimensions that the axes of the image lie in; () stands for the last ones, in order.
    """

    tensor: torch.Tensor
    box: Box
    dims: Dims = ()

    def crop(self, box: Box) -> torch.Tensor:
        """Return the part in `box`, which must lie inside; a view where each axis has its own dimension."""
        index: Any = (..., *slices(box, self.box))
        part: torch.Tensor = self._crop_anywhere(box) if self.dims else self.tensor[index]
        return part

    def _crop_anywhere(self, box: Box) -> torch.Tensor:
        if box == self.box:
            return self.tensor
        sides, shape = slices(box, self.box), self.tensor.shape
        index = [side for dim in self.dims for side in ([sides[a] for a in dim] or [slice(None)])]
        pairs = list(zip(shape, self.dims, strict=True))
        apart = [n for size, dim in pairs for n in ([len(self.box[a]) for a in dim] or [size])]
        return self.tensor.reshape(apart)[tuple(index)].reshape(sizes(shape, self.dims, box))

    def crop_dense(self, box: Box) -> torch.Tensor:
        """Return the part in `box` without gaps in memory.

        Elementwise kernels work on blocks of memory: on a view with gaps they can take another path than on
        the whole tensor, and give other last bits.
        """
        part = self.crop(box)
        if self.dims and part.numel() * part.itemsize == part.untyped_storage().nbytes():
            return part  # without gaps, in an order of its own
        if not self.dims and part.ndim == 4 and part.shape[1] > 1 and part.stride(1) == 1:
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


@runtime_checkable
class Anchored(Protocol):
    """An operator that may work by an element's place in the whole image, not by its neighbours alone."""

    @property
    def anchor(self) -> str:
        """Why a tile by itself is not computed alike; empty where it is."""
        ...


@runtime_checkable
class Selective(Protocol):
    """An operator that reaches into one input otherwise than into another."""

    def reaches_of(self, number: int) -> tuple[Reach, ...]:
        """Return what it needs of its image-dependent input `number`."""
        ...


@runtime_checkable
class InPapers(Protocol):
    """An operator that counts in the papers' radius (Eq. 1)."""

    @property
    def papers_kernel(self) -> tuple[int, ...]:
        """The size of its kernel there, along each spatial axis, in elements of its input."""
        ...


def reaches_of(operator: Operator, number: int) -> tuple[Reach, ...]:
    """Return what an operator needs of its image-dependent input `number`, one Reach per spatial axis."""
    return operator.reaches_of(number) if isinstance(operator, Selective) else operator.reaches


def need_of(reaches: Sequence[Reach], wanted: Box) -> Box:
    """Return the box of an input that reaches so far for `wanted`, edges not regarded."""
    return tuple(reach.need(side) for reach, side in zip(reaches, wanted, strict=True))


Rule = Callable[[Node, Graph], Operator]
LayoutRule = Callable[[Node, Sequence[Layout]], Layout | None]


def aligned(node: Node, sources: Sequence[Layout]) -> Layout | None:
    """Return the layout of a result whose dimensions are those of its inputs, the last on the last."""
    return broadcast(sources, node.shape)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table: the rule, and what it makes of the dimensions.

    With `anywhere`, the axes of the image may lie in any dimensions, not only in the last ones. With
    `results`, the rule holds for every result of an operator that has several, not only for the first.
    """

    rule: Rule
    layout: LayoutRule
    anywhere: bool
    results: bool


_TABLE: dict[str, Entry] = {}


def rule(
    *names: str, layout: LayoutRule = aligned, anywhere: bool = False, results: bool = False
) -> Callable[[Rule], Rule]:
    """Register a rule for operators by name; a second rule for the same operator is an error."""

    def register(function: Rule) -> Rule:
        for name in names:
            if name in _TABLE:
                raise ValueError(f"there are two rules for the operator {name}")
            _TABLE[name] = Entry(function, layout, anywhere, results)
        return function

    return register


def entry_for(node: Node) -> Entry | None:
    """Return the row of the table for a node's operator; None where there is none."""
    pointwise = torch.Tag.pointwise in node.op.tags
    return _TABLE.get(node.name, _TABLE["pointwise"] if pointwise else None)


def layout_of(node: Node, sources: Sequence[Layout | None]) -> Layout | None:
    """Return where the image lies in a node's result, given where it lies in its inputs; None if unknown."""
    entry, known = entry_for(node), [layout for layout in sources if layout is not None]
    return entry.layout(node, known) if entry and len(known) == len(sources) else None


def operator_of(node: Node, graph: Graph) -> Operator:
    """Return a node's operator by its rule; raise NotExactError where there is none."""
    entry = entry_for(node)
    if entry is None:
        raise refused(
            node, "there is no rule for this operator yet, so nothing is known of how far it reaches"
        )
    if node.result and not entry.results:
        raise refused(node, "it uses a second result of an operator, such as the indices of a max pooling")
    if not entry.anywhere and not all(graph.layout(source).is_last for source in node.inputs):
        raise refused(node, "its rule is for images along the last dimensions: this one lies along others")
    if node.layout is None:
        # A rule may know a better reason.
        entry.rule(node, graph)
        raise refused(node, "it mixes an axis of the image with channels or with another axis")
    return entry.rule(node, graph)


def handled() -> tuple[str, ...]:
    """Return the names in the table, sorted."""
    return tuple(sorted(_TABLE))


def refused(node: Node, reason: str, remedy: str = "") -> NotExactError:
    """Return the error that says why one node cannot be exact."""
    return NotExactError((Refusal(node.name, node.place, reason, remedy),))


def require_axes(node: Node, graph: Graph, count: int) -> None:
    """Refuse an operator that slides along `count` axes where the image has another number of them."""
    if count != graph.axes or len(node.shape) - count not in {1, 2}:
        raise refused(
            node, f"it works along {counted(count, 'axis', 'axes')}, and this image has {graph.axes}"
        )


def bound_arguments(node: Node) -> dict[str, Any]:
    """Return a node's arguments by the names of the operator's schema, defaults filled in."""
    schema = node.op._schema.arguments
    values = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    values |= {argument.name: value for argument, value in zip(schema, node.args, strict=False)}
    return values | node.kwargs
