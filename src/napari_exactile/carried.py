"""Errors that come through pickle as they were, from workers in other processes for instance."""

from __future__ import annotations

from typing import Any


class Carried(Exception):  # noqa: N818  (what it is mixed into says what kind of error it is)
    """Mixed into errors whose constructor makes their words: pickle would call it with the words."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[Carried], args: tuple[Any, ...], facts: dict[str, Any]) -> Carried:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(facts)
    return error
