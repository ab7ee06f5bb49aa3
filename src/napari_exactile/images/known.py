"""Facts about arrays of any kind, kept for as long as the arrays live."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

Fact = TypeVar("Fact")


class KnownOf(Generic[Fact]):
    """What is known of arrays, which need not be hashable nor take attributes.

    >>> import numpy as np
    >>> names, array = KnownOf(), np.zeros(3)
    >>> names.keep(array, "zeros")
    >>> names.of(array), names.of(np.zeros(3))
    ('zeros', None)
    """

    def __init__(self) -> None:
        self._facts: dict[int, Fact] = {}

    def keep(self, array: Any, fact: Fact) -> None:
        """Know this of an array from now on."""
        if id(array) not in self._facts:
            weakref.finalize(array, self._facts.pop, id(array), None)
        self._facts[id(array)] = fact

    def of(self, array: Any) -> Fact | None:
        """Return what is known of an array."""
        return self._facts.get(id(array))
