"""Networks for files that hold weights alone: which built-in one they fit, and with what parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from napari_exactile.geometry.words import joined
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet
from napari_exactile.models.ways_out import WHOLE

State = Mapping[str, Tensor]


class NoArchitectureError(ValueError):
    """Weights that fit no network that is built in; the sentence says what they are."""


def network_of(state: State, architecture: str | None = None, **parameters: Any) -> nn.Module:
    """Return the built-in network with these weights, in evaluation mode.

    `architecture` is unet or fc-densenet, None to find out; `parameters` are those of its class, found out
    from the shapes where they are not given. The result is logits unless `softmax` is given. Raises
    NoArchitectureError where the weights do not fit.
    """
    if architecture is not None and architecture not in ARCHITECTURES:
        known = " or ".join(ARCHITECTURES)
        raise NoArchitectureError(f"there is no architecture {architecture!r}: name {known}")
    for name in ARCHITECTURES if architecture is None else (architecture,):
        make, infer = ARCHITECTURES[name]
        try:
            found = infer(state)
        except (KeyError, IndexError, ValueError):
            found = {}
        if found or architecture:
            return _filled(name, make, {"softmax": False, **found, **parameters}, state)
    raise NoArchitectureError(f"its weights fit no built-in network ({described(state)}): {WHOLE}")


def described(state: State) -> str:
    """Return how many tensors there are and the first names."""
    names = ", ".join(list(state)[:3])
    return f"tensors: {len(state)}, {names}{', ...' if len(state) > 3 else ''}"


def _filled(name: str, make: Callable[..., nn.Module], parameters: dict[str, Any], state: State) -> nn.Module:
    known = list(signature(make).parameters)
    if others := [one for one in parameters if one not in known]:
        raise NoArchitectureError(
            f"no {name} has a parameter called {others[0]}: choose from {joined(known, len(known))}"
        )
    try:
        # On no device: nothing is reserved for parameters that do not fit.
        with torch.device("meta"):
            module = make(**parameters)
    except ValueError as error:
        raise NoArchitectureError(f"no {name} has these parameters: {error}") from error
    except (TypeError, RuntimeError, OverflowError) as error:
        raise NoArchitectureError(
            f"no {name} can be made{_written(parameters)}: give whole numbers that fit together"
        ) from error
    # Counters of training steps are often left out: evaluation does not use them.
    counters = [key for key in module.state_dict() if key.endswith("num_batches_tracked")]
    complete = {key: torch.zeros((), dtype=torch.long) for key in counters} | dict(state)
    try:
        module.load_state_dict(complete, assign=True)
    except (RuntimeError, TypeError) as error:
        sentence = (
            f"its weights ({described(state)}) do not fit the architecture {name}{_written(parameters)}"
        )
        raise NoArchitectureError(f"{sentence}: {WHOLE}") from error
    return module.eval().requires_grad_(False)


def _unet(state: State) -> dict[str, Any]:
    first = state["encoder.0.0.weight"]
    return {
        "levels": _count(state, r"encoder\.(\d+)\.") - 1,
        "convolutions": sum(_is_kernel(name, tensor, "encoder.0.") for name, tensor in state.items()),
        "kernel": first.shape[2],
        "base": first.shape[0],
        "in_channels": first.shape[1],
        "classes": state["logits.0.weight"].shape[0],
    }


def _densenet(state: State) -> dict[str, Any]:
    first = state["first.weight"]
    down = _count(state, r"encoder\.(\d+)\.layers")
    return {
        "growth": state["encoder.0.layers.0.2.weight"].shape[0],
        "blocks": tuple(_count(state, rf"encoder\.{block}\.layers\.(\d+)\.") for block in range(down)),
        "bottleneck": _count(state, r"bottleneck\.layers\.(\d+)\."),
        "base": first.shape[0],
        "kernel": first.shape[2],
        "in_channels": first.shape[1],
        "classes": state["logits.weight"].shape[0],
    }


def _count(state: State, pattern: str) -> int:
    return len({found[1] for name in state if (found := re.match(pattern, name))})


def _is_kernel(name: str, tensor: Tensor, prefix: str) -> bool:
    return name.startswith(prefix) and name.endswith(".weight") and tensor.ndim == 4


def _written(parameters: Mapping[str, Any]) -> str:
    written = ", ".join(f"{name} {value}" for name, value in parameters.items() if name != "softmax")
    return f" with {written}" if written else ""


ARCHITECTURES: dict[str, tuple[Callable[..., nn.Module], Callable[[State], dict[str, Any]]]] = {
    "unet": (UNet, _unet),
    "fc-densenet": (FCDenseNet, _densenet),
}
