"""Pointwise operators on rows that were just made: in place, or from them into the slab where they stay."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from napari_exactile.geometry.interval import Box
from napari_exactile.network.rules.local import Pointwise
from napari_exactile.network.rules.table import Region, bound_arguments
from napari_exactile.network.skewed.slab import is_plain
from napari_exactile.network.skewed.turned import Turned
from napari_exactile.network.traced.graph import Graph, Made, Ref

# Writes what becomes of rows into `out`, which may be these.
StepCall = Callable[[Box, torch.Tensor, torch.Tensor], object]

# Floats in a row of an affine step: several pixels at once where channels are few.
WIDE = 128


def step_of(operator: Pointwise, graph: Graph, turned: Turned) -> StepCall:
    """Return what does a step on rows of a box, in the turned order where its tensors are plain."""
    node = operator.node
    if is_plain(graph.layout(node.index)):
        if node.name == "native_batch_norm" and _is_affine(operator):
            return _affine(operator)
        if node.name == "relu":
            return _relu
        if (found := _elementwise(operator)) is not None:
            return found
    return _by_rule(operator, graph, turned)


def _relu(wanted: Box, rows: torch.Tensor, out: torch.Tensor) -> object:
    return torch.relu_(rows) if out is rows else torch.clamp(rows, min=0, out=out)


def _is_affine(operator: Pointwise) -> bool:
    arguments = bound_arguments(operator.node)
    known = arguments["running_mean"], arguments["running_var"]
    types = {one.dtype for one in known if isinstance(one, torch.Tensor)}
    return not arguments["training"] and None not in known and types == {operator.node.dtype}


def _affine(operator: Pointwise) -> StepCall:
    """Return a normalisation by known values: one multiplication and one addition a number.

    Rounded as torch's own kernel does it (aten, batch_norm_cpu_collect_linear_and_constant_terms).
    """
    of = bound_arguments(operator.node)
    mean, deviation = of["running_mean"], (of["running_var"] + of["eps"]).sqrt()
    # Not `1 / deviation`, which is a reciprocal of less precision; `addcmul` rounds once, as the kernel does.
    inverse = torch.ones_like(deviation).div(deviation)
    scale = inverse if of["weight"] is None else inverse * of["weight"]
    shift = torch.addcmul(torch.zeros_like(mean) if of["bias"] is None else of["bias"], -mean, scale)

    @cache
    def repeated(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        return scale.repeat(count), shift.repeat(count)

    def run(wanted: Box, rows: torch.Tensor, out: torch.Tensor) -> object:
        flat, to = rows[0].movedim(0, -1), out[0].movedim(0, -1)
        count = 1
        if flat.is_contiguous() and to.is_contiguous():
            count = _together(flat.shape[-2], flat.shape[-1])
            flat, to = (one.reshape(-1, count * flat.shape[-1]) for one in (flat, to))
        factor, term = repeated(count)
        return torch.addcmul(term, flat, factor, out=to)

    return run


@cache
def _together(width: int, channels: int) -> int:
    """Return how many pixels of a row are taken as one, so that kernels have long rows."""
    return max(k for k in range(1, width + 1) if width % k == 0 and (k == 1 or k * channels <= WIDE))


def _elementwise(operator: Pointwise) -> StepCall | None:
    """Return a call of the operator's forms in place and with an output, where it has both."""
    node, packet = operator.node, operator.node.op.overloadpacket
    first, *others = node.args
    leaves = tree_leaves((others, node.kwargs))
    if not isinstance(first, Ref) or any(isinstance(leaf, Ref | Region | Made) for leaf in leaves):
        return None
    if any(isinstance(leaf, torch.Tensor) and leaf.numel() > 1 for leaf in leaves):
        return None
    # Others, as softmax, do not heed how their output lies in memory.
    into = getattr(packet, "out", None) if torch.Tag.pointwise in node.op.tags else None
    if into is None or _types(into) != [*_types(node.op), "out"]:
        return None
    place = getattr(torch.ops.aten, f"{node.name}_", None)

    def run(wanted: Box, rows: torch.Tensor, out: torch.Tensor) -> object:
        if out is not rows:
            return into(rows, *others, **node.kwargs, out=out)
        if place is not None:
            return place(rows, *others, **node.kwargs)
        return out.copy_(node.op(rows, *others, **node.kwargs))

    return run


def _types(op: Any) -> list[str]:
    """Return the types of what an operator takes; "out" stands for what it writes to."""
    return ["out" if one.is_out else str(one.type) for one in op._schema.arguments]


def _by_rule(operator: Pointwise, graph: Graph, turned: Turned) -> StepCall:
    plain = is_plain(graph.layout(operator.node.index))
    layout = graph.layout(operator.node.index)
    dims = () if layout.is_last else layout.dims

    def run(wanted: Box, rows: torch.Tensor, out: torch.Tensor) -> object:
        box = turned.back(wanted)
        own = turned.tensor_back(rows) if plain else rows
        made = operator.run(box, [Region(own, box, dims)])
        return out.copy_(turned.tensor(made) if plain else made.reshape(out.shape))

    return run
