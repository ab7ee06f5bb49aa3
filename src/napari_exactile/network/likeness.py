"""Whether a network is still what it was: all that its forward pass can read, told by value.

Tensors are told by where they lie and by a checksum: `p.data.mul_(2)` or numpy change one unseen. Attributes,
hooks and the code of people's own classes are followed to plain values, through the globals that they name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dis import get_instructions
from functools import cache, lru_cache, partial
from itertools import chain
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import nn
from torch.fx import GraphModule

from napari_exactile.network.traced.constants import distinct
from napari_exactile.torch_state import own_weights

OF_TORCH = (torch.dtype, torch.device, torch.memory_format, torch.layout)
PLAIN = (int, float, complex, str, bytes, np.generic, *OF_TORCH)
# What modules keep for training and for saving: no forward pass reads it.
UNREAD = {
    *("_backward_hooks", "_backward_pre_hooks", "_is_full_backward_hook", "_non_persistent_buffers_set"),
    *("_state_dict_hooks", "_state_dict_pre_hooks"),
    *("_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
}
# Whoever reads these looks at more than can be told.
OUTSIDE = {"globals", "locals", "vars", "eval", "exec", "open", "os", "environ", "time", "datetime", "random"}


class UnknownError(Exception):
    """There is something in a network of which nobody can tell whether it has changed."""


@own_weights()
def likeness(module: nn.Module) -> object:
    """Return what is equal as long as a network computes the same in the same memory; None: nobody knows.

    It holds on to no part of the network. Changes in the inside of installed libraries are not noticed.
    """
    hooks = nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks
    if isinstance(module, GraphModule):
        return None  # its steps can be edited one by one
    try:
        return _Teller().told([module, *hooks])
    except Exception:  # what people keep in their networks can raise anything when it is looked at
        return None


def checksum(tensor: torch.Tensor) -> int:
    """Return a checksum of a tensor's values."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.stride(0) != 1:  # a single element that was expanded counts as contiguous
        flat = flat.clone(memory_format=torch.contiguous_format)
    return crc32(flat.view(torch.uint8).numpy().data)


class _Teller:
    """Tells things by value; one that is met again is told by when it was met first."""

    def __init__(self) -> None:
        # Held, so that nothing else gets the same identity meanwhile.
        self._met: dict[int, tuple[int, Any]] = {}

    def told(self, thing: Any) -> object:
        """Return a value that is equal for equal things; raise UnknownError where there is none."""
        if thing is None or thing is ... or isinstance(thing, PLAIN):
            return type(thing), repr(thing)
        if id(thing) in self._met:
            return "met", self._met[id(thing)][0]
        self._met[id(thing)] = len(self._met), thing
        for kind, tell in _TELLERS.items():
            if isinstance(thing, kind):
                return tell(self, thing)
        raise UnknownError(type(thing).__name__)

    def each(self, things: Any) -> tuple[object, ...]:
        """Return what each of several things is."""
        return tuple(map(self.told, things))

    def tensor(self, one: torch.Tensor) -> object:
        """Tell a tensor by its place in memory, which a trace refers to, and its values."""
        # Of a network on a GPU a copy is traced, which would be kept with what is remembered.
        plain = one.layout == torch.strided and one.device.type == "cpu"
        if not plain or type(one) not in {torch.Tensor, nn.Parameter}:
            raise UnknownError(type(one).__name__)
        place = one.data_ptr(), one.storage_offset(), tuple(one.shape), one.stride()
        return one.dtype, place, checksum(distinct(one)) if one.numel() else 0, self.told(vars(one))

    def module(self, one: nn.Module) -> object:
        """Tell a part of a network by its class and attributes, which are weights, parts and hooks, too."""
        held = {name: value for name, value in vars(one).items() if name not in UNREAD}
        return self.told(type(one)), self.told(held)

    def mapping(self, one: dict[Any, Any]) -> object:
        """Tell a dictionary; its order is that of the parts of a network."""
        return type(one), self.each(chain.from_iterable(one.items()))

    def function(self, one: FunctionType) -> object:
        """Tell a function by its code, what it holds, and, where it is people's own, the globals it reads."""
        cells, known = [cell.cell_contents for cell in one.__closure__ or ()], one.__globals__
        names = () if is_installed(known.get("__name__")) else _globals_of(one.__code__) & known.keys()
        read = {name: known[name] for name in sorted(names)}
        return one.__code__, self.each((one.__defaults__, one.__kwdefaults__, cells, read, vars(one)))

    def builtin(self, one: BuiltinFunctionType) -> object:
        """Tell a function of C by its name, and by what it belongs to where that may change."""
        owner: Any = one.__self__
        return one.__qualname__, None if isinstance(owner, ModuleType | type) else self.told(owner)

    def kind(self, one: type) -> object:
        """Tell a class by its forward pass, and by all that is defined in it where it is people's own."""
        own = [base for base in one.__mro__ if not is_installed(base.__module__)]
        held = ((n, value) for base in own for n, value in vars(base).items() if _is_read(n, value))
        return one, self.told(getattr(one, "forward", None)), self.each(chain.from_iterable(held))

    def library(self, one: ModuleType) -> object:
        """Tell an installed library by its name."""
        if not is_installed(one.__name__):
            raise UnknownError(one.__name__)
        return one.__name__

    def array(self, one: np.ndarray[Any, Any]) -> object:
        """Tell an array of numbers by its values."""
        if one.dtype.hasobject:
            raise UnknownError(one.dtype.str)
        return one.dtype.str, one.shape, one.strides, crc32(np.ascontiguousarray(one).tobytes())


def _is_read(name: str, value: Any) -> bool:
    """Return whether a forward pass may read what a class defines; what Python notes there, none does."""
    return not (name.startswith("__") or name == "_abc_impl") or isinstance(value, FunctionType)


@cache
def is_installed(name: str | None) -> bool:
    """Return whether a module of Python's lies where libraries are installed, so that nobody edits it."""
    root = (name or "__main__").partition(".")[0]
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    ours = {*sys.stdlib_module_names, "torch", "napari_exactile"} - {"__main__"}
    return root in ours or "site-packages" in file or "dist-packages" in file


@lru_cache(4096)
def _globals_of(code: CodeType) -> frozenset[str]:
    """Return the names of the globals that a function reads, and those that are defined in it."""
    inner = (_globals_of(one) for one in code.co_consts if isinstance(one, CodeType))
    steps = [(step.opname, str(step.argval)) for step in get_instructions(code)]
    read = {name for kind, name in steps if kind in {"LOAD_GLOBAL", "LOAD_NAME"}}
    imported = {name for kind, name in steps if kind == "IMPORT_NAME"}
    if OUTSIDE & (read | imported) or not all(map(is_installed, imported)):
        raise UnknownError(code.co_name)
    return frozenset(read).union(*inner)


_TELLERS: dict[Any, Callable[[_Teller, Any], object]] = {
    torch.Tensor: _Teller.tensor,
    nn.Module: _Teller.module,
    dict: _Teller.mapping,
    list | tuple | set | frozenset: lambda teller, one: (type(one), teller.each(one)),
    FunctionType: _Teller.function,
    MethodType: lambda teller, one: teller.each((one.__func__, one.__self__)),
    BuiltinFunctionType: _Teller.builtin,
    type: _Teller.kind,
    ModuleType: _Teller.library,
    partial: lambda teller, one: teller.each((one.func, one.args, one.keywords)),
    property: lambda teller, one: teller.each((one.fget, one.fset)),
    staticmethod | classmethod: lambda teller, one: teller.told(one.__func__),
    np.ndarray: _Teller.array,
}
