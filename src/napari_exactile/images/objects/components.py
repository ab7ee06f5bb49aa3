"""Connected components of a labelled image of any size, block by block, merged exactly across the seams."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_exactile.geometry.interval import Box, Interval, slices
from napari_exactile.images.objects.objects import Objects, spatial
from napari_exactile.images.reading import pixels
from napari_exactile.images.source import as_array

# What is measured of one block takes about 50 bytes for each of these pixels.
BLOCK_PIXELS = 1 << 22

Labelling = Generator[float, None, Objects]
Offset = tuple[int, ...]


def label_objects(
    labels: Any,
    background: int | None = 0,
    zone: int | Sequence[int] | None = None,
    connectivity: int = 1,
    min_size: int = 0,
    axes: str | None = None,
    out: Any = None,
) -> Labelling:
    """Find the objects of each class: connected pixels with equal labels, over the whole of any array.

    `labels` is sliced like a numpy array, block by block of `zone` pixels (per axis, or along every spatial
    axis), and nothing depends on these. Pixels are connected if at most `connectivity` of their coordinates
    differ by one; those of the axes that are not z, y or x must be equal. `axes` names them ("yx", "zyx" and
    "tzyx" by default). `background` is no object (None: every label is), nor is what has less than `min_size`
    pixels. Their numbers are written to `out`, of the same shape, which is a new array of uint32 by default.

    Yields the fraction done and returns the Objects; whoever stops iterating leaves `out` unfinished. Beside
    `out`, memory is taken for a block and for the pieces of objects in all blocks. Raises ValueError for what
    cannot be labelled, and where `out` has too small a type.
    """
    labels = as_array(labels, "labels")
    blocks = _Blocks.of(labels, axes, zone, connectivity)
    target = _checked(np.zeros(blocks.shape, np.uint32) if out is None else out, blocks.shape)
    pieces = _Pieces(blocks, np.iinfo(target.dtype).max)
    for number, box in enumerate(blocks, start=1):
        _label_block(pixels(labels, slices(box)), background, box, pieces, target)
        yield number / (2 * len(blocks))
    merged = _merged(pieces, min_size)
    for number, box in enumerate(blocks, start=1):
        target[slices(box)] = merged.numbers[np.asarray(target[slices(box)])].astype(target.dtype)
        yield 0.5 + number / (2 * len(blocks))
    return Objects(target, merged.values, merged.pixels, merged.centroids, merged.boxes, blocks.axes)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The partition of an array into blocks, in C order, and which pixels are neighbours."""

    shape: tuple[int, ...]
    axes: str
    zone: tuple[int, ...]
    offsets: tuple[Offset, ...]

    @classmethod
    def of(cls, labels: Any, axes: str | None, zone: int | Sequence[int] | None, reach: int) -> _Blocks:
        shape = tuple(labels.shape)
        axes = "tzyx"[-len(shape) :] if axes is None and shape else axes or ""
        extended = [axis in spatial(axes) for axis in axes]
        if len(axes) != len(shape) or len(set(axes)) != len(axes) or not any(extended):
            raise ValueError(
                f"axes {axes!r} do not fit labels of shape {shape}: use letters such as x, yx, zyx or tyx"
            )
        if np.dtype(labels.dtype).kind not in "bui":
            raise ValueError(f"labels are whole numbers, not {labels.dtype}: turn them into such")
        if 0 in shape:
            raise ValueError(f"the labels are empty, of shape {shape}: choose some with pixels")
        if not 1 <= reach <= sum(extended):
            raise ValueError(f"connectivity is from 1 to {sum(extended)} for axes {axes!r}, not {reach}")
        steps = product(*((-1, 0, 1) if extends else (0,) for extends in extended))
        offsets = tuple(step for step in steps if sum(map(abs, step)) <= reach)
        return cls(shape, axes, _zone(zone, extended), offsets)

    def __len__(self) -> int:
        return prod(ceil(length / side) for length, side in zip(self.shape, self.zone, strict=True))

    def __iter__(self) -> Iterator[Box]:
        sides = zip(self.shape, self.zone, strict=True)
        for box in product(*(range(0, length, side) for length, side in sides)):
            ends = zip(box, self.zone, self.shape, strict=True)
            yield tuple(Interval(start, min(start + side, length)) for start, side, length in ends)

    @property
    def structure(self) -> NDArray[np.bool_]:
        """Which of the 3 x 3 x ... pixels around one are its neighbours."""
        cube = np.zeros((3,) * len(self.shape), bool)
        cube[tuple(np.array(self.offsets).T + 1)] = True
        return cube


