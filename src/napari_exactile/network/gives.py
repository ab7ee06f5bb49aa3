"""What the numbers that a network gives can be, read off its last operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Literal

import torch

from napari_exactile.network.graph import Graph, Ref
from napari_exactile.network.rules import bound_arguments

Scale = Literal["logits", "probabilities", "logarithms"]
# So many operators are followed backwards: what bounds an output stands near its end.
FAR = 64


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers between two bounds; `logarithms` says that they are those of probabilities."""

    low: float = -inf
    high: float = inf
    logarithms: bool = False

    @property
    def scale(self) -> Scale:
        """What scores within these bounds are.

        >>> Span(0, 1).scale, Span(-inf, 0, logarithms=True).scale, Span(0, 255).scale
        ('probabilities', 'logarithms', 'logits')
        """
        if self.low >= 0 and self.high <= 1:
            return "probabilities"
        return "logarithms" if self.logarithms else "logits"

    @property
    def one_sided(self) -> bool:
        """Whether no logits lie so: these have both signs, and no bounds."""
        return self.low >= 0 or self.high <= 0 or (isfinite(self.low) and isfinite(self.high))


ANY = Span()


@dataclass(frozen=True, slots=True)
class Gives:
    """Bounds of a network's output, and the name of the operator that sets them ("" where none does)."""

    span: Span = ANY
    operator: str = ""


def gives(graph: Graph) -> Gives:
    """Return what the output of a graph can be, as far as its last operators tell.

    Operators that change no value, or only mix values (views, crops, resizing by neighbours, means), are
    looked through.
    """
    walk = _Walk(graph)
    span = walk.span(graph.output)
    if span == ANY:
        return Gives()
    return Gives(span, walk.decisive(graph.output).lstrip("_").removesuffix("_forward"))


class _Walk:
    """Goes from the output towards the image."""

    def __init__(self, graph: Graph) -> None:
        self._nodes, self._known = graph.nodes, dict[int, Span]()

    def span(self, index: int) -> Span:
        """Return the bounds of one node's result."""
        if index not in self._known:
            rule = _RULES.get(self._nodes[index].name)
            too_far = len(self._known) > FAR
            self._known[index] = ANY  # until it is known
            if rule and not too_far:
                self._known[index] = rule(self, bound_arguments(self._nodes[index]))
        return self._known[index]

    def of(self, argument: Any) -> Span:
        """Return the bounds of an argument: a result, a number, a constant, or a list of these."""
        if isinstance(argument, Ref):
            return self.span(argument.index)
        if isinstance(argument, list | tuple):
            return _hull([self.of(one) for one in argument])
        if isinstance(argument, torch.Tensor) and argument.numel() and not argument.is_complex():
            low, high = (float(one) for one in argument.detach().float().aminmax())
            return Span(low, high)
        return Span(argument, argument) if isinstance(argument, int | float) else ANY

    def decisive(self, index: int) -> str:
        """Return the name of the last operator that is not looked through."""
        node = self._nodes[index]
        while node.name in _SAME and node.inputs:
            node = self._nodes[node.inputs[0]]
        return node.name


def _hull(spans: list[Span]) -> Span:
    if not spans:
        return ANY
    logarithms = all(span.logarithms for span in spans)
    return Span(min(s.low for s in spans), max(s.high for s in spans), logarithms)


Rule = Callable[[_Walk, dict[str, Any]], Span]
# Results are values of the input, or lie between some of them.
_VIEWS = (
    "alias", "clone", "contiguous", "detach", "expand", "flip", "_to_copy", "permute", "pixel_shuffle",
    "repeat", "reshape", "roll", "select", "slice", "squeeze", "transpose", "t", "unsqueeze", "_unsafe_view",
    "view", "index_select",
)  # fmt: skip
_NEIGHBOURS = (
    "mean", "amax", "amin", "max", "min", "max_pool2d_with_indices", "max_pool3d_with_indices",
    *(f"{kind}{axes}d" for axes in (1, 2, 3) for kind in (
        "avg_pool", "reflection_pad", "replication_pad", "upsample_nearest", "_upsample_nearest_exact",
    )),
    "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d",
)  # fmt: skip
_SAME = frozenset(_VIEWS + _NEIGHBOURS)
_COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne", "logical_and", "logical_or", "logical_not")


def _first(walk: _Walk, given: dict[str, Any]) -> Span:
    return walk.of(given["self"] if "self" in given else given.get("input"))


def _fixed(low: float, high: float, logarithms: bool = False) -> Rule:
    return lambda walk, given: Span(low, high, logarithms)


