"""What a network needs to be computed exactly in tiles: F, context and radius, derived from its trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import torch

from napari_exactile.geometry.equations import rounded_radius
from napari_exactile.geometry.frame import Frame
from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cost.passes import PassPlanner
from napari_exactile.network.gives import Gives, gives
from napari_exactile.network.layers import Layer, aligned, layers_of, table
from napari_exactile.network.traced.graph import Graph, Refusal
from napari_exactile.network.traced.outputs import Output
from napari_exactile.network.whole.freeze import Frozen, Statistic


@dataclass(frozen=True, eq=False)  # each is itself: what was planned with one is remembered with it
class Derived:
    """Facts about a network that can be exact, for images of one spatial shape; no pixel was computed.

    All lengths are in input pixels, one entry per spatial axis. `output` is the name of the output that
    counts, where the network has several. `anchors` are operators that work by the place in the whole image:
    trimmed execution is exact all the same, but whole tiles by themselves never are. `evenly` analyses the
    same with every axis padded to multiples of F, and raises NotExactError where that is refused.

    >>> import napari_exactile as ex
    >>> derived = ex.analyse("colonies-demo", (512, 500))
    >>> derived.factor, derived.context, derived.radius, derived.padding
    ((16, 16), ((94, 94), (94, 94)), (96, 96), ('as it is', 'reflected to 512 px'))
    """

    shape: tuple[int, ...]
    channels: int
    bound: BoundGraph
    frozen: Frozen
    evenly: Callable[[], Derived] = field(repr=False)
    anchors: tuple[Refusal, ...] = ()
    output: Output = None

    refusals: ClassVar[tuple[Refusal, ...]] = ()

    @cached_property
    def for_whole_tiles(self) -> Derived:
        """The analysis that whole tiles go by: of the padded image, where its own leaves no grid for them.

        Traces the network once more, where that is so; raises as `evenly` does.
        """
        return self.evenly() if self.graph.even is not None and self.anchors else self

    def padded_by(self, evenly: Callable[[], Derived]) -> Derived:
        """Return the same facts with another way to pad evenly; what passes cost stays known."""
        other = replace(self, evenly=evenly)
        vars(other)["passes"] = self.passes
        return other

    @property
    def padding(self) -> tuple[str, ...]:
        """Return in words, for each axis, what the image is padded to before it goes through the network."""
        return self.frame.words

    @property
    def graph(self) -> Graph:
        """Return the trace of one pass over the whole padded image."""
        return self.bound.graph

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What operators must know of the whole image before the network can be computed in tiles."""
        return self.frozen.statistics

    @property
    def surveys(self) -> int:
        """Return the passes over the image that gather those, before the one that computes the output."""
        return 1 + max((statistic.level for statistic in self.statistics), default=-1)

    @cached_property
    def passes(self) -> PassPlanner:
        """The passes over the image that the network takes, by how much may be kept between them."""
        return PassPlanner(self.frozen, self.bound)

    @cached_property
    def factor(self) -> tuple[int, ...]:
        """F: images are padded to multiples of it, zones start on multiples of it."""
        return self.bound.factor

    @cached_property
    def context(self) -> tuple[tuple[int, int], ...]:
        """What an F-aligned zone depends on: (before, after) per axis."""
        return tuple(self.bound.context(axis) for axis in range(len(self.shape)))

    @cached_property
    def radius(self) -> tuple[int, ...]:
        """What the usual tiling needs on every side: the context, rounded up to a multiple of F (Eq. 3).

        It is at least the margin that the network cuts off, as it cuts it off every tile, and more where a
        network shifts the image and back: see `BoundGraph.margin`.
        """
        margins = self.bound.grid(self.frame.taken).margins
        axes = zip(self.context, margins, self.factor, strict=True)
        needed = (
            (max(*context, *cut, self.bound.margin(axis)), f) for axis, (context, cut, f) in enumerate(axes)
        )
        return tuple(rounded_radius(*pair) for pair in needed)

    @cached_property
    def paper_radius(self) -> tuple[int, ...]:
        """Eq. 1 of the papers, unrounded, for comparison only: for many networks it is too small."""
        return tuple(self.bound.paper_radius(axis) for axis in range(len(self.shape)))

    @cached_property
    def frame(self) -> Frame:
        """How the image lies on what the trace stands for: as it is, or padded where it has to be."""
        return Frame(self.shape, self.graph.spatial_shape(0))

    @cached_property
    def grid(self) -> OutputGrid:
        """Where the output lies on the image, and how much of it belongs to the image."""
        return self.bound.grid(self.shape)

    def part(self, zone: Box) -> Box | None:
        """Return the box of the output that belongs to a box of the image; None where there is none.

        Boxes that partition the image partition the output.
        """
        output = self.graph.output
        parts = [self.bound.part(output, axis, side) for axis, side in enumerate(zone)]
        box = tuple(
            Interval(part.start, min(part.stop, n))
            for part, n in zip(parts, self.grid.shape, strict=True)
            if part is not None and part.start < n
        )
        return box if len(box) == len(zone) else None

    @property
    def classes(self) -> int:
        """Return the number of output channels."""
        return self.graph.nodes[self.graph.output].shape[1]

    @property
    def scores_dtype(self) -> torch.dtype:
        """Return the type of the network's output."""
        return self.graph.nodes[self.graph.output].dtype

    @cached_property
    def gives(self) -> Gives:
        """What the numbers of its output can be, as far as its last operators tell."""
        # By the trace itself: where whole-image operators are frozen, other numbers stand in their place.
        return gives(self.frozen.traced)

    @cached_property
    def precision(self) -> torch.dtype:
        """The coarsest type of number that the network computes in."""
        types = {node.dtype for node in self.graph.nodes if node.dtype.is_floating_point}
        return max(types, key=lambda dtype: torch.finfo(dtype).eps)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Return the operators in order, each with its place, stride, context and cost."""
        return layers_of(self.bound)

    def explain(self, width: int = 120) -> str:
        """Return a table in plain text: a row per layer, then F, context and radius.

        The columns "context" and "Eq. 1" say what lies between a layer and the output, in input pixels: the
        truth, before and after a zone, and the papers' equation. Places are shortened to keep to `width`.
        """
        return "\n".join([*aligned(table(self.layers, width, 2)), "", *self._summary()])

    def _summary(self) -> list[str]:
        return [
            f"size factor F    {self.factor}",
            f"context          {self.context}",
            f"radius           {self.radius}",
            f"paper's Eq. 1    {self.paper_radius}",
            *([] if self.grid.is_of_image else [f"output grid      {self.grid.describe()}"]),
        ]
