"""Whether a network takes images of a shape: it is tried on one that has no pixels.

Nothing is computed and no memory is taken, so that many sizes and numbers of channels can be tried. Networks
from files are tried in another process, others as copies without their large weights: nothing of the trial
stays in the network.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch.utils._pytree import tree_leaves

from napari_exactile import torchscript
from napari_exactile.apart import TrialError
from napari_exactile.torch_state import exact_arithmetic, own_weights, without_triton

SMALL = 4096  # elements
# What cannot be followed on an image without pixels, whatever its shape.
_UNTOLD = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException)


def failure_on(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """Return what a network raises for an image of `shape` (batch, channels, space): "" where it takes it.

    None where that cannot be told: it looks at pixel values, cannot be copied, or came to no good end.
    """
    try:
        said: str | None = torchscript.answer_of(module, f"{__name__}:failure_here", shape)
    except TrialError:
        return None
    return said


def failure_here(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """Return the same of a network that may run in this process."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with without_triton(), exact_arithmetic(), own_weights(), quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            apart = module if torchscript.is_script(module) else deepcopy(module, _stand_ins(module, mode))
        except Exception:  # what people hold in their modules may be anything
            return None
        try:
            _run(apart, shape, mode)
        except _UNTOLD:
            return None
        except Exception as error:  # networks fail in every way
            words = str(error).strip() or type(error).__name__
            # TorchScript puts what is raised inside it into an error of its own.
            return None if any(kind.__name__ in words for kind in _UNTOLD) else words
    return ""


def _stand_ins(module: nn.Module, mode: FakeTensorMode) -> dict[int, Any]:
    """Return what a copy of a network takes for large tensors; small ones may hold what decides."""
    large = (tensor for tensor in _tensors(module) if tensor.numel() > SMALL)
    return {id(tensor): mode.from_tensor(tensor) for tensor in large}


def _run(module: nn.Module, shape: tuple[int, ...], mode: FakeTensorMode) -> None:
    held = [tensor for tensor in _tensors(module) if tensor.is_floating_point()]
    like = held[0] if held else torch.empty(0)
    # The mode is not entered: what is computed without the image, sizes in a recorded network say, is real.
    with mode:
        image = torch.empty(shape, dtype=like.dtype, device=like.device)
    if torchscript.is_script(module):
        with torchscript.unfused():
            module.forward(image)
    else:
        module.forward(image)


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    own = tree_leaves([dict(vars(part)) for part in module.modules()])
    frozen = (
        [tensor for _name, tensor in torchscript.constants(module)] if torchscript.is_script(module) else []
    )
    found = [*module.parameters(), *module.buffers(), *frozen, *own]
    return [tensor for tensor in found if isinstance(tensor, torch.Tensor)]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from printing a traceback for what becomes a sentence."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
