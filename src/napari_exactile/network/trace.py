"""Record a network's operators on a fake image of any size: no pixel is computed, no memory is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx import GraphModule
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from napari_exactile.network.constants import computed, created, is_fill
from napari_exactile.network.graph import Graph, Node, NotExactError, Ref, Refusal
from napari_exactile.network.hooks import module_calls


def trace(module: nn.Module, shape: tuple[int, ...]) -> Graph:
    """Return the graph of `module` for an input of `shape` (batch, channels, spatial axes).

    Weights stay by reference, in-place operators come out as their out-of-place forms, and whatever does not
    depend on the image is computed once. Raises NotExactError, with the place in the model, where the
    network looks at pixel values to decide what to do, or fails on this shape.
    """
    fake_mode = FakeTensorMode(allow_non_fake_inputs=True)
    with fake_mode:
        image = torch.empty(shape, dtype=dtype_of(module))
    recorder = _Recorder(fake_mode, image)
    forward = torch.func.functionalize(module.forward, remove="mutations")
    with torch.no_grad():
        try:
            with module_calls(module, recorder.stack.append, recorder.leave), recorder:
                result = forward(image)
        except NotExactError:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            if "size calculation overflowed" in reason:  # more elements than can be counted: pixels squared
                reason = "global attention: every pixel looks at every other"
            remedy = _EXPORTED if isinstance(module, GraphModule) else _REMEDY
            raise NotExactError((Refusal(recorder.operator, recorder.place, reason, remedy),)) from error
    return _without_dead_nodes(recorder.finish(result))


_REMEDY = "The network must be convolutional, and its steps must not depend on pixel values"
_CIRCULAR = (
    "If it is a circular padding, the far edge becomes a neighbour: pad with zeros, reflection or the edge"
)
_EXPORTED = (
    "If it was exported at a fixed size, export it again with dynamic sizes (torch.export.Dim.DYNAMIC)"
)


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the floating-point type that the module computes in: that of its first parameter."""
    floating = (p.dtype for p in module.parameters() if p.dtype.is_floating_point)
    return next(floating, torch.float32)


class _Recorder(TorchDispatchMode):
    """Writes down every operator that reads something made from the image."""

    def __init__(self, fake_mode: FakeTensorMode, image: torch.Tensor) -> None:
        super().__init__()
        self.fake_mode = fake_mode
        self.nodes = [Node(0, None, (), {}, tuple(image.shape), image.dtype, "")]
        # Tensors are known by identity, so they must stay alive while the trace goes on.
        self.known: dict[int, tuple[torch.Tensor, Ref]] = {id(image): (image, Ref(0))}
        self.stack: list[str] = []
        self.operator = ""

    @property
    def place(self) -> str:
        """The path of the module that is running."""
        return self.stack[-1] if self.stack else ""

    def leave(self, _path: str) -> None:
        """Note that the innermost module is done."""
        self.stack.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":
            return func(*args, **kwargs)
        self.operator = func.__name__.split(".")[0]
        if torch.Tag.nondeterministic_seeded in func.tags:
            # Not even tried: on the fake image, some of these ask for its real memory.
            raise self._refused("it draws random numbers", "If this is a dropout, call .eval() on the model")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(isinstance(tensor, FakeTensor) for tensor in tensors) and not is_fill(self.operator):
            return self._record(func, args, kwargs)
        return self._create(func, args, kwargs)

    def _create(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Make a constant for real, in little memory: a large one would cost what tiling saves."""
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        try:
            if given and not is_fill(self.operator):
                return computed(func, args, kwargs)
            with self.fake_mode:
                fake = func(*args, **kwargs)
            return created(func, args, kwargs, fake)
        except MemoryError as error:
            remedy = "Combine it with the image one axis at a time, or join it with the image by torch.cat"
            raise self._refused(str(error), remedy) from error

    def _record(self, func: Any, args: Any, kwargs: Any) -> Any:
        if func._schema.is_mutable:
            raise self._refused("it changes a tensor in place in a way that cannot be followed", _CIRCULAR)
        result = func(*args, **kwargs)
        results = list(result) if isinstance(result, tuple | list) else [result]
        if not isinstance(results[0], torch.Tensor):
            raise self._refused("it turns pixel values into a number that steers the network")
        args, kwargs = tree_map(self._ref, (args, kwargs))
        for number, tensor in enumerate(results):
            if isinstance(tensor, torch.Tensor):
                index, shape = len(self.nodes), tuple(tensor.shape)
                self.known[id(tensor)] = tensor, Ref(index)
                self.nodes.append(
                    Node(index, func, tuple(args), kwargs, shape, tensor.dtype, self.place, number)
                )
        return result

    def _ref(self, leaf: Any) -> Any:
        return self.known[id(leaf)][1] if isinstance(leaf, FakeTensor) else leaf

    def _refused(self, reason: str, remedy: str = "") -> NotExactError:
        return NotExactError((Refusal(self.operator, self.place, reason, remedy),))

    def finish(self, result: Any) -> Graph:
        if not isinstance(result, torch.Tensor):
            raise no_output(f"the network returns a {type(result).__name__} instead of one tensor")
        if id(result) not in self.known:
            raise no_output("the network's output does not depend on the image")
        return Graph(tuple(self.nodes), self.known[id(result)][1].index)


def no_output(reason: str) -> NotExactError:
    """Return the error that says why a network's output cannot be used."""
    return NotExactError((Refusal("output", "", reason),))


def _without_dead_nodes(graph: Graph) -> Graph:
    """Drop operators whose results nobody reads, and number the rest anew."""
    alive = {0, graph.output}
    for node in reversed(graph.nodes):
        if node.index in alive:
            alive.update(node.inputs)
    number = {old: new for new, old in enumerate(sorted(alive))}

    def renumber(leaf: Any) -> Any:
        return Ref(number[leaf.index]) if isinstance(leaf, Ref) else leaf

    nodes = (
        replace(
            node,
            index=number[node.index],
            args=tree_map(renumber, node.args),
            kwargs=tree_map(renumber, node.kwargs),
        )
        for node in graph.nodes
        if node.index in alive
    )
    return Graph(tuple(nodes), number[graph.output])
