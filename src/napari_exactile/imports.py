"""What torch imports on its way, where that ends the process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_lock = Lock()
_inside = 0


@contextmanager
def without_triton() -> Iterator[None]:
    """Let torch find no triton as long as this lasts, unless it has been imported before.

    What traces networks and what reads exported ones look whether triton is there by importing it. Its
    library holds an LLVM of its own, and where Mesa's drivers have loaded theirs, as for napari's window on
    Linux without NVIDIA's OpenGL, the process ends with a segmentation fault. Nothing here compiles.
    Afterwards, torch finds it again; but what it has imported meanwhile keeps its answer. May be entered by
    several threads at once.
    """
    global _inside  # noqa: PLW0603  (one for the process, as what it changes is)
    modules: dict[str, Any] = sys.modules
    with _lock:
        _inside += 1
        modules.setdefault("triton", None)  # how Python notes that there is no such module
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and modules.get("triton", ...) is None:
                del modules["triton"]
                _ask_anew(modules.get("torch.utils._triton"))


def _ask_anew(answers: Any) -> None:
    for name in ("has_triton_package", "has_triton"):
        getattr(getattr(answers, name, None), "cache_clear", lambda: None)()
