"""Compute the scores of one zone after the other on one device, from just what each depends on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from math import prod

import torch
from torch import nn

from napari_exactile.geometry.interval import Box, box_shape, moved
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.source import ImageSource
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cone.cone import Cone
from napari_exactile.network.cost.arithmetic import work_whole
from napari_exactile.network.cost.passes import Pass
from napari_exactile.network.derived import Derived
from napari_exactile.network.rules.table import Region
from napari_exactile.network.skewed.course import course_of
from napari_exactile.network.skewed.walk import Walk
from napari_exactile.network.traced.graph import Node
from napari_exactile.network.traced.trace import trace
from napari_exactile.run.engine.local.tile_executor import TileExecutor
from napari_exactile.run.engine.passes.survey import Survey
from napari_exactile.run.engine.pipeline import ReadAhead
from napari_exactile.run.plan.ahead import AHEAD
from napari_exactile.run.plan.bands import Walked
from napari_exactile.stopping import Check

# Multiply-accumulates that a CPU does while a network is traced for the shape of one more tile.
TRACING_WORK = 1e9


class Executor(TileExecutor):
    """Gives the scores of a network that can be exact for any zone, trimmed or in whole tiles.

    `survey` holds what operators must know of the whole image, for networks that have such.
    """

    analysis: Derived

    def __init__(
        self, source: ImageSource, normalization: Normalization, module: nn.Module, analysis: Derived,
        device: torch.device, survey: Survey,
    ) -> None:  # fmt: skip
        super().__init__(source, normalization, module, analysis, device)
        self._survey = survey
        self._frozen, self._learnt = analysis.frozen, set[int]()
        self._lone_cones: dict[tuple[int, ...], Cone] = {}
        self._walk: tuple[Box, Pass, Walk] | None = None

    def read_trimmed(self, zone: Box) -> Box | None:
        """Return the box of the padded image that a zone depends on."""
        return self._cone.reads_of(zone).get(0)

    def trimmed(self, zone: Box, part: Box, check: Check) -> torch.Tensor:
        """Return the scores of a zone from just what it depends on."""
        output = self.analysis.graph.output
        scores = self.compute(self._cone, zone, check)[output]
        # At the end of the image, a zone may have elements that belong to the padding.
        return Region(scores, self._cone.parts(zone)[output]).crop(part)

    def cone_of(self, one: Pass) -> Cone:
        """Return what computes one pass over the image, with the statistics that are known by then."""
        return Cone(self._known, one.results, one.given)

    def walk(
        self, walked: Walked, band: Box, one: Pass, ahead: ReadAhead[torch.Tensor], check: Check
    ) -> Iterator[tuple[int, Box, torch.Tensor]]:
        """Yield the parts of a pass's results in a band as they are made: node, box, (batch, channels, *box).

        Each tensor is a view that changes with the next one.
        """
        walk, side = self._walk_of(walked, band, one), band[walked.axis]
        expected = walk.course.reads(side)
        upcoming = deque(islice(expected, AHEAD))

        def given(index: int, part: Box) -> torch.Tensor:
            if index == 0:
                ahead.expect(upcoming)
                upcoming.popleft()
                upcoming.extend(islice(expected, 1))
            return self.given(index, part)

        yield from walk.run(side, given, check)

    def _walk_of(self, walked: Walked, band: Box, one: Pass) -> Walk:
        """Return what walks a band; its memory is that of the one before, where it fits."""
        across = tuple(side for axis, side in enumerate(band) if axis != walked.axis)
        if self._walk is None or self._walk[0] != across or self._walk[1] is not one:
            self._walk = None  # its memory goes before there is more
            bound, kept = self.analysis.bound, self._survey.kept
            course = course_of(bound, walked.axis, band, one.results, one.given, walked.thrift)
            here = (*one.given, *one.kept) if self._device.type == "cpu" else ()
            whole = {index: kept.whole(index) for index in here}
            self._walk = across, one, Walk(course, self._device, self._known, whole)
        return self._walk[2]

    def given(self, index: int, box: Box) -> torch.Tensor:
        """Return a box of the image, 0, or of a tensor that was kept."""
        return self._placed(self._survey.kept.read(index, box)) if index else self._image(box)

    def compute(self, cone: Cone, zone: Box, check: Check) -> dict[int, torch.Tensor]:
        """Return the parts of the cone's results in a zone, from the image and from what was kept."""
        given = {index: self.given(index, box) for index, box in cone.reads_of(zone).items()}
        return cone.compute(given, zone, check)

    def alone(self, tile: Box, part: Box, check: Check) -> torch.Tensor:
        """Return the scores in `part` that the network gives when it sees `tile` alone: the usual tiling.

        The tile counts as an image of its own, so that only what `part` depends on inside it is computed; but
        where the whole tile takes less time than tracing the network for its shape, it is computed whole.
        """
        if self.analysis.statistics or prod(box_shape(tile)) * self._work_per_pixel < TRACING_WORK:
            return self.through_network(tile, part, check)
        cone = self._lone_cone(box_shape(tile))
        origin = [side.start for side in tile]
        zone = moved(part, (-start for start in origin))
        return cone.run(self._image(moved(cone.reads(zone), origin)), zone, check)

    def _lone_cone(self, shape: tuple[int, ...]) -> Cone:
        if shape not in self._lone_cones:
            image, bound = (1, self.analysis.channels, *shape), self.analysis.bound
            even = bound.like.graph if bound.like else None
            graph = trace(self._module, image, self.analysis.output, even=even)
            self._lone_cones[shape] = Cone(BoundGraph.bind(graph.with_constants(self._placed)))
        return self._lone_cones[shape]

    @cached_property
    def _work_per_pixel(self) -> float:
        return work_whole(self.analysis.bound) / prod(self.analysis.frame.taken)

    @cached_property
    def _bound(self) -> BoundGraph:
        """The network on the device, with what `_known` has learnt of the whole image."""
        bound = self.analysis.bound
        return bound.exchanged(self._on_device(node) for node, _operator in bound.steps)

    @property
    def _known(self) -> BoundGraph:
        """The same with the statistics that are known by now."""
        values = self._survey.values
        if new := values.keys() - self._learnt:
            self._frozen, nodes = self._frozen.learnt(values, new)
            self._learnt |= new
            self._bound = self._bound.exchanged(map(self._on_device, nodes))
        return self._bound

    def _on_device(self, node: Node) -> Node:
        return node.with_constants(self._placed)

    @cached_property
    def _cone(self) -> Cone:
        return self.cone_of(self._survey.schedule.last)
