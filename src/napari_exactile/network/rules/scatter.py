"""Rules of assignment to a part of a tensor: where a region meets the part, it has the values assigned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from napari_exactile.geometry.interval import Box, Interval, full_box
from napari_exactile.geometry.window import Reach, Same, TransposedWindow
from napari_exactile.network.rules.channels import dims_of
from napari_exactile.network.rules.local import Pointwise, is_uniform, laid_on, pointwise
from napari_exactile.network.rules.table import Operator, Region, bound_arguments, refused, rule
from napari_exactile.network.traced.graph import Graph, Node, Ref
from napari_exactile.network.traced.layout import Layout


@dataclass(frozen=True, slots=True)
class Assignment:
    """A tensor that has other values at some `places` along one axis, which lies in dimension `dim`.

    `whole` and `part`, what is assigned, are numbers of inputs, or constants. `anchor` is as in Anchored.
    """

    axis: int
    dim: int
    places: range
    whole: int | Region
    part: int | Region
    node: Node
    anchor: str
    label: str = "assignment"
    work: float = 0.0

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """Every place of the result is that of the whole."""
        return (Same(),) * len(self._axes)

    def reaches_of(self, number: int) -> tuple[Reach, ...]:
        """Return what is needed of input `number`: the part has an element for each of the places."""
        if number != self.part:
            return self.reaches
        window = TransposedWindow(kernel=1, step=self.places.step, padding=-self.places.start)
        return tuple(window if axis == self.axis else Same() for axis in self._axes)

    @property
    def _axes(self) -> range:
        assert self.node.layout is not None, "the rule asked for it"
        return range(len(self.node.layout.lengths))

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Copy `wanted` of the whole, and over it what it meets of the part."""
        whole, part = (inputs[side] if isinstance(side, int) else side for side in (self.whole, self.part))
        result = torch.empty_like(whole.crop(wanted), memory_format=torch.contiguous_format)
        result.copy_(whole.crop(wanted))
        met = _met(self.places, wanted[self.axis])
        if met.start < met.stop:
            box = tuple(met if axis == self.axis else side for axis, side in enumerate(wanted))
            begin = self.places[met.start] - wanted[self.axis].start
            index: Any = (*(slice(None),) * self.dim, slice(begin, None, self.places.step))
            result[index].narrow(self.dim, 0, len(met)).copy_(part.crop(box))
        return result


def _met(places: range, wanted: Interval) -> Interval:
    """Return which of the places, by their numbers, lie in `wanted`."""
    first = min(len(places), max(0, -((places.start - wanted.start) // places.step)))
    stop = min(len(places), max(first, -((places.start - wanted.stop) // places.step)))
    return Interval(first, stop)


def _whole_layout(node: Node, sources: Sequence[Layout]) -> Layout | None:
    """Return the layout of a tensor that was assigned to: if it is a constant, by the image given to it."""
    arguments, layout = bound_arguments(node), sources[0]
    dim = arguments["dim"] % len(node.shape)
    if node.name == "select_scatter" and not isinstance(arguments["self"], Ref):
        layout = layout.with_new(dim, node.shape[dim])
    same = layout.dims, (*layout.dims[:dim], *layout.dims[dim + 1 :])
    axes = layout.dims[dim]
    if len(axes) > 1 or any(other.dims not in same for other in sources[1:]):
        return None
    lengths = tuple(node.shape[dim] if axis in axes else n for axis, n in enumerate(layout.lengths))
    return Layout(layout.dims, node.shape, lengths)


@rule("slice_scatter", layout=_whole_layout, anywhere=True)
def _slice_scatter(node: Node, graph: Graph) -> Operator:
    arguments, layout = bound_arguments(node), graph.layout(node.index)
    dim = arguments["dim"] % len(node.shape)
    if not layout.dims[dim]:
        return pointwise(node, graph)
    axis, length = layout.dims[dim][0], node.shape[dim]
    places = range(length)[slice(arguments["start"], arguments["end"], arguments["step"])]
    if not places:
        raise refused(node, "it assigns to no place at all")
    part_shape = (*node.shape[:dim], len(places), *node.shape[dim + 1 :])
    lengths = tuple(len(places) if a == axis else n for a, n in enumerate(layout.lengths))
    whole = _side(node, arguments["self"], layout)
    part = _side(node, arguments["src"], Layout(layout.dims, part_shape, lengths))
    every = places.start < places.step and places.stop >= length
    alike = every and all(is_uniform(side) for side in (whole, part) if isinstance(side, Region))
    return Assignment(axis, dim, places, whole, part, node, "" if alike else _COUNTED)


_COUNTED = "it assigns to places that are counted from the edge of the image"


def _side(node: Node, leaf: Any, layout: Layout) -> int | Region:
    """Return an image as the number of an input, a constant as a region."""
    if isinstance(leaf, Ref):
        return node.inputs.index(leaf.index)
    return laid_on(leaf, layout) or Region(leaf, full_box(layout.lengths), layout.dims)


@rule("select_scatter", layout=_whole_layout, anywhere=True)
def _select_scatter(node: Node, graph: Graph) -> Operator:
    layout, part = graph.layout(node.index), bound_arguments(node)["src"]
    if layout.dims[dims_of(node, len(node.shape))[0]]:
        raise refused(node, "it assigns to a single row of the image", "Assign to a slice of one row instead")
    if not isinstance(part, Ref) and not layout.is_last:
        raise refused(node, "it assigns a constant, where the axes of the image are not the last ones")
    return pointwise(node, graph)


@rule("index_put", anywhere=True)
def _index_put(node: Node, graph: Graph) -> Operator:
    arguments, layout = bound_arguments(node), graph.layout(node.index)
    given, values = arguments["indices"], arguments["values"]
    places = [place for place, index in enumerate(given) if index is not None]
    single = isinstance(values, torch.Tensor) and values.numel() == 1
    if len(given) == 1 and isinstance(given[0], Ref):
        mask = graph.nodes[given[0].index]
        if single and mask.dtype == torch.bool and mask.shape == node.shape:
            return pointwise(node, graph)
    if len(places) != 1 or not isinstance(given[places[0]], torch.Tensor) or given[places[0]].ndim != 1:
        raise refused(node, "it assigns to places that depend on pixel values, or to single pixels")
    if layout.dims[places[0]]:
        raise refused(node, "it assigns to single rows of the image", "Assign to a slice of one row instead")
    if not isinstance(values, Ref) and not single:
        raise refused(node, "it assigns a constant that has several values")
    # Not by `pointwise`: the numbers of channels are no values that could lie along the image.
    return Pointwise(node, graph.axes)
