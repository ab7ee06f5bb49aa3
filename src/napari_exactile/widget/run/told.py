"""What whoever starts runs is told of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """What is called when a run has `ended`, goes by other zones than `planned`, or labels were `edited`."""

    ended: Callable[[], None]
    planned: Callable[[], None]
    edited: Callable[[], None]

    @classmethod
    def nobody(cls) -> Told:
        """Return what tells nobody."""
        return cls(_nothing, _nothing, _nothing)


def _nothing() -> None:
    pass
