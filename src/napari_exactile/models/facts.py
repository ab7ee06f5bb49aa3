"""Facts about a model as people give them: of the right kind, or one sentence says which is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What a value may be, and what that is called."""

    holds: Callable[[Any], bool]
    words: str


def check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError for the first fact that is of another kind than is wanted."""
    for name, kind in KINDS.items():
        if name in facts and not kind.holds(facts[name]):
            raise ValueError(f"{name} is {kind.words}, not {facts[name]!r}: give such a one")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _several(one: Callable[[Any], bool], words: str) -> Kind:
    def holds(value: Any) -> bool:
        return isinstance(value, Sequence) and not isinstance(value, str | bytes) and all(map(one, value))

    return Kind(holds, words)


def _or_none(one: Callable[[Any], bool], words: str) -> Kind:
    return Kind(lambda value: value is None or one(value), f"{words}, or None")


_TEXT = Kind(_is_text, "a text")
KINDS = {
    **dict.fromkeys(("name", "title", "summary", "source", "citation", "licence", "weights"), _TEXT),
    "axes": _or_none(_is_text, "a text such as 'yx'"),
    "channels": Kind(_is_whole, "a whole number such as 3"),
    "channel_names": _several(_is_text, "a list of texts such as ('red', 'green')"),
    "kind": _or_none(_is_text, "a text such as 'classes'"),
    "classes": _several(_is_text, "a list of texts such as ('background', 'cell')"),
    "colors": _several(_is_text, "a list of texts such as ('#009E73', '#CC79A7')"),
    "probabilities": _or_none(lambda value: isinstance(value, bool), "True or False"),
    "threshold": Kind(_is_number, "a number such as 0.5"),
    "background": _or_none(_is_whole, "a whole number such as 0"),
    "pixel_size": _or_none(_is_number, "a number of micrometres such as 0.65"),
    "output": _or_none(lambda value: _is_text(value) or _is_whole(value), "a name or a position such as 0"),
    "halo": _several(_is_whole, "a list of whole numbers such as (32, 32)"),
    "minimum": _several(_is_whole, "a list of whole numbers such as (64, 64)"),
    "step": _several(_is_whole, "a list of whole numbers such as (16, 16)"),
    "notes": _several(_is_text, "a list of texts"),
    "architecture": Kind(lambda value: isinstance(value, Mapping), "a table of names"),
    "trust_code": Kind(lambda value: isinstance(value, bool), "True or False"),
}
