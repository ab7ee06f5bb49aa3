"""Record a network's operators on a fake image of any size: no pixel is computed, no memory is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from napari_exactile.fake_image import quiet
from napari_exactile.network.traced.chance import DRAWS, is_random
from napari_exactile.network.traced.constants import LARGEST_CONSTANT, computed, created, is_fill
from napari_exactile.network.traced.failures import explained
from napari_exactile.network.traced.forms import (
    Places,
    followed,
    on_device,
    own_storages,
    require_end,
    storage,
    weights,
)
from napari_exactile.network.traced.functional import recorded, usual_form, without_values
from napari_exactile.network.traced.graph import Graph, Node, NotExactError, Ref, Refusal
from napari_exactile.network.traced.outputs import Output, no_output, pick
from napari_exactile.torch_state import exact_arithmetic, own_weights, without_triton

# What is computed from weights alone may be so many times as large as they are.
GROWTH = 16
# Operators whose result is a number for the program, or has a shape that depends on the values.
DEPENDS_ON_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


def trace(
    module: nn.Module, shape: tuple[int, ...], output: Output = None, *, even: Graph | None = None
) -> Graph:
    """Return the graph of `module` for an input of `shape` (batch, channels, spatial axes).

    `output` names the tensor that counts where the network returns several; what it does not need is left
    out. Weights stay by reference, in-place operators come out as their out-of-place forms, and whatever does
    not depend on the image is computed once. Raises NotExactError, with the place in the model, where the
    network looks at pixel values to decide what to do, or fails on this shape. Of a network whose weights lie
    on a GPU, a copy in main memory is traced. `even` is noted in the graph.
    """
    require_end(module, shape)
    with without_triton(), exact_arithmetic(), own_weights():
        graph = _traced(on_device(module, torch.device("cpu")), shape, output)
    return replace(graph, even=even)


def _traced(module: nn.Module, shape: tuple[int, ...], output: Output) -> Graph:
    fake_mode = FakeTensorMode(allow_non_fake_inputs=True)
    with fake_mode:
        image = torch.empty(shape, dtype=dtype_of(module))
    recorder = _Recorder(fake_mode, image, module)
    with quiet(), followed(module, recorder.places) as run:
        forward = recorded(lambda image: pick(run(image), output, image), module, recorder)
        try:
            result = forward(image)
        except NotExactError:
            raise
        except Exception as error:
            # TorchScript and others put what is raised inside them into an error of their own.
            raise recorder.refusal or recorder.refused(*explained(error, module, shape)) from error
    return recorder.finish(result).pruned()


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the floating-point type that the module computes in: that of its first weight."""
    floating = (tensor.dtype for _name, tensor in weights(module) if tensor.dtype.is_floating_point)
    return next(floating, torch.float32)


_BAKED = (
    "it reads an array as large as the image that forward made outside torch, with numpy say",
    "Make it with torch from the sizes of the image, or keep it as a buffer",
)
_CHANGED = (
    "it changes a tensor in place in a way that cannot be followed",
    "Compute a new tensor instead, with torch.cat or torch.where. If it is a circular padding, the far edge "
    "becomes a neighbour: pad with zeros, reflection or the edge",
)
_AS_IMAGE = (
    "it makes a constant as large as the image",
    "Combine it with the image one axis at a time, or join it with the image by torch.cat",
)
_GROWS = (
    "it makes a constant as large as the image from weights of the network",
    "Resize them once, when the network is made, and keep the result as a buffer",
)
_STEERED = (
    "what comes next depends on pixel values, through .item(), an if, or a mask as an index",
    "Compute both cases and choose pixel by pixel, with torch.where",
)


