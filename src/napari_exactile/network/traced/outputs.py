"""Which of the tensors that a network returns is the one to segment by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch

from napari_exactile.geometry.words import times
from napari_exactile.network.traced.graph import NotExactError, Refusal

# The name of an output, or its position among several; None where the network leaves no doubt.
Output = int | str | None

# What torchvision calls the scores, beside those of auxiliary heads.
USUAL_NAME = "out"


class WrongSizeError(ValueError):
    """Raised where a network does not give one score for each pixel of a tile."""


def pick(result: Any, output: Output, image: torch.Tensor) -> torch.Tensor:
    """Return the tensor called `output` of what a network returns for `image`.

    Tensors are called by their position in tuples and lists, by their key in dicts and their field in data
    classes ("heads.0" inside one another). With None it is the only one; of several, "out" or the first, and
    those that have the size of the image go before others. Raises NotExactError, naming what there is.
    """
    named = dict(_named(result))
    if output is not None:
        return _called(str(output), named)
    alike = {name: tensor for name, tensor in named.items() if tensor.shape[2:] == image.shape[2:]}
    candidates = alike or (named if len(named) == 1 else {})
    if not candidates:
        reason = f"none of the network's outputs has the size of the image: {_listed(named)}"
        remedy = "Name the one to segment by, as in load_model(network, output=...)" if named else ""
        raise no_output(
            reason if named else f"the network returns {_kind(result)} instead of a tensor", remedy
        )
    return candidates.get(USUAL_NAME, next(iter(candidates.values())))


def check_size(scores: torch.Tensor, tile: torch.Tensor) -> None:
    """Raise WrongSizeError for an output that has not the size of the tile that was given to the network."""
    if scores.shape[2:] != tile.shape[2:] or scores.ndim != tile.ndim:
        given, result = (times(shape) for shape in (tile.shape[2:], scores.shape))
        raise WrongSizeError(
            f"a tile of {given} px gives an output of shape {result}, which has not the size of the tile: "
            "choose a network that gives a label for each pixel"
        )


def no_output(reason: str, remedy: str = "") -> NotExactError:
    """Return the error that says why a network's output cannot be used."""
    return NotExactError((Refusal("output", "", reason, remedy, final=True),))


def _called(name: str, named: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if name not in named:
        raise no_output(f"there is no output called {name!r}", f"The network has {_listed(named)}")
    return named[name]


def _named(result: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor in a result with its name."""
    if isinstance(result, torch.Tensor):
        yield name, result
        return
    for key, part in _parts(result):
        yield from _named(part, f"{name}.{key}" if name else str(key))


def _parts(result: Any) -> list[tuple[Any, Any]]:
    if isinstance(result, Mapping):
        return list(result.items())
    if is_dataclass(result):
        return [(field.name, getattr(result, field.name)) for field in fields(result)]
    if hasattr(result, "_asdict"):
        return list(result._asdict().items())
    return list(enumerate(result)) if isinstance(result, list | tuple) else []


def _listed(named: Mapping[str, torch.Tensor]) -> str:
    shapes = {name: times(tensor.shape) or "a number" for name, tensor in named.items()}
    return ", ".join(f"{name or 'one output'} ({shape})" for name, shape in shapes.items()) or "no outputs"


def _kind(result: Any) -> str:
    name = type(result).__name__
    return "nothing" if result is None else f"a {name}" + (" without tensors" if _parts(result) else "")
