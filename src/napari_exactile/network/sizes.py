"""At which size a network is traced: that of the image, or padded along the axes where it must be."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import floor

from torch import nn

from napari_exactile.geometry.interval import round_up
from napari_exactile.geometry.words import times
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.refused import labels_of
from napari_exactile.network.traced.failures import FOLLOWS
from napari_exactile.network.traced.graph import Graph, NotExactError, Refusal
from napari_exactile.network.traced.outputs import Output, no_output
from napari_exactile.network.traced.trace import trace
from napari_exactile.network.whole.freeze import Frozen, freeze

# F is not known before the first trace: that one sees a length that every likely factor divides.
DIVISIBLE_LENGTH = 2**8 * 3**2 * 5 * 7


class Traced:
    """A network traced for an image that every likely factor divides, and then for others."""

    def __init__(self, module: nn.Module, channels: int, output: Output, axes: int) -> None:
        self._module, self._channels, self._output = module, channels, output
        self.first, _frozen = self._bind((DIVISIBLE_LENGTH,) * axes)

    def at(self, shape: tuple[int, ...], padded: tuple[bool, ...]) -> tuple[BoundGraph, Frozen]:
        """Return the graph for an image of this shape, padded along as few axes as need be."""
        even = tuple(round_up(length, f) for length, f in zip(shape, self.first.factor, strict=True))
        for sizes in _sizes(shape, even, padded):
            if sizes == even:
                break
            try:
                bound, frozen = self._bind(sizes, self.first.graph)
            except NotExactError:
                continue  # it does not take this size
            if self._is_like_first(bound):
                return replace(bound, like=self.first), frozen
        bound, frozen = self._bind(even)
        _refuse_fixed_size(self.first, bound)
        return replace(bound, like=self.first), frozen

    def _is_like_first(self, other: BoundGraph) -> bool:
        """Tell whether there is a label for each stride of the image, but for fixed margins, on one grid."""
        first, output = self.first, self.first.graph.output
        if other.factor != first.factor or other.strides[other.graph.output] != first.strides[output]:
            return False
        (images, outputs), (wholes, results) = (
            (one.graph.spatial_shape(0), one.graph.spatial_shape(one.graph.output)) for one in (first, other)
        )
        axes = zip(images, outputs, wholes, results, first.strides[output], strict=True)
        return all(n == most - floor((longest - m) / s) for longest, most, m, n, s in axes)

    def _bind(self, shape: tuple[int, ...], even: Graph | None = None) -> tuple[BoundGraph, Frozen]:
        image = (1, self._channels, *shape)
        frozen = freeze(trace(self._module, image, self._output, even=even))
        bound = BoundGraph.bind(frozen.graph)
        _refuse_other_axes(bound.graph, shape)
        _ = bound.strides  # refuses what combines different grids
        return bound, frozen


def _sizes(shape: tuple[int, ...], even: tuple[int, ...], padded: tuple[bool, ...]) -> list[tuple[int, ...]]:
    """Return what an image may be padded to, with as few padded axes as possible first."""
    axes = zip(shape, even, padded, strict=True)
    found = product(*([n] if n == m else [m] if must else [n, m] for n, m, must in axes))
    return sorted(found, key=lambda sizes: sum(a != b for a, b in zip(sizes, shape, strict=True)))


def _refuse_other_axes(graph: Graph, shape: tuple[int, ...]) -> None:
    result = graph.nodes[graph.output].shape
    if len(result) != len(shape) + 2:
        if labels := labels_of(graph):
            raise NotExactError((labels,))
        reason = f"an image of {times(shape)} px gives an output of shape {times(result)}"
        raise no_output(reason, "Let it give one with the axes (batch, channels, space)")
    if not graph.layout(graph.output).is_last:
        reason = "the axes of the image come out in another order"
        raise no_output(reason, "Let it give them as (batch, channels, space)")


def _refuse_fixed_size(one: BoundGraph, other: BoundGraph) -> None:
    """Refuse an output that does not grow with the image, as one cropped to so many pixels does not."""
    for axis, stride in enumerate(one.strides[one.graph.output]):
        images = [bound.graph.spatial_shape(0)[axis] for bound in (one, other)]
        outputs = [bound.graph.spatial_shape(bound.graph.output)[axis] for bound in (one, other)]
        if images[0] - images[1] != stride * (outputs[0] - outputs[1]):
            reason = (
                f"images of {images[1]} and {images[0]} px give outputs of {outputs[1]} and {outputs[0]}: "
                "its size does not follow that of the image"
            )
            raise no_output(reason, FOLLOWS)


def size_dependence(one: BoundGraph, other: BoundGraph) -> tuple[Refusal, ...]:
    """Tell of a network that reads other neighbours in images of other sizes: in tiles by themselves, too."""
    axes = range(one.graph.axes)
    if one.factor == other.factor and all(one.context(axis) == other.context(axis) for axis in axes):
        return ()
    return (Refusal("model", "", "which neighbours a pixel depends on changes with the size of the image"),)
