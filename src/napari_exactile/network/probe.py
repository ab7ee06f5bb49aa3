"""Measure a network's context instead of deriving it: set one row of an image to NaN, see how far it spreads.

Whatever is computed from a NaN is NaN, so the outputs that turn to NaN are those that read the row. The
network runs unchanged; the rules of this package take no part, and can be checked against the result.

Where operators look at the whole image, one NaN would fill it all. Such networks are traced and frozen with
constants in place of what those operators look for, and the trace is run by torch, one operator after the
other: the rules take no part in that, either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from napari_exactile.geometry.interval import full_box
from napari_exactile.geometry.words import times
from napari_exactile.network.analysis import analyse_module, require_derived
from napari_exactile.network.cone.bound import last_uses
from napari_exactile.network.cost.memory import peak_whole_tile
from napari_exactile.network.derived import Derived
from napari_exactile.network.traced.forms import in_training
from napari_exactile.network.traced.graph import Graph, Node, NotExactError, Ref
from napari_exactile.network.traced.outputs import Output, pick
from napari_exactile.network.traced.trace import dtype_of, trace
from napari_exactile.network.whole.freeze import freeze
from napari_exactile.torch_state import exact_arithmetic, window_by_window

# Images with different rows set to NaN go through the network together while they take less than this.
BATCH_BYTES = 64 << 20

Context = tuple[int, int]
Network = Callable[[torch.Tensor], torch.Tensor]


class NotMeasurableError(ValueError):
    """Raised where NaN does not show what depends on what, because an operator makes or swallows it.

    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> class Bright(nn.Module):
    ...     def forward(self, x):
    ...         return (x > 0).float()
    >>> try:
    ...     ex.measure_context(Bright().eval(), (16, 16), factor=(1, 1))
    ... except ex.NotMeasurableError as error:
    ...     print(type(error).__name__)
    NotMeasurableError
    """


@exact_arithmetic()
def measure_context(
    module: nn.Module,
    channels: int,
    shape: Sequence[int],
    factor: Sequence[int] | None = None,
    output: Output = None,
) -> tuple[Context, ...]:
    """Return the pixels (before, after) an F-aligned zone that its result depends on, measured, per axis.

    The network runs on images of at most the spatial `shape`; where the analysis knows the context, on ones
    just large enough to measure it. F is the analysis's. Operators that look at the whole image count as
    constants: measured is what lies before, between and after them. With a `factor` of your own, the analysis
    plays no part, and networks that it refuses can be measured too: unchanged, on images of `shape`, rounded
    down to the factor.

    Raises NotMeasurableError where NaN is swallowed (by `x > 0`, argmax or nan_to_num, say), which shows in
    no NaN arriving or, with the analysis, in less than it says; NotExactError where the analysis refuses;
    ValueError for a network in training mode and for a `shape` too small, naming one that is large enough.
    """
    if in_training(module):
        # NaN would stay in the running statistics of a batch norm.
        raise ValueError("the model is in training mode: call .eval() on it first")
    analysis = None if factor else require_derived(analyse_module(module, channels, shape, output))
    factors = analysis.factor if analysis else tuple(factor or ())
    if len(factors) != len(shape):
        raise ValueError(
            f"the factor {factors} and the shape {tuple(shape)} must have one entry per axis: give as many"
        )
    probe = Probe(module, channels, tuple(shape), factors, analysis, output)
    return tuple(probe.measure(axis) for axis in range(len(shape)))


@dataclass(frozen=True, slots=True)
class Probe:
    """What stays the same while the axes are measured, one after the other.

    Without `analysis`, networks may be such as it refuses; `factor` is then what people say that F is.
    """

    module: nn.Module
    channels: int
    shape: tuple[int, ...]
    factor: tuple[int, ...]
    analysis: Derived | None
    output: Output = None

    @property
    def device(self) -> torch.device:
        """Where the network lies, and so where it is measured."""
        return next(self.module.parameters(), torch.empty(0)).device

    def measure(self, axis: int) -> Context:
        """Return (before, after) along one axis; raise NotMeasurableError where NaN shows less."""
        derived = self.analysis.context[axis] if self.analysis else (0, 0)
        measured: Context | None = None
        shapes = tuple(self.images(axis))
        for shape in shapes:
            try:
                measured = self.spread(axis, shape)
            except (RuntimeError, NotExactError):
                # A thin image can be too small for the network: for its padding by reflection, say.
                if shape == shapes[-1]:
                    raise
                continue
            if measured and all(a >= b for a, b in zip(measured, derived, strict=True)):
                return measured
        if measured is None:
            raise NotMeasurableError(
                f"no NaN arrives at the output from axis {axis}: {_SWALLOWED}; {_WITHOUT}"
            )
        raise NotMeasurableError(
            f"NaN spreads {measured} px before and after a zone along axis {axis}, but the analysis says "
            f"{derived}: {_SWALLOWED}, or the analysis asks for more than is needed; {_WITHOUT}"
        )

    def images(self, axis: int) -> Iterator[tuple[int, ...]]:
        """Yield the shapes to try: thin first, then wide, as some kernels step over what is in a thin one."""
        most = [max(n // f, 1) * f for n, f in zip(self.shape, self.factor, strict=True)]
        if self.analysis is None:
            yield tuple(most)
            return
        for width in ([0] * len(most), self.analysis.radius):
            wanted = [f + 2 * r for f, r in zip(self.factor, width, strict=True)]
            wanted[axis] = self.enough(axis)
            yield tuple(min(w, m) for w, m in zip(wanted, most, strict=True))

    def enough(self, axis: int) -> int:
        """Return a length on which the spread from any phase of F in the middle ends before the edges."""
        if self.analysis:
            return 2 * self.analysis.radius[axis] + 3 * self.factor[axis]
        return 2 * self.shape[axis]

    def spread(self, axis: int, shape: tuple[int, ...]) -> Context | None:
        """Return the context that NaN shows along one axis of an image; None where none arrives."""
        factor, length = self.factor[axis], shape[axis]
        middle = length // 2 // factor * factor
        before, after, arrived = 0, 0, False
        for row, first, last in self.reached(axis, shape, range(middle, middle + factor)):
            if first == 0 or last == length - 1:
                raise ValueError(
                    f"{length} px along axis {axis} are too few: NaN reaches their end. "
                    f"{'Try' if self.analysis is None else 'Take'} {self.enough(axis)} px"
                )
            arrived = True
            before = max(before, last // factor * factor - row)
            after = max(after, row + 1 - (first // factor + 1) * factor)
        return (before, after) if arrived else None

    def reached(self, axis: int, shape: tuple[int, ...], rows: range) -> Iterator[tuple[int, int, int]]:
        """Yield (row, first output, last output) for every row whose NaN arrives."""
        network = self.network(shape)
        if self.run(network, axis, shape, range(-1, 0)).any():
            raise NotMeasurableError("the network gives NaN for an image without NaN: check its weights")
        count = self.batch(shape)
        batches = (rows[i : i + count] for i in range(0, len(rows), count))
        hits = chain.from_iterable(self.run(network, axis, shape, batch) for batch in batches)
        for row, hit in zip(rows, hits, strict=True):
            places = hit.nonzero().flatten().tolist()
            if places:
                yield row, places[0], places[-1]

    def network(self, shape: tuple[int, ...]) -> Network:
        """Return what computes the output of images of `shape`; frozen where it looks at the whole image."""
        if self.analysis is None or not self.analysis.statistics:
            return lambda images: pick(self.module(images), self.output, images)
        frozen = freeze(trace(self.module, (1, self.channels, *shape), self.output)).graph
        placed = frozen.with_constants(lambda constant: constant.to(self.device))
        return lambda image: run_plainly(placed, image)

    def batch(self, shape: tuple[int, ...]) -> int:
        """Return how many images of `shape` go through the network together; through a trace, only one."""
        if self.analysis is None or self.analysis.statistics:
            return 1
        return max(1, BATCH_BYTES // peak_whole_tile(self.analysis.bound, full_box(shape)))

    def run(self, network: Network, axis: int, shape: tuple[int, ...], rows: range) -> torch.Tensor:
        """Return (rows, length): where along `axis` outputs are NaN when one row is; row -1 is no row."""
        # Random, as constants can make 0 / 0.
        noise = torch.rand(1, self.channels, *shape, generator=torch.Generator().manual_seed(0))
        images = noise.to(self.device, dtype_of(self.module)).repeat(len(rows), *(1,) * (len(shape) + 1))
        for image, row in zip(images, rows, strict=True):
            if row >= 0:
                image.select(axis + 1, row).fill_(torch.nan)
        with window_by_window():
            output = network(images)
        if output.shape[2:] != images.shape[2:]:
            raise ValueError(
                "the context is measured where the output has the grid of the image: "
                f"an image of {times(shape)} px gives an output of shape {times(output.shape)}; "
                "measure the network up to its last layer of that grid"
            )
        others = [dim for dim in range(1, output.ndim) if dim != axis + 2]
        return output.isnan().cpu().amax(dim=others)


def run_plainly(graph: Graph, image: torch.Tensor) -> torch.Tensor:
    """Return a graph's output for an image of the shape that it was traced for, computed by torch alone."""
    made = {0: image}
    uses = last_uses(graph, range(1, len(graph.nodes)))

    def filled(leaf: Any) -> Any:
        return made[leaf.index] if isinstance(leaf, Ref) else leaf

    for node in graph.nodes[1:]:
        made[node.index] = _called(node, *tree_map(filled, (node.args, node.kwargs)))
        for finished in uses[node.index]:
            del made[finished]
    return made[graph.output]


def _called(node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    result = node.op(*args, **kwargs)
    one: torch.Tensor = result[node.result] if isinstance(result, tuple | list) else result
    return one


_WITHOUT = "measure the network without it"
_SWALLOWED = "an operator swallows NaN, as x > 0, argmax and nan_to_num do"
