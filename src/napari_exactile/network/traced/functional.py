"""Let in-place operators arrive at a recorder as their out-of-place forms, so that none is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch._subclasses.functional_tensor import FunctionalTensorMode, dispatch_functionalize
from torch.utils._python_dispatch import TorchDispatchMode

from napari_exactile.torchscript import is_script

aten: Any = torch.ops.aten
FILLS = (aten.index_fill.int_Scalar, aten.index_fill.int_Tensor)
Run = Callable[[torch.Tensor], torch.Tensor]


def recorded(run: Run, module: nn.Module, recorder: TorchDispatchMode) -> Run:
    """Return `run`, which runs `module`, with every operator seen by `recorder`, out of place."""
    if is_script(module):
        return dispatch_functionalize(run, _BelowTorchScript(recorder))
    functional = torch.func.functionalize(run, remove="mutations")

    def run_recorded(image: torch.Tensor) -> torch.Tensor:
        with recorder:
            result: torch.Tensor = functional(image)
        return result

    return run_recorded


class _BelowTorchScript(FunctionalTensorMode):
    """Functionalises, with the recorder below it; crashes in no operator of TorchScript.

    `torch.func.functionalize` stands above TorchScript's interpreter, which in `torch.tensor([1, 0])` writes
    into the memory of a new tensor: a wrapped one has none, and the process ends. Here, those stay unwrapped.
    """

    def __init__(self, recorder: TorchDispatchMode) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with self._recorder:
            if func is aten.empty.memory_format:
                return func(*args, **kwargs or {})
            return super().__torch_dispatch__(func, types, args, kwargs)


def without_values(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what an operator makes of tensors without values.

    torch works out the result of a batch norm by eight operators, which took most of the time of a trace.
    """
    if func is aten.native_batch_norm.default and not args[5]:
        image, weight, bias, *statistics = args[:5]
        sizes = {one.numel() for one in (weight, bias, *statistics) if one is not None}
        if image.ndim > 1 and sizes == {image.shape[1]}:
            return torch.empty_like(image), image.new_empty(0), image.new_empty(0)
    return func(*args, **kwargs)


def usual_form(func: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return the operator and arguments that eager networks have for what is only called otherwise."""
    if func is aten._native_batch_norm_legit.no_stats:
        return aten.native_batch_norm.default, (*args[:3], None, None, *args[3:])
    if func is aten._native_batch_norm_legit_no_training.default:
        return aten.native_batch_norm.default, (*args[:5], False, *args[5:])
    if func is aten.rrelu_with_noise.default and len(args) > 3 and not any(args[4:5]):
        lower, upper = args[2:4]
        return aten.leaky_relu.default, (args[0], (lower + upper) / 2)  # noise is for training
    if func in FILLS:  # torch >= 2.15 assigns numbers so
        tensor, dim, index, value = args
        value = value if isinstance(value, torch.Tensor) else torch.full((), value, dtype=tensor.dtype)
        return aten.index_put.default, (tensor, [*[None] * (dim % tensor.ndim), index], value)
    return func, args
