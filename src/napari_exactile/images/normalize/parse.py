"""How pixels become what a network takes, as people write it: names, and steps in words."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import msgspec

from napari_exactile.images.normalize.steps import Affine, Clip, Fill, Percentiles, PerChannel, Step, ZScore

NAMED: dict[str, tuple[Step, ...]] = {
    "z-score": (ZScore(),),
    "min-max": (Percentiles(),),
    "percentile": (Percentiles(1.0, 99.8),),
    "none": (),
}
"""Choices that go by a name."""


def steps_of(choice: str | Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps of a text (see `parse_steps`), or the steps themselves; ValueError for others."""
    if isinstance(choice, str):
        return parse_steps(choice)
    if not hasattr(choice, "__iter__") or not all(isinstance(step, Step) for step in choice):
        raise ValueError(f"normalization is a name or a sequence of steps such as ZScore(), not {choice!r}")
    return tuple(choice)


def parse_steps(text: str) -> tuple[Step, ...]:
    """Return the steps that a text means, in order; they are separated by ";" or "|".

    "z-score", "min-max", "percentile" (1 to 99.8), "percentile LOW HIGH", each also after "joint", then
    "fixed MEAN STD" (one number, or one for each channel: "fixed 120,80 35,20"), "clip LOW HIGH" and "none".
    "nan VALUE" comes first, and puts a value in place of NaN. Raises ValueError for anything else.
    """
    parts = [part.split() for part in text.replace("|", ";").split(";")]
    steps = tuple(step for words in parts for step in _parsed(words, text))
    if any(isinstance(step, Fill) for step in steps[1:]):
        raise ValueError(f"say what NaN becomes first, as in 'nan 0; z-score', not {text!r}")
    return steps


def _parsed(words: list[str], text: str) -> tuple[Step, ...]:
    try:
        match words:
            case ["joint", *rest]:
                return tuple(_joint(step) for step in _parsed(rest, text))
            case ["percentile", low, high]:
                return (Percentiles(_finite(low), _finite(high)),)
            case ["fixed", mean, std]:
                return (Affine(_numbers(mean), _numbers(std)),)
            case ["nan", value]:
                return (Fill(_numbers(value)),)
            case ["clip", low, high]:
                return (Clip(_finite(low), _finite(high)),)
            case [name]:
                return NAMED[name]
    except KeyError:
        pass
    known = f"model, {', '.join(NAMED)}"
    raise ValueError(f"normalization is one of {known}, or steps such as fixed 120 35, not {text!r}")


def _joint(step: Step) -> Step:
    if not isinstance(step, ZScore | Percentiles):
        raise ValueError("only what is measured can be joint: z-score, min-max or percentile")
    return msgspec.structs.replace(step, joint=True)


def _numbers(text: str) -> PerChannel:
    return tuple(_finite(number) for number in text.split(","))


def _finite(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = inf
    if not isfinite(number):
        raise ValueError(f"normalization takes numbers such as 120 or 0.5, not {text!r}")
    return number