def _zone(zone: int | Sequence[int] | None, extended: Sequence[bool]) -> tuple[int, ...]:
    if zone is None:
        zone = round(BLOCK_PIXELS ** (1 / sum(extended)))
    sides = tuple(zone if extends else 1 for extends in extended) if isinstance(zone, int) else tuple(zone)
    if len(sides) != len(extended) or min(sides) < 1:
        raise ValueError(f"a zone has at least one pixel along each of {len(extended)} axes, not {zone!r}")
    return sides


def _checked(out: Any, shape: tuple[int, ...]) -> Any:
    if tuple(out.shape) != shape or np.dtype(out.dtype).kind not in "ui":
        raise ValueError(f"out is an array of whole numbers of shape {shape}, not {out.dtype} {out.shape}")
    return out


@dataclass(slots=True)
class _Pieces:
    """The parts of objects in the blocks so far, numbered from 1; `seams` are pairs that touch."""

    blocks: _Blocks
    most: int
    count: int = 0
    values: list[NDArray[Any]] = field(default_factory=list)
    firsts: list[NDArray[Any]] = field(default_factory=list)
    pixels: list[NDArray[Any]] = field(default_factory=list)
    sums: list[NDArray[Any]] = field(default_factory=list)
    boxes: list[NDArray[Any]] = field(default_factory=list)
    seams: list[NDArray[Any]] = field(default_factory=list)

    def add(self, found: NDArray[Any], values: Sequence[int], box: Box) -> None:
        """Measure the pieces 1, 2, ... of a block."""
        places = np.nonzero(found)
        piece, count = found[places] - 1, len(values)
        world = tuple(place + span.start for place, span in zip(places, box, strict=True))
        first, ends = np.empty(count, np.int64), np.empty((count, len(box), 2), np.int64)
        # Of several pixels of a piece, the last one written stays: in reverse order, its first.
        first[piece[::-1]] = np.ravel_multi_index(world, self.blocks.shape)[::-1]
        for axis, place in enumerate(world):
            ends[:, axis] = _ends(piece, place, place + 1, count)
        self.values.append(np.array(values, np.int64))
        self.firsts.append(first)
        self.pixels.append(np.bincount(piece, minlength=count))
        self.sums.append(np.stack([np.bincount(piece, place, count) for place in world], axis=1))
        self.boxes.append(ends)
        self.count += count
        if self.count > self.most:
            raise ValueError(
                f"there are more than {self.most} pieces of objects: pass an `out` of a larger type"
            )


