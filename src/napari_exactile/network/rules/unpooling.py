"""Rules of unpooling, which puts values back to where a max pooling found them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from napari_exactile.geometry.interval import Box, box_shape, volume
from napari_exactile.geometry.window import TransposedWindow, Window
from napari_exactile.network.rules.pooling import MaxPooling, moved_places
from napari_exactile.network.rules.table import Operator, Region, need_of, operator_of, refused, rule
from napari_exactile.network.traced.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class Unpooling:
    """Zeros, and the largest value of each window at its own place; windows lie side by side.

    Places are counted over the whole plane, row by row.
    """

    reaches: tuple[TransposedWindow, ...]
    extent: tuple[int, ...]
    label: str = "max unpooling"
    work: float = 0.0

    def run(self, wanted: Box, inputs: Sequence[Region]) -> torch.Tensor:
        """Put the values of the windows that `wanted` meets into zeros, then crop."""
        given = need_of(self.reaches, wanted)
        values, places = (region.crop(given) for region in inputs)
        made = tuple(reach.made(side) for reach, side in zip(self.reaches, given, strict=True))
        index = moved_places(places, self.extent, [-side.start for side in made], box_shape(made))
        zeros = values.new_zeros((*values.shape[: -len(made)], volume(made)))
        result = zeros.scatter(-1, index.flatten(-len(made)), values.flatten(-len(made)))
        shape = (*values.shape[: -len(made)], *box_shape(made))
        return Region(result.reshape(shape), made).crop(wanted)


@rule("max_unpool2d", "max_unpool3d")
def _unpool(node: Node, graph: Graph) -> Operator:
    places, size = graph.nodes[node.inputs[-1]], tuple(node.shape[2:])
    found = operator_of(places, graph) if places.name.startswith("max_pool") else None
    factors = [n // m for n, m in zip(size, graph.spatial_shape(node.inputs[0]), strict=True)]
    fits = isinstance(found, MaxPooling) and found.places and found.extent == size
    if fits and found and found.reaches == tuple(Window(n, n) for n in factors):
        return Unpooling(tuple(TransposedWindow(n, n) for n in factors), size)
    raise refused(
        node,
        "it puts values to places that are not those of a pooling whose windows lie side by side",
        "Pool with a stride of the kernel's size, without padding, and unpool to the size before",
    )
