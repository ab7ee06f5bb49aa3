"""Operators that look at the whole image: what is gathered for them, and what they are once it is known.

A normalisation with statistics of the whole image becomes one with constant statistics; a mean or a maximum
over the image becomes a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from napari_exactile.geometry.interval import Interval
from napari_exactile.network.rules.channels import dims_of
from napari_exactile.network.rules.table import bound_arguments, refused
from napari_exactile.network.traced.graph import Node
from napari_exactile.network.traced.layout import Layout
from napari_exactile.network.whole.moments import Moments
from napari_exactile.network.whole.reductions import Bins, Extreme, Partial, Reduction, Sums


@dataclass(frozen=True, slots=True)
class Whole:
    """What an operator gathers of its input, and `known`: what takes its place when that is known.

    A tensor is a constant; a node works pixel by pixel. `label` is what people call the operator.
    """

    reduction: Reduction
    known: Callable[[Partial], torch.Tensor | Node]
    label: str = ""


WholeRule = Callable[[Node, Layout], Whole | None]

_TABLE: dict[str, WholeRule] = {}


def whole_rule(*names: str) -> Callable[[WholeRule], WholeRule]:
    """Register a rule for operators by name; it may return None for a node that does not look so far."""

    def register(function: WholeRule) -> WholeRule:
        for name in names:
            if name in _TABLE:
                raise ValueError(f"there are two rules for the whole-image operator {name}")
            _TABLE[name] = function
        return function

    return register


def whole_of(node: Node, sources: Sequence[Layout | None]) -> Whole | None:
    """Return what a node gathers of the whole image; None where its output depends on a neighbourhood."""
    look = _TABLE.get(node.name)
    if look is None or len(sources) != 1 or sources[0] is None:
        return None
    return look(node, sources[0])


@whole_rule("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional")
def _batch_norm(node: Node, layout: Layout) -> Whole | None:
    arguments = bound_arguments(node)
    if not arguments.get("training"):
        return None
    if arguments.get("running_mean") is not None:
        reason = "it normalises with statistics of the batch: it was left in training mode"
        raise refused(node, reason, "Call .eval() on the model first")
    # With an image as the batch, its statistics are those of an instance norm, which torch records so.
    found = _normalised(node, layout, layout.shape[1], arguments["weight"], arguments["bias"])
    return found and replace(found, label="instance norm")


@whole_rule("native_group_norm")
def _group_norm(node: Node, layout: Layout) -> Whole | None:
    arguments = bound_arguments(node)
    return _normalised(node, layout, arguments["group"], arguments["weight"], arguments["bias"])


@whole_rule("native_layer_norm")
def _layer_norm(node: Node, layout: Layout) -> Whole | None:
    arguments, axes = bound_arguments(node), len(layout.lengths)
    over_channels_too = len(arguments["normalized_shape"]) - axes
    if arguments["weight"] is not None or over_channels_too not in {0, 1}:
        return None
    return _normalised(node, layout, 1 if over_channels_too else layout.shape[1], None, None)


def _normalised(
    node: Node, layout: Layout, groups: int, weight: torch.Tensor | None, bias: torch.Tensor | None
) -> Whole | None:
    """Return a normalisation of (1, channels, *space) with a mean and variance for each group of channels."""
    plain = layout.is_last and len(layout.shape) == len(layout.lengths) + 2 and layout.shape[0] == 1
    if not plain or node.result:
        return None
    channels, eps = layout.shape[1], bound_arguments(node)["eps"]
    dtype = torch.promote_types(node.dtype, torch.float32)

    def each(values: torch.Tensor) -> torch.Tensor:
        return values.flatten().repeat_interleave(channels // groups).to(dtype)

    # Beside statistics of more precision than the image has, batch norms take no others of less.
    scale, shift = (None if one is None else one.to(dtype) for one in (weight, bias))

    def known(moments: Partial) -> Node:
        count, mean, squares = moments
        statistics = each(mean), each(squares / count)
        args = (node.args[0], scale, shift, *statistics, False, 0.0, eps)
        return replace(node, op=torch.ops.aten.native_batch_norm.default, args=args, kwargs={})

    return Whole(Moments(tuple(range(2, len(layout.shape) + 1)), groups), known)


def _over_the_image(node: Node, layout: Layout) -> tuple[int, ...]:
    """Return the dimensions that a node reduces where every axis of the image is among them, else none."""
    dims = dims_of(node, len(layout.dims))
    return tuple(dims) if covers(layout, dims) else ()


def covers(layout: Layout, dims: Sequence[int]) -> bool:
    """Return whether all axes of the image lie in these dimensions."""
    return {axis for dim in dims for axis in layout.dims[dim]} == set(range(len(layout.lengths)))


def _constant(node: Node, values: torch.Tensor) -> torch.Tensor:
    return values.reshape(node.shape).to(node.dtype)


@whole_rule("mean", "sum")
def _mean(node: Node, layout: Layout) -> Whole | None:
    dims = _over_the_image(node, layout)
    if not dims:
        return None
    divided = node.name == "mean"
    return Whole(Sums(dims), lambda sums: _constant(node, sums[1] / sums[0] if divided else sums[1]))


@whole_rule("linalg_vector_norm", "norm")
def _norm(node: Node, layout: Layout) -> Whole | None:
    dims, arguments = _over_the_image(node, layout), bound_arguments(node)
    power = float(arguments.get("ord", arguments.get("p", 2)))
    if not dims or not 0 < power < float("inf"):
        return None
    return Whole(Sums(dims, power), lambda sums: _constant(node, sums[1] ** (1 / power)))


@whole_rule("var", "std", "var_mean", "std_mean")
def _variance(node: Node, layout: Layout) -> Whole | None:
    dims, arguments = _over_the_image(node, layout), bound_arguments(node)
    correction = arguments.get("correction", int(arguments.get("unbiased", True)))
    correction = 1 if correction is None else correction
    if not dims:
        return None

    def known(moments: Partial) -> torch.Tensor:
        count, mean, squares = moments
        if node.result:
            return _constant(node, mean)
        variance = squares / (count - correction)
        return _constant(node, variance.sqrt() if node.name.startswith("std") else variance)

    return Whole(Moments(dims), known)


@whole_rule("amax", "amin", "max", "min")
def _extreme(node: Node, layout: Layout) -> Whole | None:
    if torch.Tag.pointwise in node.op.tags or node.result:
        return None
    dims = _over_the_image(node, layout)
    return _largest(node, dims, node.name.endswith("max")) if dims else None


def _largest(node: Node, dims: Sequence[int], largest: bool = True) -> Whole:
    return Whole(Extreme(tuple(dims), largest), lambda extreme: _constant(node, extreme[0]))


@whole_rule(*(f"adaptive_max_pool{axes}d" for axes in (2, 3)))
def _adaptive_max_pool(node: Node, layout: Layout) -> Whole | None:
    dims = _pooled_to_one(node, layout)
    return _largest(node, dims) if dims else _binned(node, layout, largest=True)


@whole_rule(*(f"_adaptive_avg_pool{axes}d" for axes in (2, 3)))
def _adaptive_average_pool(node: Node, layout: Layout) -> Whole | None:
    return _binned(node, layout, largest=False)


# More bins than this along an axis are no fixed number of them, but a share of the image's size.
MOST_BINS = 64


def _binned(node: Node, layout: Layout, largest: bool) -> Whole | None:
    """Return a pooling that shares the image out into a fixed number of bins along each axis."""
    axes = len(layout.lengths)
    sizes = node.shape[len(node.shape) - axes :]
    if not layout.is_last or len(node.shape) != axes + 2 or node.result or max(sizes) > MOST_BINS:
        return None
    # As torch shares them out: neighbours may overlap by an element.
    bins = tuple(
        tuple(Interval(i * length // size, -(-(i + 1) * length // size)) for i in range(size))
        for length, size in zip(layout.lengths, sizes, strict=True)
    )
    return Whole(
        Bins(bins, largest), lambda found: _constant(node, found[0] if largest else found[1] / found[0])
    )


def _pooled_to_one(node: Node, layout: Layout) -> tuple[int, ...]:
    """Return the dimensions that a pooling leaves one element of; none where it leaves more."""
    axes = int(node.name.split("pool")[1][0])
    dims = range(len(node.shape) - axes, len(node.shape))
    one = all(node.shape[dim] == 1 for dim in dims) and not node.result
    return tuple(dims) if one and covers(layout, dims) else ()
