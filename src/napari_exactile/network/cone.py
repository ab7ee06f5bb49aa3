"""Trimmed execution: compute, layer by layer, just the box that a zone of the output depends on."""

from __future__ import annotations

from collections.abc import Callable

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.network.graph import Graph
from napari_exactile.network.halo import BoundGraph, boxes, last_uses
from napari_exactile.network.layout import Dims
from napari_exactile.network.rules import Region


class Cone:
    """A traced network that computes any box of its output from the part of the image that it depends on.

    Intermediate tensors shrink toward the zone, so less is computed than by sending the whole tile through
    the network. The graph's constants must be on the device where the images will be.
    """

    def __init__(self, graph: Graph) -> None:
        self._bound = BoundGraph.bind(graph)
        layouts = [self._bound.graph.layout(node.index) for node in graph.nodes]
        self._dims: list[Dims] = [() if layout.is_last else layout.dims for layout in layouts]
        self._last_uses = last_uses(graph)

    def reads(self, zone: Box) -> Box:
        """Return the box of the padded image that must be given to compute `zone`."""
        box = self._boxes(zone)[0]
        assert box is not None, "every traced output depends on the image"
        return box

    def run(self, image: torch.Tensor, zone: Box, check: Callable[[], None] = lambda: None) -> torch.Tensor:
        """Return the output in `zone` from `image`, which holds `reads(zone)`; both (batch, channels, space).

        Equal to that box of one forward pass over the whole padded image. `check` is called before every
        operator and may raise to stop. Runs on the calling thread, without gradients.
        """
        wanted = self._boxes(zone)
        regions = {0: Region(image, self.reads(zone))}
        with torch.no_grad():
            for node, operator in self._bound.steps:
                check()
                box = wanted[node.index]
                assert box is not None, "dead nodes were removed by the trace"
                result = operator.run(box, [regions[i] for i in node.inputs])
                regions[node.index] = Region(result, box, self._dims[node.index])
                for finished in self._last_uses[node.index]:
                    del regions[finished]
        return regions[self._bound.graph.output].tensor

    def _boxes(self, zone: Box) -> tuple[Box | None, ...]:
        return boxes([self._bound.demands.of(axis, interval) for axis, interval in enumerate(zone)])
