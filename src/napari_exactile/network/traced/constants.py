"""Constants that a network makes in its forward pass: their distinct values, spread over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

# More elements than this are not held, unless they lie along a single axis.
LARGEST_CONSTANT = 1 << 20
LONGEST_CONSTANT = 1 << 23

_VALUES = {"zeros": 0, "ones": 1, "new_zeros": 0, "new_ones": 1, "empty": 0, "new_empty": 0}
_FILLED = {"full": "fill_value", "new_full": "fill_value"}

# A `clone`, too, only changes where values lie, but whoever asks for one may need them side by side.
_COPIES = ("_to_copy", "fill", "zero")


def is_fill(name: str) -> bool:
    """Return whether an operator makes a tensor of a single value; of `empty`, any values will do."""
    return name in _VALUES or name in _FILLED


def created(func: Any, args: Sequence[Any], kwargs: dict[str, Any], like: Any) -> Any:
    """Return what an operator makes from no tensor, or a tensor of a single value; `like` is a fake of it."""
    if not is_fill(func.__name__.split(".")[0]):
        require_holdable(like)
        return func(*args, **kwargs)
    return _filled(func, args, kwargs, like)


def _filled(func: Any, args: Sequence[Any], kwargs: dict[str, Any], like: torch.Tensor) -> torch.Tensor:
    name = func.__name__.split(".")[0]
    value = _VALUES.get(name, 0)
    if name in _FILLED:
        place = [argument.name for argument in func._schema.arguments].index(_FILLED[name])
        value = args[place] if place < len(args) else kwargs[_FILLED[name]]
    return torch.full((), value, dtype=like.dtype).expand(like.shape)


def computed(func: Any, args: Sequence[Any], kwargs: dict[str, Any], limit: int = LARGEST_CONSTANT) -> Any:
    """Compute an operator on constants, once for values that are spread over the image.

    Raises MemoryError, before anything is computed, where more elements than `limit` would come out.
    """
    name = func.__name__.split(".")[0]
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    if name == "repeat":
        return _repeated(func, args[0], args[1], limit)
    spread = any(distinct(tensor).shape != tensor.shape for tensor in tensors)
    if spread and (torch.Tag.pointwise in func.tags or name in _COPIES):
        shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))  # type: ignore[no-untyped-call]
        args, kwargs = tree_map(distinct, (args, kwargs))
        require_small(func, args, kwargs, limit)
        return tree_map(lambda leaf: _spread(leaf, shape), func(*args, **kwargs))
    require_small(func, args, kwargs, limit)
    return func(*args, **kwargs)


def _repeated(func: Any, tensor: torch.Tensor, times: Sequence[int], limit: int) -> torch.Tensor:
    shape = (1,) * (len(times) - tensor.ndim) + tuple(tensor.shape)
    pairs = list(zip(shape, times, strict=True))
    if all(size == 1 or count == 1 for size, count in pairs):
        return tensor.expand([size * count for size, count in pairs])
    require_small(func, (tensor, times), {}, limit)
    result: torch.Tensor = func(tensor, times)
    return result


def distinct(leaf: Any) -> Any:
    """Return a tensor without the copies along dimensions that it is spread along; anything else as it is."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    for dim, (size, stride) in enumerate(zip(leaf.shape, leaf.stride(), strict=True)):
        leaf = leaf.narrow(dim, 0, 1) if size > 1 and stride == 0 else leaf
    return leaf


def _spread(leaf: Any, shape: torch.Size) -> Any:
    return leaf.expand(shape) if isinstance(leaf, torch.Tensor) else leaf


def require_small(func: Any, args: Any, kwargs: Any, limit: int) -> None:
    """Raise MemoryError where an operator on constants would give more than can be held."""
    if func.is_view or not any(isinstance(value.type, torch.TensorType) for value in func._schema.returns):
        return

    def shape_of(leaf: Any) -> Any:
        return leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf  # spread ones stay spread

    try:
        result = func(*tree_map(shape_of, args), **tree_map(shape_of, kwargs))
    except (NotImplementedError, RuntimeError):
        return  # its size depends on values: there is no more to be known beforehand
    require_holdable(result, limit)


def require_holdable(result: Any, limit: int = LARGEST_CONSTANT) -> None:
    """Raise MemoryError for tensors, or fakes of them, that are too large to be held."""
    if not holdable(result, limit):
        raise MemoryError("it makes a constant as large as the image")


def holdable(result: Any, limit: int) -> bool:
    """Return whether the tensors of a result are small, or lie along a single axis."""
    tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
    return all(
        tensor.numel() <= limit
        or (tensor.numel() <= LONGEST_CONSTANT and max(tensor.shape) == tensor.numel())
        for tensor in tensors
    )
