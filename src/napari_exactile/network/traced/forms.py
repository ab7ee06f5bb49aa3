"""The forms that networks come in (eager, TorchScript, exported): how to run each, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves

from napari_exactile import torchscript
from napari_exactile.apart import TrialError
from napari_exactile.network.traced.graph import NotExactError, Refusal
from napari_exactile.network.traced.hooks import module_calls
from napari_exactile.torchscript import is_script
from napari_exactile.wrappers import is_holder, is_indifferent

TRACED = "napari_exactile.network.traced.trace:trace"
ENDLESS = "Save it as an exported program (torch.export.save), which has no loops and is checked more closely"


class Places:
    """Knows the path of the module that is running, as well as the form of the network lets it be known.

    Eager: the innermost module that was called. Exported: what the program says of each step. TorchScript
    runs its modules unseen: there a place is that of the weights that an operator reads, or "after" the last.
    """

    def __init__(self, module: nn.Module) -> None:
        self._stack: list[str] = []
        self._owners = _owners(module) if is_script(module) else {}
        self._owner, self._reads_it = "", False

    @property
    def current(self) -> str:
        """The place of the operator that runs now."""
        if self._stack:
            return self._stack[-1]
        return self._owner if self._reads_it or not self._owner else f"after {self._owner}"

    def enter(self, path: str) -> None:
        """Note that a module begins."""
        self._stack.append(path)

    def leave(self, _path: str) -> None:
        """Note that the innermost module is done."""
        self._stack.pop()

    def read(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note what the next operator reads, which in TorchScript tells whose it is."""
        if self._owners:
            owner = next((name for tensor in tensors if (name := self._owners.get(storage(tensor)))), "")
            self._owner, self._reads_it = owner or self._owner, bool(owner)


@contextmanager
def followed(module: nn.Module, places: Places) -> Iterator[Callable[[torch.Tensor], Any]]:
    """Yield what runs the unchanged network in this thread and tells `places` where it is."""
    if isinstance(module, fx.GraphModule):
        yield _StepByStep(module, places).run
    elif is_script(module):
        with torchscript.unfused():
            yield module.forward
    else:
        with module_calls(module, places.enter, places.leave):
            yield module.forward


def on_device(module: nn.Module, device: torch.device) -> nn.Module:
    """Return the network with all its tensors on a device: itself where they are there, otherwise a copy.

    Weights of TorchScript keep their order in memory: for the last bits, that of the image decides.
    """
    elsewhere = [tensor for tensor in _tensors(module) if tensor.device.type != device.type]
    if not elsewhere:
        return module
    if is_script(module):
        return torchscript.moved(module, device)
    # What the copy finds here, it takes instead of making a second one where the first is.
    there = {id(tensor): _moved(tensor, device) for tensor in elsewhere}
    return deepcopy(module, there)


def _moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    moved = tensor.detach().to(device)
    return nn.Parameter(moved, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else moved


def require_end(
    module: nn.Module, shape: tuple[int, ...], function: str = TRACED, loops_only: bool = False
) -> None:
    """Raise NotExactError where a network from a file, in another process, does not come to a good end."""
    try:
        torchscript.try_on(module, function, shape, loops_only)
    except TrialError as error:
        raise NotExactError((Refusal("model", "", str(error), ENDLESS),)) from error


def unfused(module: nn.Module) -> Callable[[torch.Tensor], Any]:
    """Return what runs a TorchScript network operator by operator, once it is known to come to an end."""

    def run(image: torch.Tensor) -> Any:
        require_end(module, tuple(image.shape))
        with torchscript.unfused():
            return module(image)

    return run


def weights(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the parameters and buffers of a network with their names; freezing may have lost them."""
    yield from module.named_parameters()
    yield from module.named_buffers()
    if is_script(module):
        yield from torchscript.constants(module)


def unregistered(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors that a network holds as plain attributes, or in lists and dicts, with their names."""
    for path, part in module.named_modules():
        for name, held in vars(part).items():
            for number, leaf in enumerate(() if name in _REGISTERED else tree_leaves(held)):
                if isinstance(leaf, torch.Tensor):
                    yield f"{path}.{name}".lstrip(".") + ("" if leaf is held else f"[{number}]"), leaf


# Where a module keeps its parameters, buffers and parts.
_REGISTERED = {"_parameters", "_buffers", "_modules"}


def in_training(module: nn.Module) -> bool:
    """Return whether any part is in training mode that computes otherwise in it, or may.

    Exported programs have a switch that means nothing, as what only holds other modules has.
    """
    parts = () if isinstance(module, fx.GraphModule) else module.modules()
    training = (part for part in parts if getattr(part, "training", False))
    return any(not is_holder(part) and not is_indifferent(part) for part in training)


def storage(tensor: torch.Tensor) -> int:
    """Return what tells whether two tensors share their memory."""
    return int(tensor.untyped_storage()._cdata)


def own_storages(module: nn.Module) -> set[int]:
    """Return the storages of all tensors that a network holds."""
    return set(map(storage, _tensors(module)))


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    """Return all tensors that a network holds, whether it has registered them or not."""
    held = tree_leaves([dict(vars(part)) for part in module.modules()])
    tensors = [*(tensor for _name, tensor in weights(module)), *held]
    return [tensor for tensor in tensors if isinstance(tensor, torch.Tensor)]


class _StepByStep(fx.Interpreter):
    """Runs a network that is a list of steps, and tells the place of each."""

    def __init__(self, module: fx.GraphModule, places: Places) -> None:
        super().__init__(module)
        self._places = places
        self.extra_traceback = False  # it would be added to the sentence of a refusal

    def run_node(self, n: fx.Node) -> Any:
        """Run one step."""
        path = _place(n)
        self._places.enter(path)
        try:
            return super().run_node(n)
        finally:
            self._places.leave(path)


def _place(step: fx.Node) -> str:
    """Return the module of a step: that of the innermost call, which an export writes down."""
    stack = step.meta.get("nn_module_stack")
    if not stack:
        return str(step.target) if step.op == "call_module" else ""
    path = str(list(stack.values())[-1][0])
    # An export in strict mode writes L['self'].down[0] or L__self___down_0 where others write down.0.
    return path.replace("L['self']", "").replace("[", ".").replace("]", "").replace("'", "").strip(".")


def _owners(module: nn.Module) -> dict[int, str]:
    """Return, for the storage of every weight, the path of the module that it belongs to."""
    owners = ((storage(tensor), name.rpartition(".")[0]) for name, tensor in weights(module))
    return {key: owner for key, owner in owners if owner}
