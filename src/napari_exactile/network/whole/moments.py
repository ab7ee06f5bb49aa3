"""Mean and variance of a whole tensor, gathered part by part: float32 within a block, float64 between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from napari_exactile.geometry.interval import Box
from napari_exactile.network.whole.reductions import Partial, Reduction, count_of, reduced

# What is gathered at once, in elements: 1 MB stays in the cache while it is read four times.
BLOCK = 1 << 18
# Elements of a row, several pixels side by side where one has fewer: kernels are slow on short rows.
WIDE = 128
# A block is shifted by the mean of every so many-th of its rows.
SAMPLE = 8
# Below this, a sum of squares in float32 may have lost what was too small for it.
SMALLEST = 1e-25

COARSE = {torch.float32, torch.float16, torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Moments(Reduction):
    """Count, mean and sum of squared deviations over `dims`, merged as by Chan, Golub and LeVeque (1979).

    With `groups`, the channels (dimension 1) are first taken apart into so many groups, and `dims` counts in
    the tensor of one dimension more.
    """

    dims: tuple[int, ...]
    groups: int | None = None

    def part(self, tensor: torch.Tensor, box: Box) -> Partial:
        """Return (count, mean, squares)."""
        column = self._column(tuple(tensor.shape))
        # On a GPU, blocks of this size would be all launches; and float64 needs float64.
        if column is not None and tensor.dtype in COARSE and tensor.device.type == "cpu":
            values = tensor.movedim(column, -1)
            if found := _by_columns(values):
                return self._joined(tensor, *(self._placed(one, column, tensor.ndim) for one in found))
        return self._in_double(tensor)

    def _column(self, shape: tuple[int, ...]) -> int | None:
        """Return the one dimension of which each element has moments of its own, or gets them on the way."""
        if self.groups is not None:
            return 1
        kept = [dim for dim, size in enumerate(shape) if size > 1 and dim not in self.dims]
        return kept[0] if len(kept) == 1 else (1 if len(shape) > 1 and not kept else None)

    def _placed(self, values: torch.Tensor, column: int, rank: int) -> torch.Tensor:
        """Return a value for each column as a tensor of the dimensions that `dims` counts in."""
        placed = values.reshape([-1 if dim == column else 1 for dim in range(rank)])
        return placed if self.groups is None else torch.unflatten(placed, 1, (self.groups, -1))

    def _joined(self, tensor: torch.Tensor, mean: torch.Tensor, squares: torch.Tensor) -> Partial:
        """Return (count, mean, squares) of a tensor from its columns, of which several may count together."""
        each, together = tensor.numel() // mean.numel(), mean.mean(self.dims, keepdim=True)
        squares = (squares + each * (mean - together) ** 2).sum(self.dims, keepdim=True)
        return count_of(tensor, together), together, squares

    def _in_double(self, tensor: torch.Tensor) -> Partial:
        grouped = tensor if self.groups is None else torch.unflatten(tensor, 1, (self.groups, -1))
        var, mean = torch.var_mean(grouped.double(), self.dims, correction=0, keepdim=True)
        count = count_of(grouped, mean)
        return count, mean, var * count

    def merged(self, one: Partial, other: Partial) -> Partial:
        """Return (count, mean, squares) of both parts."""
        (count, mean, squares), (more, their_mean, their_squares) = one, other
        both, apart = count + more, their_mean - mean
        return both, mean + apart * (more / both), squares + their_squares + apart**2 * (count * more / both)

    def unknown(self, shape: tuple[int, ...]) -> Partial:
        """Return two elements of mean 0 and variance 1."""
        if self.groups is not None:
            shape = (shape[0], self.groups, shape[1] // self.groups, *shape[2:])
        count, mean, squares = (reduced(shape, self.dims, value) for value in (2, 0, 2))
        return count, mean, squares


def _by_columns(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return (mean, squares) in float64, one for each index of the last dimension; None where float32 fails.

    Blocks follow from shape and layout alone. They are shifted by the mean of a share of them: its distance e
    from a block's own mean has e**2 <= SAMPLE * variance, so no offset of the values matters, however large.
    """
    blocks = [_block(rows, values.shape[-1]) for block in _blocks(values) for rows in _rows(block)]
    counts, shifts, sums, squares = (torch.cat(one).double() for one in zip(*blocks, strict=True))
    lost = (squares < SMALLEST) & (sums != 0)
    if lost.any() or not squares.isfinite().all():
        return None
    means, squares = shifts + sums / counts, squares - sums**2 / counts
    mean = _added(counts * means) / _added(counts)
    return mean, _added(squares + counts * (means - mean) ** 2)


def _added(values: torch.Tensor) -> torch.Tensor:
    """Return the sum along the first dimension, in its order; that of torch's `sum` may depend on threads."""
    return values.cumsum(0)[-1]


def _block(rows: torch.Tensor, columns: int) -> Partial:
    """Return (count, shift, sum, squares) of the values less the shift, for each pixel of a row."""
    sample = rows[::SAMPLE]
    # Of equal values this is the value itself, and their variance exactly 0.
    shift = sample[0] + (sample - sample[0]).mean(0)
    apart = rows - shift
    sums = apart.sum(0)
    squares = apart.square_().sum(0)
    found = [one.view(-1, columns) for one in (shift, sums, squares)]
    return torch.full((len(found[0]), 1), float(len(rows))), *found


def _blocks(values: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the tensor in order, in blocks of whole rows; in parts of a row where that is too much."""
    row = values[0].numel()
    if row > BLOCK and values.ndim > 2:
        for one in values:
            yield from _blocks(one)
    else:
        yield from torch.split(values, max(1, BLOCK // row))


def _rows(block: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield a block as one or two matrices of pixels and columns, or of several pixels side by side."""
    columns = block.shape[-1]
    if columns > 1 and block.stride(-1) != 1:
        # Each channel lies by itself; a copy, where it has gaps, does so too.
        yield block.movedim(-1, 0).reshape(columns, -1).float().T
        return
    pixels = block.reshape(-1, columns).float()
    wide = max(1, min(len(pixels), WIDE // columns))
    whole = len(pixels) // wide * wide
    yield pixels[:whole].reshape(-1, wide * columns)
    if whole < len(pixels):
        yield pixels[whole:]
