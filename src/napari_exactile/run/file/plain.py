"""Values of settings as files have them: lists for boxes, tables for steps, and nothing for None."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import msgspec

from napari_exactile.geometry.interval import sides_of
from napari_exactile.images.normalize.steps import Clip, Step

# Where steps stand, of settings and of facts about a model.
STEPS = ("normalization", "postprocessing")
BYTES = ("memory_limit", "scratch_limit")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as TOML can hold them; what is None is left out.

    >>> plain({"region": None, "tile": 512, "normalization": (Clip(0, None),)})
    {'tile': 512, 'normalization': [{'step': 'Clip', 'low': 0}]}
    """
    return {name: _plain(name, value) for name, value in values.items() if value is not None}


def _plain(name: str, value: Any) -> Any:
    if name == "region":
        return [list(side) for side in sides_of(value)]
    if name in STEPS and not isinstance(value, str):
        return [_without_none(msgspec.to_builtins(step)) for step in value]
    return msgspec.to_builtins(value) if not isinstance(value, tuple) else list(value)


def _without_none(step: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in step.items() if value is not None}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in known.items()}


def meant(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what values of a file mean; raises ValueError for steps and bytes that are none.

    >>> meant({"ignore": "nan", "normalization": [{"step": "Clip", "low": 0}]})
    {'ignore': nan, 'normalization': (Clip(low=0, high=None),)}
    """
    return {name: _meant(name, value) for name, value in content.items()}


def _meant(name: str, value: Any) -> Any:
    if name == "ignore" and value == "nan":  # JSON has no NaN
        return nan
    if name in STEPS and isinstance(value, list):
        return tuple(_step(name, one) for one in value)
    if name in BYTES and isinstance(value, str):
        return bytes_of(name, value)
    return value


def bytes_of(what: str, text: str) -> int:
    """Return the bytes that a text means; raises ValueError for what means none.

    >>> bytes_of("--memory-limit", "2GB"), bytes_of("--memory-limit", "1 KiB")
    (2000000000, 1024)
    """
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(text.strip() or "nothing"))
    except (ValueError, OverflowError):
        raise ValueError(f"{what} takes bytes such as 2GB, not {text!r}") from None


def _step(name: str, content: Any) -> Step:
    whole = {"low": None, "high": None} | content if _is_clip(content) else content
    try:
        step: Step = msgspec.convert(whole, Step)
    except (msgspec.ValidationError, ValueError) as error:
        words = f'{name} is a text such as "z-score", or a list of steps such as {{ step = "ZScore" }}'
        raise ValueError(f"{words}, not {content!r}") from error
    return step


def _is_clip(content: Any) -> bool:
    return isinstance(content, dict) and content.get("step") == Clip.__name__


def in_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same for JSON, which has no NaN."""
    return {name: "nan" if value != value else value for name, value in content.items()}  # noqa: PLR0124