def _ends(of: NDArray[Any], low: NDArray[Any], high: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return the least `low` and the greatest `high` of each group, (count, 2)."""
    ends = np.empty((count, 2), np.int64)
    ends[:] = np.iinfo(np.int64).max, -1
    np.minimum.at(ends[:, 0], of, low)
    np.maximum.at(ends[:, 1], of, high)
    return ends


def _label_block(block: NDArray[Any], background: int | None, box: Box, pieces: _Pieces, out: Any) -> None:
    """Write the pieces of one block to `out`, and note where they touch those of the blocks before."""
    found, values = np.zeros(block.shape, np.int64), list[int]()
    for value in np.unique(block).tolist():
        if value == background:
            continue
        part, count = ndimage.label(block == value, pieces.blocks.structure)
        found += np.where(part, part + len(values), 0)
        values += [int(value)] * count
    before = pieces.count
    pieces.add(found, values, box)
    numbers = np.where(found, found + before, 0)
    out[slices(box)] = numbers.astype(out.dtype)
    for axis in range(len(box)):
        pieces.seams += _seam(numbers, box, axis, pieces.blocks, out)


def _seam(
    numbers: NDArray[Any], box: Box, axis: int, blocks: _Blocks, out: Any
) -> Iterator[NDArray[np.int64]]:
    """Yield the pairs of pieces that touch at the side where `box` starts along `axis`.

    A neighbour in an earlier block lies before that side along the first axis along which the two blocks
    differ; along the axes after it, it can be one pixel out on either side.
    """
    start, offsets = box[axis].start, [offset for offset in blocks.offsets if offset[axis] == -1]
    if start == 0 or not offsets:
        return
    around = tuple(span.grow(1, 1).clip(Interval(0, n)) for span, n in zip(box, blocks.shape, strict=True))
    strip = (*box[:axis], Interval(start - 1, start), *around[axis + 1 :])
    side = (*box[:axis], Interval(start, start + 1), *box[axis + 1 :])
    earlier = np.asarray(out[slices(strip)]).astype(np.int64)
    for offset in offsets:
        here = tuple(_met(*spans) for spans in zip(side, strip, offset, strict=True))
        there = tuple(slice(s.start + n, s.stop + n) for s, n in zip(here, offset, strict=True))
        touching = np.stack([numbers[_inside(here, box)], earlier[_inside(there, strip)]]).reshape(2, -1)
        yield np.unique(touching[:, touching.all(axis=0)], axis=1)


def _met(span: Interval, other: Interval, offset: int) -> slice:
    """Return the part of `span` whose pixels, moved by `offset`, lie in `other`."""
    start = max(span.start, other.start - offset)
    return slice(start, max(start, min(span.stop, other.stop - offset)))


def _inside(parts: Sequence[slice], box: Box) -> tuple[slice, ...]:
    return tuple(slice(p.start - span.start, p.stop - span.start) for p, span in zip(parts, box, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _Merged:
    """What is known of each object; `numbers` tells, for a piece, its object (0: none)."""

    numbers: NDArray[np.int64]
    values: NDArray[np.int64]
    pixels: NDArray[np.int64]
    centroids: NDArray[np.float64]
    boxes: NDArray[np.int64]


def _merged(pieces: _Pieces, min_size: int) -> _Merged:
    """Merge the pieces that touch and have the same class, and number what they make."""
    values, boxes = np.concatenate(pieces.values), np.concatenate(pieces.boxes)
    count, whole = _union(np.concatenate([np.empty((2, 0), np.int64), *pieces.seams], axis=1) - 1, values)
    firsts = np.concatenate(pieces.firsts)
    first = _ends(whole, firsts, firsts, count)[:, 0]
    # Sums of whole numbers are exact in float64 up to 2**53, so their order does not matter.
    pixels = np.bincount(whole, np.concatenate(pieces.pixels), count).astype(np.int64)
    order = np.argsort(first)
    order = order[pixels[order] >= min_size]
    numbers = np.zeros(count, np.int64)
    numbers[order] = np.arange(1, len(order) + 1)
    sums = [np.bincount(whole, column, count) for column in np.concatenate(pieces.sums).T]
    ends = [_ends(whole, boxes[:, axis, 0], boxes[:, axis, 1], count) for axis in range(boxes.shape[1])]
    classes = np.zeros(count, np.int64)
    classes[whole] = values
    return _Merged(
        np.concatenate([[0], numbers[whole]]), classes[order], pixels[order],
        np.stack(sums, axis=1)[order] / pixels[order, None], np.stack(ends, axis=1)[order],
    )  # fmt: skip


def _union(pairs: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[int, NDArray[Any]]:
    """Return how many objects there are, and for each piece which one it belongs to, counted from 0."""
    if not len(values):
        return 0, values
    one, other = pairs[:, values[pairs[0]] == values[pairs[1]]]
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(values),) * 2)
    count, whole = connected_components(graph, directed=False)
    return int(count), whole