def _clamped(low: str, high: str) -> Rule:
    """Return the rule for what is cut off at two arguments, of which either may be left out."""

    def rule(walk: _Walk, given: dict[str, Any]) -> Span:
        span, (least, most) = _first(walk, given), (given.get(name) for name in (low, high))
        bottom = -inf if least is None else walk.of(least).low
        top = inf if most is None else walk.of(most).high
        return Span(max(span.low, bottom), max(bottom, min(span.high, top)))

    return rule


def _filled(walk: _Walk, given: dict[str, Any]) -> Span:
    return walk.of(given["fill_value"])


def _padded(walk: _Walk, given: dict[str, Any]) -> Span:
    return _hull([_first(walk, given), walk.of(given.get("value") or 0)])


def _joined(*names: str) -> Rule:
    return lambda walk, given: _hull([walk.of(given[name]) for name in names])


def _sum(sign: float) -> Rule:
    def rule(walk: _Walk, given: dict[str, Any]) -> Span:
        other = _times(walk.of(given["other"]), _number(sign * given.get("alpha", 1)))
        return _plus(walk.of(given["self"]), other)

    return rule


def _reversed(walk: _Walk, given: dict[str, Any]) -> Span:
    own = _times(walk.of(given["self"]), _number(-given.get("alpha", 1)))
    return _plus(walk.of(given["other"]), own)


def _product(walk: _Walk, given: dict[str, Any]) -> Span:
    return _times(walk.of(given["self"]), walk.of(given["other"]))


def _quotient(walk: _Walk, given: dict[str, Any]) -> Span:
    other = walk.of(given["other"])
    if other.low <= 0 <= other.high or given.get("rounding_mode"):
        return ANY
    return _times(walk.of(given["self"]), Span(1 / other.high, 1 / other.low))


def _power(walk: _Walk, given: dict[str, Any]) -> Span:
    if given["exponent"] != 2:
        return ANY
    size = _absolute(walk, given)
    return Span(size.low**2, size.high**2)


def _absolute(walk: _Walk, given: dict[str, Any]) -> Span:
    span = _first(walk, given)
    least = 0.0 if span.low <= 0 <= span.high else min(abs(span.low), abs(span.high))
    return Span(least, max(abs(span.low), abs(span.high)))


def _rectified(walk: _Walk, given: dict[str, Any]) -> Span:
    span = _first(walk, given)
    return Span(max(0.0, span.low), max(0.0, span.high))


def _logarithm(walk: _Walk, given: dict[str, Any]) -> Span:
    return Span(-inf, 0, logarithms=True) if _first(walk, given).scale == "probabilities" else ANY


def _negative(walk: _Walk, given: dict[str, Any]) -> Span:
    return _times(_first(walk, given), _number(-1))


def _number(number: float) -> Span:
    return Span(number, number)


def _plus(one: Span, other: Span) -> Span:
    return Span(one.low + other.low, one.high + other.high)


def _times(one: Span, other: Span) -> Span:
    # 0 times an endless bound is 0: the bound itself is never reached.
    ends = [a * b if a and b else 0.0 for a in (one.low, one.high) for b in (other.low, other.high)]
    return Span(min(ends), max(ends))


_RULES: dict[str, Rule] = (
    dict.fromkeys(_SAME, _first)
    | {
        "sigmoid": _fixed(0, 1),
        "hardsigmoid": _fixed(0, 1),
        "_softmax": _fixed(0, 1),
        "_log_softmax": _fixed(-inf, 0, logarithms=True),
        "log_sigmoid_forward": _fixed(-inf, 0, logarithms=True),
        "log": _logarithm,
        "tanh": _fixed(-1, 1),
        "softplus": _fixed(0, inf),
        "exp": lambda walk, given: _fixed(0, 1 if _first(walk, given).high <= 0 else inf)(walk, given),
        "zeros_like": _fixed(0, 0),
        "ones_like": _fixed(1, 1),
        "full_like": _filled,
        "sqrt": _fixed(0, inf),
        "relu": _rectified,
        "abs": _absolute,
        "neg": _negative,
        "hardtanh": _clamped("min_val", "max_val"),
        "clamp": _clamped("min", "max"),
        "clamp_min": _clamped("min", ""),
        "clamp_max": _clamped("", "max"),
        "constant_pad_nd": _padded,
        "cat": _joined("tensors"),
        "stack": _joined("tensors"),
        "where": _joined("self", "other"),
        "maximum": _joined("self", "other"),
        "minimum": _joined("self", "other"),
        "add": _sum(1),
        "sub": _sum(-1),
        "rsub": _reversed,
        "mul": _product,
        "div": _quotient,
        "pow": _power,
    }
    | dict.fromkeys(_COMPARISONS, _fixed(0, 1))
)
