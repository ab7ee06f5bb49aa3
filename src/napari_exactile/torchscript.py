"""TorchScript, in one place: torch is giving it up, and all that is no TorchScript works without it.

Networks from files are not trusted: each is loaded, and run on every size of image, in another process first.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, TypeGuard
from uuid import uuid4
from weakref import WeakKeyDictionary

import torch
from torch import nn

from napari_exactile import apart
from napari_exactile.apart import TrialError, tried

KEPT_BYTES = 512 << 20  # what the other process keeps in memory, to be tried again

_jit: Any = getattr(torch, "jit", None)
_Script: Any = getattr(_jit, "ScriptModule", None)
_compiler: Any = torch._C


@dataclass(slots=True)
class _Origin:
    """What the other process calls a network from a file, whether it has loops, and what was tried there."""

    key: str
    loops: bool
    tried: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)
    failure: TrialError | None = None


_from_files: WeakKeyDictionary[nn.Module, _Origin] = WeakKeyDictionary()
_kept: dict[str, nn.Module] = {}  # in the other process: the last network


class NoTorchScriptError(RuntimeError):
    """This version of torch has no TorchScript any more."""


def is_script(module: object) -> TypeGuard[nn.Module]:
    """Return whether a network is TorchScript."""
    return _Script is not None and isinstance(module, _Script)


def load(path: Path) -> tuple[nn.Module, frozenset[str]]:
    """Return the network in a file, on the CPU, and the full names of all operators that are in it.

    These are of everything that was compiled: functions, methods of modules and of other objects, hooks, and
    graphs in attributes of nodes, which forks, awaitables and closures call. It is loaded in another process
    first. Raises TrialError where it does not come through, and whatever torch raises for a damaged file and
    for graphs that cannot be walked.
    """
    key = uuid4().hex
    if apart.POSSIBLE:
        tried(f"{__name__}:_keep", key, str(path))
    module, unit = _loaded(path)
    kinds = _kinds_in(unit)
    if apart.POSSIBLE:
        _from_files[module] = _Origin(key, "prim::Loop" in kinds)
    return module, kinds


def _loaded(path: Path) -> tuple[nn.Module, Any]:
    """Do what torch.jit.load does, and keep the functions that it compiles."""
    if _jit is None or not hasattr(_compiler, "import_ir_module"):
        raise NoTorchScriptError(
            "this version of torch has no TorchScript; where it was made, save it with torch.export.save"
        )
    unit = _compiler.CompilationUnit()
    loaded = _compiler.import_ir_module(unit, os.fspath(path), torch.device("cpu"), {}, False)
    return _jit._recursive.wrap_cpp_module(loaded), unit


def _kinds_in(unit: Any) -> frozenset[str]:
    kinds: set[str] = set()
    walked = 0
    while walked < len(functions := unit.get_functions()):  # a graph may be compiled when it is asked for
        graphs = [function.graph for function in functions[walked:]]
        walked = len(functions)
        while graphs:
            graphs.extend(_inner(graphs.pop(), kinds))
    return frozenset(kinds)


def _inner(block: Any, kinds: set[str]) -> Iterator[Any]:
    """Note the operators of a block and yield the blocks and graphs in it."""
    for node in block.nodes():
        kinds.add(node.kind())
        if node.kind() == "prim::CreateObject" and ".torch.classes." in node.output().type().annotation_str:
            kinds.add("torch.classes")
        yield from node.blocks()
        for name in node.attributeNames():
            match node.kindOf(name):
                case "g":
                    yield node.g(name)
                case "gs":
                    yield from node.gs(name)


def try_on(module: nn.Module, function: str, shape: tuple[int, ...], loops_only: bool = False) -> None:
    """Call "package.module:function" with a network from a file and a shape in another process first, once.

    Other networks are not tried; with `loops_only`, neither are those without loops. Raises TrialError, a
    sentence, where it does not end well there, and then for every shape: the next would take as long.
    """
    origin = _from_files.get(module)
    if origin is None or (function, shape) in origin.tried or (loops_only and not origin.loops):
        return
    try:
        if origin.failure is None:
            _try(module, origin, function, shape)
            origin.tried.add((function, shape))
    except TrialError as error:
        image = " x ".join(map(str, shape[2:]))
        origin.failure = TrialError(f"tried on an image of {image} px in a process of its own, it {error}")
    if origin.failure is not None:
        raise origin.failure


def answer_of(module: nn.Module, function: str, shape: tuple[int, ...]) -> Any:
    """Return what "package.module:function" returns for a network and a shape: in plain values.

    It is called in another process for a network from a file, and raises TrialError where it does not end
    well there; None where it raised.
    """
    origin = _from_files.get(module)
    if origin is None:
        return _called(module, function, shape)
    return _try(module, origin, function, shape)


def _try(module: nn.Module, origin: _Origin, function: str, shape: tuple[int, ...]) -> Any:
    answers = tried(f"{__name__}:_call", origin.key, "", function, shape)
    if not answers:
        with tempfile.TemporaryDirectory(prefix="exactile-") as folder:
            path = Path(folder) / "network.pt"
            _jit.save(module, path)
            answers = tried(f"{__name__}:_call", origin.key, str(path), function, shape)
    return answers[0] if answers else None


def moved(module: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy of a network on a device: only loading moves frozen weights, parts of the program."""
    file = BytesIO()
    _jit.save(module, file)
    file.seek(0)
    copy: nn.Module = _jit.load(file, map_location=device)
    if origin := _from_files.get(module):
        _from_files[copy] = origin
    return copy


@contextmanager
def unfused() -> Iterator[None]:
    """Run TorchScript operator by operator: optimised, it may fuse some into ones that have no rule."""
    with _jit.optimized_execution(False):
        yield


def constants(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the weights that freezing has moved into the graph; once saved, they have no names."""
    graph: Any = module.graph
    for node in graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            name = node.output().debugName()
            yield name.removeprefix("self.") if name.startswith("self.") else "", node.t("value")


def written_sizes(module: nn.Module) -> Iterator[tuple[int, ...]]:
    """Yield the lists of whole numbers in a graph, and then each number that stands there by itself."""
    graph: Any = module.inlined_graph
    lists = ([one.toIValue() for one in node.inputs()] for node in graph.findAllNodes("prim::ListConstruct"))
    single = [node.output().toIValue() for node in graph.findAllNodes("prim::Constant")]
    for found in (*lists, *(one for one in single if isinstance(one, list)), *([one] for one in single)):
        # What is not known before it runs is None; a truth value is a number, too.
        if found and all(type(one) is int for one in found):
            yield tuple(found)


def _keep(key: str, path: str) -> None:
    """In the other process: load a network, and keep it where it is not too large."""
    _kept.clear()
    module, _unit = _loaded(Path(path))
    if os.stat(path).st_size <= KEPT_BYTES:
        _kept[key] = module


def _call(key: str, path: str, function: str, shape: list[int]) -> list[Any]:
    """In the other process: call a function with a network; return its answer, [] without the network."""
    module = _kept.get(key) or (_loaded(Path(path))[0] if path else None)
    if module is None:
        return []
    try:
        answer = _called(module.eval(), function, tuple(shape))
    except Exception:  # it will be raised where it was asked for, too
        return [None]
    return [answer if isinstance(answer, str) else None]


def _called(module: nn.Module, function: str, shape: tuple[int, ...]) -> Any:
    name, _, attribute = function.partition(":")
    return getattr(import_module(name), attribute)(module, shape)
