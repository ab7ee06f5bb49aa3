"""What operators make of the bounds of their inputs: one rule for each whose result they tell anything of."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, inf, isfinite, isinf, prod
from typing import Any, Protocol

from napari_exactile.network.span import (
    ANY,
    Meaning,
    Span,
    hull,
    inverse,
    largest,
    least,
    number,
    plus,
    power,
    size,
    times,
)
from napari_exactile.network.traced.graph import Ref


class Walk(Protocol):
    """What a rule asks of the network."""

    def of(self, argument: Any) -> Span:
        """Return the bounds of an argument: a result, a number, a constant, or a list of these."""
        ...

    def shape(self, argument: Ref) -> tuple[int, ...]:
        """Return the shape of a result."""
        ...


SpanRule = Callable[[Walk, dict[str, Any]], Span]
# Results are values of the input, or lie between some of them.
_VIEWS = (
    "alias", "clone", "contiguous", "detach", "expand", "flip", "_to_copy", "permute", "pixel_shuffle",
    "repeat", "reshape", "roll", "select", "slice", "squeeze", "transpose", "t", "unsqueeze", "_unsafe_view",
    "view", "index_select", "index", "gather", "topk", "sort", "unbind", "split", "split_with_sizes",
)  # fmt: skip
PIECES = ("unbind", "split", "split_with_sizes")
_NEIGHBOURS = (
    "mean", "amax", "amin", "max", "min", "max_pool2d_with_indices", "max_pool3d_with_indices",
    *(f"{kind}{axes}d" for axes in (1, 2, 3) for kind in (
        "avg_pool", "_adaptive_avg_pool", "reflection_pad", "replication_pad", "upsample_nearest",
        "_upsample_nearest_exact",
    )),
    "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d",
)  # fmt: skip
SAME = frozenset(_VIEWS + _NEIGHBOURS)


def _first(walk: Walk, given: dict[str, Any]) -> Span:
    return walk.of(given["self"] if "self" in given else given.get("input"))


def _fixed(low: float, high: float, meaning: Meaning = "") -> SpanRule:
    return lambda walk, given: Span(low, high, meaning)


def _clamped(low: str, high: str) -> SpanRule:
    """Return the rule for what is cut off at two arguments, of which either may be left out."""

    def rule(walk: Walk, given: dict[str, Any]) -> Span:
        span, (bottom, top) = _first(walk, given), (given.get(name) for name in (low, high))
        raised = span if bottom is None else largest(span, walk.of(bottom))
        return raised if top is None else least(raised, walk.of(top))

    return rule


def _filled(walk: Walk, given: dict[str, Any]) -> Span:
    return walk.of(given["fill_value"])


def _padded(walk: Walk, given: dict[str, Any]) -> Span:
    return hull([_first(walk, given), walk.of(given.get("value") or 0)])


def _joined(*names: str) -> SpanRule:
    return lambda walk, given: hull([walk.of(given[name]) for name in names])


def _of_two(rule: Callable[[Span, Span], Span]) -> SpanRule:
    return lambda walk, given: rule(walk.of(given["self"]), walk.of(given["other"]))


def _largest(walk: Walk, given: dict[str, Any]) -> Span:
    return hull([walk.of(given[name]) for name in ("self", "other") if name in given])


def _averaged(walk: Walk, given: dict[str, Any]) -> Span:
    if given.get("divisor_override") is not None:
        return ANY
    span = _first(walk, given)
    return hull([span, number(0)]) if any(given.get("padding") or ()) else span


def _converted(walk: Walk, given: dict[str, Any]) -> Span:
    span, dtype = _first(walk, given), given.get("dtype")
    if dtype is None or dtype.is_floating_point or not (isfinite(span.low) and isfinite(span.high)):
        return span
    return Span(floor(span.low), ceil(span.high), span.meaning)


def _rounded(walk: Walk, given: dict[str, Any]) -> Span:
    span = _first(walk, given)
    if given.get("decimals", 0) < 0:
        return ANY
    low, high = (end if isinf(end) else turn(end) for turn, end in ((floor, span.low), (ceil, span.high)))
    return Span(low, high)


def _cut(walk: Walk, given: dict[str, Any]) -> Span:
    above = largest(_first(walk, given), walk.of(given["threshold"]))
    return hull([above, walk.of(given["value"])])


def _total(walk: Walk, given: dict[str, Any]) -> Span:
    shape = walk.shape(given["self"])
    count = prod(shape[dim] for dim in given.get("dim") or range(len(shape)))
    return times(_first(walk, given), number(count))


def _sum(sign: float) -> SpanRule:
    def rule(walk: Walk, given: dict[str, Any]) -> Span:
        other = times(walk.of(given["other"]), number(sign * given.get("alpha", 1)))
        return plus(walk.of(given["self"]), other)

    return rule


def _reversed(walk: Walk, given: dict[str, Any]) -> Span:
    own = times(walk.of(given["self"]), number(-given.get("alpha", 1)))
    return plus(walk.of(given["other"]), own)


def _quotient(walk: Walk, given: dict[str, Any]) -> Span:
    if given.get("rounding_mode"):
        return ANY
    other = inverse(walk.of(given["other"]))
    return ANY if other == ANY else times(walk.of(given["self"]), other)


def _power(walk: Walk, given: dict[str, Any]) -> Span:
    return power(walk.of(given["self"]), walk.of(given["exponent"]))


def _logarithm(walk: Walk, given: dict[str, Any]) -> Span:
    return Span(-inf, 0, "logarithms") if _first(walk, given).scale == "probabilities" else ANY


def _exponential(walk: Walk, given: dict[str, Any]) -> Span:
    return Span(0, 1 if _first(walk, given).high <= 0 else inf)


def _root(walk: Walk, given: dict[str, Any]) -> Span:
    return Span(0, 1 if _first(walk, given).high <= 1 else inf)


SPAN_RULES: dict[str, SpanRule] = (
    dict.fromkeys(SAME, _first)
    | {
        "sigmoid": _fixed(0, 1),
        "hardsigmoid": _fixed(0, 1),
        "_softmax": _fixed(0, 1),
        "_log_softmax": _fixed(-inf, 0, "logarithms"),
        "log_sigmoid_forward": _fixed(-inf, 0, "logarithms"),
        "log": _logarithm,
        "tanh": _fixed(-1, 1),
        "softplus": _fixed(0, inf),
        "exp": _exponential,
        "zeros_like": _fixed(0, 0),
        "ones_like": _fixed(1, 1),
        "full_like": _filled,
        "sqrt": _root,
        "linalg_vector_norm": _fixed(0, inf),
        "erf": _fixed(-1, 1),
        "sin": _fixed(-1, 1),
        "cos": _fixed(-1, 1),
        "sign": _fixed(-1, 1),
        "relu": lambda walk, given: largest(_first(walk, given), number(0)),
        "abs": lambda walk, given: size(_first(walk, given)),
        "neg": lambda walk, given: times(_first(walk, given), number(-1)),
        "reciprocal": lambda walk, given: inverse(_first(walk, given)),
        "threshold": _cut,
        "sum": _total,
        "max": _largest,
        "min": _largest,
        "_to_copy": _converted,
        "hardtanh": _clamped("min_val", "max_val"),
        "clamp": _clamped("min", "max"),
        "clamp_min": _clamped("min", ""),
        "clamp_max": _clamped("", "max"),
        "constant_pad_nd": _padded,
        "cat": _joined("tensors"),
        "stack": _joined("tensors"),
        "where": _joined("self", "other"),
        "masked_fill": _joined("self", "value"),
        "slice_scatter": _joined("self", "src"),
        "select_scatter": _joined("self", "src"),
        "maximum": _of_two(largest),
        "minimum": _of_two(least),
        "add": _sum(1),
        "sub": _sum(-1),
        "rsub": _reversed,
        "mul": _of_two(times),
        "div": _quotient,
        "pow": _power,
    }
    | dict.fromkeys(("round", "floor", "ceil", "trunc"), _rounded)
    | {f"avg_pool{axes}d": _averaged for axes in (1, 2, 3)}
)