class _Recorder(TorchDispatchMode):
    """Writes down every operator that reads something made from the image."""

    def __init__(self, fake_mode: FakeTensorMode, image: torch.Tensor, module: nn.Module) -> None:
        super().__init__()
        self.fake_mode = fake_mode
        self.nodes = [Node(0, None, (), {}, tuple(image.shape), image.dtype, "")]
        # Tensors are known by identity, so they must stay alive while the trace goes on.
        self.known: dict[int, tuple[torch.Tensor, Ref]] = {id(image): (image, Ref(0))}
        self.places = Places(module)
        # Memory of weights and of what is computed from them, and of constants that the network makes.
        self.own, self.made = own_storages(module), set[int]()
        self.operator = "model"
        self.refusal: NotExactError | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":
            return func(*args, **kwargs)
        self.operator = func.__name__.split(".")[0]
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(isinstance(tensor, FunctionalTensor) for tensor in tensors):
            return func(*args, **kwargs)  # comes back with what they stand for
        self.places.read(tensors)
        self._refuse_by_kind(func, args, kwargs)
        if any(isinstance(tensor, FakeTensor) for tensor in tensors) and not is_fill(self.operator):
            result = self._record(func, args, kwargs, tensors)
        else:
            result = self._make(func, args, kwargs, tensors)
        self.operator = "model"  # what fails from here on is not this operator
        return result

    def _refuse_by_kind(self, func: Any, args: Any, kwargs: Any) -> None:
        """Refuse what is not even tried: on the fake image, some of these ask for its real memory."""
        if is_random(func, args, kwargs):
            raise self.refused(DRAWS, "If this is a dropout, call .eval() on the model")
        if "quantized" in func.namespace or "quantize" in self.operator:
            reason = "it computes with quantised numbers, whose rounding is not followed"
            raise self.refused(reason, "Use the network as it was before it was quantised")
        if "mkldnn" in self.operator or "mkldnn" in func.namespace:
            reason = "it is an operator of one kind of processor, and nothing is known of how far it reaches"
            raise self.refused(reason, "Save the network without torch.jit.optimize_for_inference")

    def _is_baked(self, tensor: torch.Tensor) -> bool:
        large = not isinstance(tensor, FakeTensor) and tensor.numel() > LARGEST_CONSTANT
        return large and storage(tensor) not in self.own | self.made

    def _make(self, func: Any, args: Any, kwargs: Any, tensors: Sequence[torch.Tensor]) -> Any:
        """Make a constant for real, in little memory: a large one would cost what tiling saves."""
        try:
            result = self._constant(func, args, kwargs, tensors)
        except MemoryError as error:
            grown = any(storage(tensor) in self.own for tensor in tensors)
            raise self.refused(*(_GROWS if grown else _AS_IMAGE)) from error
        if not any(self._is_baked(tensor) for tensor in tensors):
            made = (storage(leaf) for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
            (self.own if any(storage(tensor) in self.own for tensor in tensors) else self.made).update(made)
        return result

    def _constant(self, func: Any, args: Any, kwargs: Any, tensors: Sequence[torch.Tensor]) -> Any:
        if tensors and not is_fill(self.operator):
            grown = GROWTH * sum(tensor.numel() for tensor in tensors if storage(tensor) in self.own)
            return computed(func, args, kwargs, max(LARGEST_CONSTANT, grown))
        with self.fake_mode:
            fake = func(*args, **kwargs)
        return created(func, args, kwargs, fake)

    def _record(self, func: Any, args: Any, kwargs: Any, tensors: Sequence[torch.Tensor]) -> Any:
        if func is torch.ops.aten.as_strided_.default and _is_same(*args):
            return args[0]
        func, args = usual_form(func, args)
        if func._schema.is_mutable:
            raise self.refused(*_CHANGED)
        if any(self._is_baked(tensor) for tensor in tensors):
            raise self.refused(*_BAKED)
        try:
            result = without_values(func, args, kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise self.refused(*_STEERED) from error
        results = list(result) if isinstance(result, tuple | list) else [result]
        if not isinstance(results[0], torch.Tensor):
            raise self.refused(*_STEERED)
        args, kwargs = tree_map(self._ref, (args, kwargs))
        for number, tensor in enumerate(results):
            if isinstance(tensor, torch.Tensor):
                index, shape = len(self.nodes), tuple(tensor.shape)
                self.known[id(tensor)] = tensor, Ref(index)
                self.nodes.append(
                    Node(index, func, tuple(args), kwargs, shape, tensor.dtype, self.places.current, number)
                )
        return result

    def _ref(self, leaf: Any) -> Any:
        return self.known[id(leaf)][1] if isinstance(leaf, FakeTensor) else leaf

    def refused(self, reason: str, remedy: str = "", final: bool = False) -> NotExactError:
        """Return the error that refuses the operator that runs now."""
        self.refusal = NotExactError((Refusal(self.operator, self.places.current, reason, remedy, final),))
        return self.refusal

    def finish(self, result: torch.Tensor) -> Graph:
        """Return the graph whose output is `result`."""
        if id(result) not in self.known:
            raise no_output("the network's output does not depend on the image", "Let it be computed from it")
        if result.is_complex():
            raise no_output("the network returns complex numbers", "Take their .abs(), .real or .imag in it")
        return Graph(tuple(self.nodes), self.known[id(result)][1].index)


def _is_same(tensor: torch.Tensor, size: Sequence[int], stride: Sequence[int], *_offset: Any) -> bool:
    """Return whether a tensor keeps its elements where they are; pooling to one pixel asks for that."""
    pairs = zip(size, stride, tensor.stride(), strict=True)
    return list(size) == list(tensor.shape) and all(n == 1 or one == other for n, one, other in pairs)
