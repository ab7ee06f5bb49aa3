"""Trimmed execution: compute, layer by layer, just the box that a zone of the output depends on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache

import torch

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.graph import Graph
from napari_exactile.network.halo import BoundGraph, Demand, boxes, last_uses
from napari_exactile.network.layout import Dims
from napari_exactile.network.rules import Region

# The interval that is wanted of each of some nodes, along one axis.
Wanted = tuple[tuple[int, Interval], ...]


class Cone:
    """A traced network that computes any box of its output from the part of the image that it depends on.

    Intermediate tensors shrink toward the zone, so less is computed than by sending the whole tile through
    the network. The graph's constants must be on the device where the images will be.

    `results` are the nodes that it computes, by default the output; `given` those that it is given besides
    the image: what only they depend on is not computed.
    """

    def __init__(self, graph: Graph, results: Collection[int] = (), given: Collection[int] = ()) -> None:
        self._bound = BoundGraph.bind(graph)
        self._given = frozenset(given) | {0}
        layouts = [self._bound.graph.layout(node.index) for node in graph.nodes]
        self._dims: list[Dims] = [() if layout.is_last else layout.dims for layout in layouts]
        alive = graph.alive(results or [graph.output], self._given)
        self.sources = tuple(sorted(alive & self._given))
        self._steps = [step for step in self._bound.steps if step[0].index in alive - self._given]
        self._last_uses = last_uses(graph, alive - self._given)
        # Tiles of a row share their interval along y, those of a column along x: few distinct ones occur.
        self._demand: Callable[[int, Wanted], Demand] = lru_cache(maxsize=4096)(self._demands)

    def reads(self, zone: Box) -> Box:
        """Return the box of the padded image that must be given to compute `zone` of the output."""
        return self.reads_of({self._bound.graph.output: zone})[0]

    def reads_of(self, wanted: Mapping[int, Box]) -> dict[int, Box]:
        """Return the box of each source that must be given to compute boxes of the results."""
        found = self._boxes(wanted)
        return {index: box for index in self.sources if (box := found[index]) is not None}

    def run(self, image: torch.Tensor, zone: Box, check: Callable[[], None] = lambda: None) -> torch.Tensor:
        """Return the output in `zone` from `image`, which holds `reads(zone)`; both (batch, channels, space).

        Equal to that box of one forward pass over the whole padded image. `check` is called before every
        operator and may raise to stop. Runs on the calling thread, without gradients.
        """
        output = self._bound.graph.output
        return self.compute({0: image}, {output: zone}, check)[output]

    def compute(
        self, given: Mapping[int, torch.Tensor], wanted: Mapping[int, Box], check: Callable[[], None]
    ) -> dict[int, torch.Tensor]:
        """Return the boxes `wanted` of the results from those of the sources that `reads_of` tells."""
        found = self._boxes(wanted)
        regions: dict[int, Region] = {}
        for index, tensor in given.items():
            self._keep(regions, index, tensor, found[index])
        with torch.no_grad():
            for node, operator in self._steps:
                box = found[node.index]
                if box is not None:
                    check()
                    result = operator.run(box, [regions[i] for i in node.inputs])
                    self._keep(regions, node.index, result, box)
                    for finished in self._last_uses[node.index]:
                        if finished not in wanted:
                            del regions[finished]
        # A result that another one depends on may have been computed in a larger box.
        return {index: regions[index].crop(box) for index, box in wanted.items()}

    def _keep(self, regions: dict[int, Region], index: int, tensor: torch.Tensor, box: Box | None) -> None:
        assert box is not None, "what is given is needed"
        regions[index] = Region(tensor, box, self._dims[index])

    def _boxes(self, wanted: Mapping[int, Box]) -> tuple[Box | None, ...]:
        axes = range(self._bound.graph.axes)
        return boxes([self._demand(a, tuple((i, box[a]) for i, box in wanted.items())) for a in axes])

    def _demands(self, axis: int, wanted: Wanted) -> Demand:
        return self._bound.demands(axis, dict(wanted), self._given)
