"""Whether an operator draws random numbers in the form in which it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

DRAWS = "it draws random numbers"
# What says how likely a value is dropped, and whether any is.
_CHANCES, _SWITCHES = ("dropout_p", "p", "dropout"), ("train", "training")


def is_random(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether an operator draws random numbers: many can, with a chance above 0, or in training only.

    Attention and dropout in evaluation mode are among those that could and do not.
    """
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return False
    schema = func._schema.arguments
    given = {one.name: one.default_value for one in schema if one.has_default_value()}
    given |= {one.name: value for one, value in zip(schema, args, strict=False)} | dict(kwargs)
    chances = [given[name] for name in _CHANCES if isinstance(given.get(name), int | float)]
    never = any(chance == 0 for chance in chances)
    return not never and not any(given.get(name) is False for name in _SWITCHES)
