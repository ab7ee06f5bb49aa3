"""Follow the calls of a network's modules in this thread, without changing the network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


def _nothing(_path: str) -> None:
    pass


@contextmanager
def module_calls(
    root: nn.Module, enter: Callable[[str], None], leave: Callable[[str], None] = _nothing
) -> Iterator[None]:
    """Call `enter(path)` before and `leave(path)` after each submodule of `root` runs in this thread.

    What they raise stops the network. Uses torch's global hooks: hooks on the modules themselves would be
    seen by whoever else uses the network at the same time.
    """
    names = {id(module): name for name, module in root.named_modules()}
    thread = threading.get_ident()

    def tell(listener: Callable[[str], None], module: nn.Module) -> None:
        if threading.get_ident() == thread and id(module) in names:
            listener(names[id(module)])

    def before(module: nn.Module, _args: Any) -> None:
        tell(enter, module)

    def after(module: nn.Module, _args: Any, _result: Any) -> None:
        tell(leave, module)

    hooks = (
        nn.modules.module.register_module_forward_pre_hook(before),
        nn.modules.module.register_module_forward_hook(after),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
