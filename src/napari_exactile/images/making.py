"""What is made in steps: a generator yields how far it is, and returns what it has made."""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, TypeVar

Told = TypeVar("Told")
Made = TypeVar("Made")


class Making(Generic[Told, Made]):
    """Iterates over the steps of a generator once; after the last one, `made` is what it has returned.

    There is no `made` before. Whoever can pass the steps on as they are writes `yield from` instead.

    >>> def squared(number):
    ...     yield "half done"
    ...     return number**2
    >>> making = Making(squared(3))
    >>> list(making), making.made
    (['half done'], 9)
    """

    made: Made

    def __init__(self, steps: Generator[Told, None, Made]) -> None:
        self._steps = steps

    def __iter__(self) -> Generator[Told, None, None]:
        if not hasattr(self, "made"):  # a generator that has ended would return None
            self.made = yield from self._steps

    def finished(self) -> Made:
        """Do all that is left, telling nobody, and return what is made."""
        for _step in self:
            pass
        return self.made
