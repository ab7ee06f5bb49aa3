"""Which dimensions of a tensor are axes of the image, also after dimensions were moved or regrouped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from math import prod

from napari_exactile.geometry.interval import Box

# For each dimension the axes of the image that it runs along, the slowest first; () for batch and channels.
Dims = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the image lies in a tensor of `shape`: its axes in the dimensions, and the length of each axis.

    A dimension may hold several axes, as in (batch, pixels, channels); every axis lies in one dimension.
    """

    dims: Dims
    shape: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def last(cls, shape: Sequence[int], axes: int) -> Layout:
        """Return the layout of (batch, channels, *space)."""
        dims = ((),) * (len(shape) - axes) + tuple((axis,) for axis in range(axes))
        return cls(dims, tuple(shape), tuple(shape[len(shape) - axes :]))

    @property
    def is_last(self) -> bool:
        """Whether the axes of the image are the last dimensions, in order."""
        return self.dims == Layout.last(self.shape, len(self.lengths)).dims

    def sizes(self, box: Box) -> list[int]:
        """Return the shape that the part in `box` has."""
        return sizes(self.shape, self.dims, box)

    def permuted(self, order: Sequence[int]) -> Layout:
        """Return the layout after dimension `order[i]` became dimension i."""
        dims, shape = zip(*((self.dims[place], self.shape[place]) for place in order), strict=True)
        return Layout(dims, shape, self.lengths)

    def with_new(self, place: int, size: int = 1) -> Layout:
        """Return the layout after a dimension of `size` was put in as number `place`."""
        dims, shape = self.dims, self.shape
        return Layout(
            (*dims[:place], (), *dims[place:]), (*shape[:place], size, *shape[place:]), self.lengths
        )

    def without(self, places: Sequence[int]) -> Layout | None:
        """Return the layout without some dimensions; None where one of them is of the image."""
        if any(self.dims[place] for place in places):
            return None
        return self.permuted([place for place in range(len(self.dims)) if place not in places])


def sizes(shape: Sequence[int], dims: Dims, box: Box) -> list[int]:
    """Return the shape of the part in `box` of a tensor of which the whole, or another part, has `shape`."""
    pairs = zip(shape, dims, strict=True)
    return [prod(len(box[axis]) for axis in dim) if dim else size for size, dim in pairs]


def broadcast(layouts: Sequence[Layout], shape: Sequence[int]) -> Layout | None:
    """Return the layout of a result of `shape` from tensors of which the last dimensions lie on each other.

    None where an axis of the image would lie on another one, or the result has more or fewer dimensions.
    """
    if max(len(layout.dims) for layout in layouts) != len(shape):
        return None
    dims = []
    for back in range(len(shape), 0, -1):
        found = {layout.dims[-back] for layout in layouts if back <= len(layout.dims)} - {()}
        if len(found) > 1:
            return None
        dims.append(found.pop() if found else ())
    lengths = _lengths(tuple(dims), shape, layouts)
    return None if lengths is None else Layout(tuple(dims), tuple(shape), lengths)


def _lengths(dims: Dims, shape: Sequence[int], layouts: Sequence[Layout]) -> tuple[int, ...] | None:
    axes = range(len(layouts[0].lengths))
    if Counter(chain(*dims)) != Counter(axes):
        return None
    lengths = {dim[0]: size for dim, size in zip(dims, shape, strict=True) if len(dim) == 1}
    for dim, size in zip(dims, shape, strict=True):
        if len(dim) > 1:
            # Of axes that share a dimension only the product shows: the parts must be those of the inputs.
            known = {tuple(layout.lengths[axis] for axis in dim) for layout in layouts}
            if len(known) > 1 or prod(next(iter(known))) != size:
                return None
            lengths |= zip(dim, known.pop(), strict=True)
    return tuple(lengths[axis] for axis in axes)


def regrouped(layout: Layout, result: Sequence[int]) -> Layout | None:
    """Return the layout after a tensor was viewed in the shape `result`.

    Channels may be split and joined, and axes of the image joined and taken apart again. None where an axis
    is cut, or joined with channels. Along an axis of one element any answer is right: nothing is cut there.
    """
    if 0 in result:
        return None
    atoms = _Atoms(layout)
    dims = []
    for i, size in enumerate(result):
        dim = atoms.take(size, result[i + 1 :])
        if dim is None:
            return None
        dims.append(dim)
    if any(axis is not None for _, axis in atoms.left):
        return None
    return Layout(tuple(dims), tuple(result), layout.lengths)


class _Atoms:
    """The dimensions of a tensor from slow to fast, each either one axis of the image or divisible."""

    def __init__(self, layout: Layout) -> None:
        self.left: list[tuple[int, int | None]] = []
        for size, dim in zip(layout.shape, layout.dims, strict=True):
            self.left += [(layout.lengths[axis], axis) for axis in dim] if dim else [(size, None)]

    def take(self, size: int, later: Sequence[int]) -> tuple[int, ...] | None:
        """Take the next atoms that make up a dimension of `size`; return their axes, None for a mixture."""
        if size == 1:
            return self._take_one(later)
        axes: list[int] = []
        plain = False
        while size > 1:
            if not self.left:
                return None
            length, axis = self.left[0]
            if axis is None and length % size == 0 and length > size:
                self.left[0] = (length // size, None)
                size, plain = 1, True
            elif size % length == 0:
                del self.left[0]
                size //= length
                plain |= axis is None and length > 1
                axes += [] if axis is None else [axis]
            else:
                return None
        if axes and (not later or later[0] != 1):
            axes += self._ones()
        return None if axes and plain else tuple(axes)

    def _take_one(self, later: Sequence[int]) -> tuple[int, ...]:
        if not self.left or self.left[0][0] != 1 or len(later) >= len(self.left):
            return ()
        # Those that find no place of their own further on go here, before what is longer than one element.
        places = len(list(takewhile(lambda size: size == 1, later)))
        ones = len(list(takewhile(lambda atom: atom[0] == 1, self.left)))
        taken = [self.left.pop(0) for _ in range(max(1, ones - places))]
        return tuple(axis for _, axis in taken if axis is not None)

    def _ones(self) -> list[int]:
        ones = []
        while self.left and self.left[0][0] == 1 and self.left[0][1] is not None:
            ones.append(self.left.pop(0)[1])
        return [axis for axis in ones if axis is not None]
