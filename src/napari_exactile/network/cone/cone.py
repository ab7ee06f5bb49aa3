"""Trimmed execution: compute, layer by layer, just the box that a zone of the output depends on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.network.cone.bound import BoundGraph, boxes, last_uses
from napari_exactile.network.cone.demands import Demands
from napari_exactile.network.rules.table import Region
from napari_exactile.network.traced.layout import Dims


class Cone:
    """A traced network that computes any box of its output from the part of the image that it depends on.

    Intermediate tensors shrink toward the zone, so less is computed than by sending the whole tile through
    the network. The graph's constants must be on the device where the images will be.

    `results` are the nodes that it computes, by default the output; `given` those that it is given besides
    the image: what only they depend on is not computed.
    """

    def __init__(self, bound: BoundGraph, results: Collection[int] = (), given: Collection[int] = ()) -> None:
        self._bound, graph = bound, bound.graph
        self.results, given = tuple(results) or (graph.output,), frozenset(given) | {0}
        layouts = [graph.layout(node.index) for node in graph.nodes]
        self._dims: list[Dims] = [() if layout.is_last else layout.dims for layout in layouts]
        alive = graph.alive(self.results, given)
        self._sources, computed = tuple(sorted(alive & given)), alive - given
        self._steps = [step for step in bound.steps if step[0].index in computed]
        self._last_uses = last_uses(graph, computed)
        self._demands = Demands(bound, self.results, given)

    def reads(self, zone: Box) -> Box:
        """Return the box of the padded image that must be given to compute `zone`."""
        return self.reads_of(zone)[0]

    def reads_of(self, zone: Box) -> dict[int, Box]:
        """Return the box of the image, and of each other tensor, that must be given to compute `zone`."""
        found = self._boxes(zone)
        return {index: box for index in self._sources if (box := found[index]) is not None}

    def parts(self, zone: Box) -> dict[int, Box]:
        """Return the box of each result that belongs to a zone of the image, where it has a part there."""
        found = {
            index: [self._bound.part(index, axis, side) for axis, side in enumerate(zone)]
            for index in self.results
        }
        return {index: tuple(s for s in sides if s) for index, sides in found.items() if all(sides)}

    def run(self, image: torch.Tensor, zone: Box, check: Callable[[], None] = lambda: None) -> torch.Tensor:
        """Return the output in `zone` from `image`, which holds `reads(zone)`; both (batch, channels, space).

        Equal to that box of one forward pass over the whole padded image. `check` is called before every
        operator and may raise to stop. Runs on the calling thread, without gradients.
        """
        return self.compute({0: image}, zone, check)[self._bound.graph.output]

    def compute(
        self, given: Mapping[int, torch.Tensor], zone: Box, check: Callable[[], None]
    ) -> dict[int, torch.Tensor]:
        """Return the `parts` of the results in a zone of the image, from the boxes that `reads_of` tells."""
        found, wanted = self._boxes(zone), self.parts(zone)
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

    def _boxes(self, zone: Box) -> tuple[Box | None, ...]:
        return boxes([self._demands.of(axis, side) for axis, side in enumerate(zone)])
