"""What a network needs to be computed exactly in tiles: F, context and radius, or why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn
from torch.fx import GraphModule

from napari_exactile.geometry.equations import rounded_radius
from napari_exactile.geometry.grid import OutputGrid
from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.words import times
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cost.passes import PassPlanner
from napari_exactile.network.gives import Gives, gives
from napari_exactile.network.layers import Layer, aligned, layers_of, table
from napari_exactile.network.sizes import Traced, size_dependence
from napari_exactile.network.traced.failures import wrong_axes
from napari_exactile.network.traced.forms import weights
from napari_exactile.network.traced.graph import Graph, NotExactError, Refusal
from napari_exactile.network.traced.outputs import Output
from napari_exactile.network.whole.freeze import Frozen, Statistic
from napari_exactile.network.whole.reductions import Partial
from napari_exactile.torch_state import exact_arithmetic

AS_IT_IS = "as it is"
WAY_OUT = 'Or run it in approximate mode with a radius of your own (method "approximate", radius 64 say)'


@dataclass(frozen=True)
class Analysis:
    """Facts about one network for images of one spatial shape, derived from its trace; no pixel was computed.

    All lengths are in input pixels, one entry per spatial axis. `output` is the name of the output that
    counts, where the network has several. Where `refusals` is not empty the network cannot be exact in tiles
    and the derived facts are None. `anchors` are operators that work by the place in the whole image: trimmed
    execution is exact all the same, but whole tiles by themselves never are. `evenly` analyses the same with
    every axis padded to multiples of F.

    >>> import napari_exactile as ex
    >>> analysis = ex.analyse("colonies-demo", (512, 500))
    >>> analysis.factor, analysis.context, analysis.radius, analysis.padding
    ((16, 16), ((94, 94), (94, 94)), (96, 96), ('as it is', 'reflected to 512 px'))
    """

    shape: tuple[int, ...]
    channels: int
    refusals: tuple[Refusal, ...] = ()
    bound: BoundGraph | None = None
    frozen: Frozen | None = None
    anchors: tuple[Refusal, ...] = ()
    output: Output = None
    evenly: Callable[[], Analysis] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def for_whole_tiles(self) -> Analysis:
        """The analysis that whole tiles go by: of the padded image, where its own leaves no grid for them.

        Traces the network once more, where that is so.
        """
        uneven = self.bound is not None and self.graph.even is not None and bool(self.anchors)
        return self.evenly() if uneven and self.evenly else self

    @property
    def padding(self) -> tuple[str, ...]:
        """Return in words, for each axis, what the image is padded to before it goes through the network."""
        pairs = zip(self.shape, self.padded_shape, strict=True)
        return tuple(f"reflected to {m} px" if m > n else AS_IT_IS for n, m in pairs)

    @property
    def graph(self) -> Graph:
        """Return the trace of one pass over the whole padded image; raise NotExactError where refused."""
        return self.require().graph

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What operators must know of the whole image before the network can be computed in tiles."""
        return self.frozen.statistics if self.frozen else ()

    def require(self) -> BoundGraph:
        """Return the graph with its operators; raise NotExactError where the network is refused."""
        if self.bound is None:
            raise NotExactError(self.refusals, WAY_OUT)
        return self.bound

    @property
    def surveys(self) -> int:
        """Return the passes over the image that gather those, before the one that computes the output."""
        return 1 + max((statistic.level for statistic in self.statistics), default=-1)

    def graph_with(self, values: Mapping[int, Partial]) -> Graph:
        """Return the same graph where statistics of the whole image are known, by their keys."""
        return self.frozen.with_values(values) if self.frozen and self.statistics else self.graph

    @cached_property
    def known_costs(self) -> dict[Hashable, tuple[int, float]]:
        """What tilings cost that were asked for already, in bytes a tile and multiply-accumulates."""
        return {}

    @cached_property
    def passes(self) -> PassPlanner:
        """The passes over the image that the network takes, by how much may be kept between them."""
        bound = self.require()
        assert self.frozen is not None
        return PassPlanner(self.frozen, bound)

    @cached_property
    def factor(self) -> tuple[int, ...] | None:
        """F: images are padded to multiples of it, zones start on multiples of it."""
        return None if self.bound is None else self.bound.factor

    @cached_property
    def context(self) -> tuple[tuple[int, int], ...] | None:
        """What an F-aligned zone depends on: (before, after) per axis."""
        if self.bound is None:
            return None
        return tuple(self.bound.context(axis) for axis in range(len(self.shape)))

    @cached_property
    def radius(self) -> tuple[int, ...] | None:
        """What the usual tiling needs on every side: the context, rounded up to a multiple of F (Eq. 3).

        It is at least the margin that the network cuts off, as it cuts it off every tile, and more where a
        network shifts the image and back: see `BoundGraph.margin`.
        """
        if self.context is None or self.factor is None:
            return None
        bound = self.require()
        margins = bound.grid(self.padded_shape).margins
        axes = zip(self.context, margins, self.factor, strict=True)
        needed = ((max(*context, *cut, bound.margin(axis)), f) for axis, (context, cut, f) in enumerate(axes))
        return tuple(rounded_radius(*pair) for pair in needed)

    @cached_property
    def paper_radius(self) -> tuple[int, ...] | None:
        """Eq. 1 of the papers, unrounded, for comparison only: for many networks it is too small."""
        if self.bound is None:
            return None
        return tuple(self.bound.paper_radius(axis) for axis in range(len(self.shape)))

    @property
    def padded_shape(self) -> tuple[int, ...]:
        """Return the shape of the image that the trace stands for: its own, padded where it has to be."""
        return self.graph.spatial_shape(0)

    @cached_property
    def grid(self) -> OutputGrid:
        """Where the output lies on the image, and how much of it belongs to the image."""
        return self.require().grid(self.shape)

    def part(self, zone: Box) -> Box | None:
        """Return the box of the output that belongs to a box of the image; None where there is none.

        Boxes that partition the image partition the output.
        """
        bound, output = self.require(), self.graph.output
        parts = [bound.part(output, axis, side) for axis, side in enumerate(zone)]
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
        return Gives() if self.frozen is None else gives(self.frozen.traced)

    @cached_property
    def precision(self) -> torch.dtype:
        """The coarsest type of number that the network computes in."""
        if self.bound is None:
            return self.scores_dtype
        types = {node.dtype for node in self.graph.nodes if node.dtype.is_floating_point}
        return max(types, key=lambda dtype: torch.finfo(dtype).eps)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Return the operators in order, each with its place, stride, context and cost."""
        return layers_of(self.require())

    def explain(self, width: int = 120) -> str:
        """Return a table in plain text: a row per layer, then F, context and radius; or the refusals.

        The columns "context" and "Eq. 1" say what lies between a layer and the output, in input pixels: the
        truth, before and after a zone, and the papers' equation. Places are shortened to keep to `width`.
        """
        if self.bound is None:
            return "\n".join(["Cannot be exact:", *(f"  {refusal}" for refusal in self.refusals), WAY_OUT])
        return "\n".join([*aligned(table(self.layers, width, 2)), "", *self._summary()])

    def _summary(self) -> list[str]:
        return [
            f"size factor F    {self.factor}",
            f"context          {self.context}",
            f"radius           {self.radius}",
            f"paper's Eq. 1    {self.paper_radius}",
            *([] if self.grid.is_of_image else [f"output grid      {self.grid.describe()}"]),
        ]


@exact_arithmetic()
def analyse_module(
    module: nn.Module,
    channels: int,
    shape: Sequence[int],
    output: Output = None,
    padded: Sequence[bool] = (),
) -> Analysis:
    """Analyse `module` for images of `channels` and spatial `shape`; refusals are returned, not raised.

    `output` names the tensor to segment by, where the network returns several.

    The network is traced to find F, and at the size of the image: the reference is one pass over it as it
    is. Axes along which the network does not take it, or does not give a label for each of its strides, and
    those of `padded`, are padded to multiples of F instead, the papers' way. Takes no memory of image size.
    Raises ValueError for an empty shape.
    """
    shape = tuple(int(length) for length in shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"an image needs at least one pixel along every axis, not shape {shape}")
    try:
        refuse_training(module)
        refuse_nan(module)
        traced = Traced(module, channels, output, len(shape))
        bound, frozen = traced.at(shape, tuple(padded) or (False,) * len(shape))
        anchors = (*_whole_image(frozen), *bound.anchors, *size_dependence(traced.first, bound))

        def evenly() -> Analysis:
            return analyse_module(module, channels, shape, output, (True,) * len(shape))

        analysis = Analysis(
            shape, channels, bound=bound, frozen=frozen, anchors=anchors, output=output, evenly=evenly
        )
        _refuse_nothing(analysis)
        return analysis
    except NotExactError as error:
        axes = wrong_axes(module, len(shape))
        refusals = (Refusal("model", "", *axes),) if axes else error.refusals
        return Analysis(shape, channels, refusals=refusals, output=output)


def _refuse_nothing(analysis: Analysis) -> None:
    """Refuse an image that is smaller than the margin that the network cuts off."""
    if min(analysis.grid.shape) < 1:
        reason = f"of an image of {times(analysis.shape)} px, its margins leave nothing"
        raise NotExactError((Refusal("output", "", reason, "Segment a larger image"),))


def _whole_image(frozen: Frozen) -> tuple[Refusal, ...]:
    reason = "it looks at the whole image"
    return tuple(Refusal(one.operator, one.place, reason) for one in frozen.statistics)


def refuse_training(module: nn.Module) -> None:
    """Raise NotExactError for a network in training mode, or with a batch norm that was left in it."""
    # Frozen TorchScript has no such switch and exported programs a meaningless one: what is left of training
    # in them is refused operator by operator.
    if getattr(module, "training", False) and not isinstance(module, GraphModule):
        reason = "it is in training mode, where dropout and batch norm depend on chance and on the batch"
        raise NotExactError((Refusal("model", "", reason, "Call .eval() on it first"),))
    for path, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training and part.track_running_stats:
            # Not even traced: it would count the trace as a step of training.
            reason = "it was left in training mode, where it normalises with statistics of the batch"
            raise NotExactError((Refusal("batch norm", path, reason, "Call .eval() on the model first"),))


def refuse_nan(module: nn.Module) -> None:
    """Raise NotExactError for a network with weights that are no numbers: all that it gives would be NaN.

    Endless numbers may be meant as such in what is no parameter, a mask say.
    """
    for name, tensor in weights(module):
        if not tensor.is_floating_point() or not tensor.numel() or tensor.is_meta:
            continue
        low, high = tensor.detach().aminmax()
        if low.isnan() or (isinstance(tensor, nn.Parameter) and not (low.isfinite() and high.isfinite())):
            what = "NaN" if low.isnan() else "infinity"
            reason = f"its weights hold {what}, so that it gives no scores"
            raise NotExactError((Refusal("weights", name, reason, "Train or load it again"),))
