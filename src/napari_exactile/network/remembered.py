"""What was found out about networks, remembered as long as each lives and is what it was."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from torch import nn

from napari_exactile.network.likeness import likeness

MOST = 8  # questions that are remembered of each network: sizes of images, say

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What was found of a network as it was, the last question last."""

    likeness: object
    answers: dict[Hashable, Any] = field(default_factory=dict)


_known: WeakKeyDictionary[nn.Module, _Known] = WeakKeyDictionary()
_lock = Lock()


def remembered(module: nn.Module, question: Hashable, find: Callable[[], Found]) -> Found:
    """Return what `find` gives, or gave to this question when the network was just as it is now.

    It must not hold on to the network, which would never go away. Threads that ask at once may find it twice.
    """
    now = likeness(module)
    if now is None:
        return find()
    with _lock:
        if module not in _known or _known[module].likeness != now:
            _known[module] = _Known(now)
        answers = _known[module].answers
        if question in answers:
            answers[question] = found = answers.pop(question)
            return found  # type: ignore[no-any-return]
    made = find()
    with _lock:
        answers[question] = made
        while len(answers) > MOST:
            del answers[next(iter(answers))]
    return made
