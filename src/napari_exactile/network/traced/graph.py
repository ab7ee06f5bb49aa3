"""The traced network: a list of operators on tensors whose whole-image shapes are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from napari_exactile.carried import Carried
from napari_exactile.geometry.interval import Box
from napari_exactile.network.traced.constants import distinct
from napari_exactile.network.traced.layout import Layout


@dataclass(frozen=True, slots=True)
class Ref:
    """The tensor that node number `index` produces, standing in an operator's arguments."""

    index: int


class Made(ABC):
    """A constant as large as the image, made from a small one where it is needed; it stands in arguments."""

    __slots__ = ()
    constant: torch.Tensor

    @abstractmethod
    def crop_dense(self, box: Box) -> torch.Tensor:
        """Return the part in a box of the image."""

    @abstractmethod
    def with_constant(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Made:
        """Return the same, made from `change` of the small constant."""


@dataclass(frozen=True)  # without slots, for the cached property
class Node:
    """One operator: `args` and `kwargs` hold Refs for tensors that depend on the image, constants otherwise.

    `shape` is that of its output for the whole image; `place` the path of the module that called it. An
    operator with several results has a node for each that is used; `result` is the number of this one.
    `layout` says which dimensions are axes of the image; None where that is not known (yet).
    Node 0 of a graph is the image and has no operator.
    """

    index: int
    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...]
    dtype: torch.dtype
    place: str
    result: int = 0
    layout: Layout | None = None

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the nodes whose tensors this one reads; every walk over the graph asks for them."""
        return tuple(ref.index for ref in self.refs)

    @property
    def refs(self) -> tuple[Ref, ...]:
        """Return the image-dependent tensors among the arguments, in order."""
        return tuple(_refs((self.args, self.kwargs)))

    @cached_property
    def features(self) -> int:
        """The number of values at each pixel."""
        dims = self.layout.dims if self.layout else ((), ())
        return prod(size for size, dim in zip(self.shape, dims, strict=False) if not dim)

    @property
    def name(self) -> str:
        """Return the operator's name without namespace and overload, for example "convolution"."""
        return "image" if self.op is None else str(self.op).split(".")[1]

    def with_constants(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Node:
        """Return the same node with its constants replaced, as `Graph.with_constants` does for all nodes."""

        def moved(leaf: Any) -> Any:
            if isinstance(leaf, Made):
                return leaf.with_constant(change)
            return change(distinct(leaf)).expand(leaf.shape) if isinstance(leaf, torch.Tensor) else leaf

        args, kwargs = tree_map(moved, (self.args, self.kwargs))
        return replace(self, args=args, kwargs=kwargs)


@dataclass(frozen=True, slots=True)
class Graph:
    """All operators in the order of execution; `output` is the number of the node that is the result.

    Where the image may be no multiple of F, `even` is the same network on one that is: it tells the factors
    by which tensors are resized to the size of others, whose own sizes were rounded.
    """

    nodes: tuple[Node, ...]
    output: int
    even: Graph | None = None

    @property
    def axes(self) -> int:
        """Return the number of spatial axes: the dimensions after batch and channel."""
        return len(self.nodes[0].shape) - 2

    @property
    def names(self) -> tuple[str, ...]:
        """Return the operators in the order of execution."""
        return tuple(node.name for node in self.nodes)

    def spatial_shape(self, index: int) -> tuple[int, ...]:
        """Return the whole-image spatial shape of one node's tensor."""
        return self.layout(index).lengths

    def layout(self, index: int) -> Layout:
        """Return where the image lies in one node's tensor; by default in the last dimensions."""
        node = self.nodes[index]
        return node.layout or Layout.last(node.shape, len(node.shape) - 2)

    def constants(self) -> Iterator[torch.Tensor]:
        """Yield every constant; of one that is spread over the image, only the distinct values."""
        for node in self.nodes:
            for leaf in tree_leaves((node.args, node.kwargs)):
                if isinstance(leaf, torch.Tensor):
                    yield distinct(leaf)
                elif isinstance(leaf, Made):
                    yield leaf.constant

    def with_constants(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Graph:
        """Return the same graph with every constant replaced by `change(constant)`, values one by one.

        Of a constant that is spread over the image, only the distinct values are changed.
        """
        return replace(self, nodes=tuple(node.with_constants(change) for node in self.nodes))

    def alive(self, results: Iterable[int], given: Collection[int] = ()) -> set[int]:
        """Return the nodes that `results` depend on, themselves included; what lies before `given` is not."""
        alive = set(results)
        for node in reversed(self.nodes):
            if node.index in alive and node.index not in given:
                alive.update(node.inputs)
        return alive

    def pruned(self, results: Collection[int] = ()) -> Graph:
        """Drop operators that neither the output nor `results` depend on, and number the rest anew."""
        number = self.numbers(results)

        def renumber(leaf: Any) -> Any:
            return Ref(number[leaf.index]) if isinstance(leaf, Ref) else leaf

        nodes = (
            replace(
                node,
                index=number[node.index],
                args=tree_map(renumber, node.args),
                kwargs=tree_map(renumber, node.kwargs),
            )
            for node in self.nodes
            if node.index in number
        )
        return replace(self, nodes=tuple(nodes), output=number[self.output])

    def numbers(self, results: Collection[int] = ()) -> dict[int, int]:
        """Return the numbers that nodes have after `pruned(results)`."""
        alive = self.alive({0, self.output, *results})
        return {old: new for new, old in enumerate(sorted(alive))}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operator that cannot be computed exactly region by region: where it is, why, and what to do.

    Where it is `final`, no tiles can be computed at all, not even approximate ones.

    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> (refusal,) = ex.analyse(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softmax(-1)).eval(), (64, 64)).refusals
    >>> print(refusal)
    _softmax at '1': it works along a spatial axis
    """

    operator: str
    place: str
    reason: str
    remedy: str = ""
    final: bool = False

    def __str__(self) -> str:
        where = f" at '{self.place}'" if self.place else ""
        return f"{self.operator}{where}: {self.reason}{'. ' + self.remedy if self.remedy else ''}"


class NotExactError(Carried, ValueError):
    """Raised where exactness cannot be promised; `refusals` names each operator, its place and the reason.

    `way_out` is what can be done all the same, whatever the refusals.

    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> in_training = nn.Conv2d(1, 2, 3)
    >>> try:
    ...     ex.plan_tiles(ex.analyse(in_training, (64, 64)))
    ... except ex.NotExactError as error:
    ...     print([refusal.remedy for refusal in error.refusals])
    ['Call .eval() on it first']
    """

    def __init__(self, refusals: tuple[Refusal, ...], way_out: str = "") -> None:
        self.refusals = refusals
        lines = "; ".join(str(refusal) for refusal in refusals)
        super().__init__(f"this model cannot be exact in tiles: {lines}{'. ' + way_out if way_out else ''}")


def _refs(tree: Any) -> Iterator[Ref]:
    """Yield the Refs in nested arguments, in order (lists, tuples and dicts are all that operators take)."""
    if isinstance(tree, Ref):
        yield tree
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _refs(item)
    elif isinstance(tree, dict):
        yield from _refs(list(tree.values()))
