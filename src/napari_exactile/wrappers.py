"""What torch wraps networks in, to train or to compile them: the network is what is inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from torch import nn

# By their names, since not every torch has all of them.
_WRAPPERS = {"DataParallel", "DistributedDataParallel", "AveragedModel", "OptimizedModule"}
_PREFIXES = ("module.", "_orig_mod.")
_HOLDERS = _WRAPPERS | {"Sequential"}


Held = TypeVar("Held")


def network_inside(module: nn.Module) -> nn.Module:
    """Return the network that a module of torch's only hands images to; the module itself if it is none.

    torch.compile gives results other last bits for every shape, and DataParallel shares out a batch of one.
    """
    while _is_of_torch(module, _WRAPPERS):
        inside: Any = getattr(module, "_orig_mod", getattr(module, "module", None))
        if not isinstance(inside, nn.Module):
            break
        module = inside
    return module


def names_inside(state: Mapping[str, Held]) -> dict[str, Held]:
    """Return what is held by names without what wrappers have put in front of all of them.

    >>> names_inside({"module._orig_mod.weight": 1, "n_averaged": 2}), names_inside({"module.a": 1, "b": 2})
    ({'weight': 1}, {'module.a': 1, 'b': 2})
    """
    own = {name: held for name, held in state.items() if name != "n_averaged"}
    for prefix in _PREFIXES:
        if own and all(name.startswith(prefix) for name in own):
            return names_inside({name.removeprefix(prefix): held for name, held in own.items()})
    return dict(state)


def deciding(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the parts whose mode decides whether a network is in training.

    What only hands images to its parts has a switch that means nothing, and so have activations and the like
    beside a network: softmax, say, that is put behind one that was put into evaluation mode.
    """
    if not is_holder(module) or not module.training:
        yield module
        return
    for part in module.children():
        yield from (one for one in deciding(part) if not is_indifferent(one))


def is_holder(module: nn.Module) -> bool:
    """Return whether a module of torch's only hands images to the modules in it."""
    return _is_of_torch(module, _HOLDERS)


def is_indifferent(module: nn.Module) -> bool:
    """Return whether a module of torch computes the same in training and has nothing to train."""
    chance = nn.modules.dropout._DropoutNd, nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d
    own = type(module).__module__.startswith("torch.nn.modules.") and not isinstance(module, chance)
    return own and not any(module.children()) and not module.state_dict() and not _is_norm(module)


def _is_norm(module: nn.Module) -> bool:
    norms = nn.modules.batchnorm._NormBase, nn.modules.instancenorm._InstanceNorm
    return isinstance(module, norms)


def _is_of_torch(module: nn.Module, names: set[str]) -> bool:
    kind = type(module)
    return kind.__name__ in names and kind.__module__.startswith("torch.")
