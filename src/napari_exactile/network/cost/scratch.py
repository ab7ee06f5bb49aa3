"""What operators take while they run, beyond their inputs and their output, as measured with torch 2.13.

The kernels of oneDNN differ from processor to processor: `bench/memory.py` measures them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, singledispatch
from math import prod

import torch

from napari_exactile.geometry.interval import round_up
from napari_exactile.network.rules.pooling import MaxPooling
from napari_exactile.network.rules.table import Operator
from napari_exactile.network.rules.windowed import Convolution, TransposedConvolution
from napari_exactile.network.traced.graph import Node

# oneDNN gets convolutions whose images have more numbers than this along channels and the first two axes.
# (torch, aten/src/ATen/native/Convolution.cpp, use_mkldnn)
SMALL = 20480


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an operator: the sides of what it reads, its channels, and the pixels that it makes."""

    node: Node
    sides: tuple[int, ...]
    read_channels: int
    made: int

    @property
    def read(self) -> int:
        """Pixels that are read."""
        return prod(self.sides)

    @property
    def made_bytes(self) -> int:
        """Bytes of the output."""
        return self.made * self.node.features * self.node.dtype.itemsize


@singledispatch
def scratch(operator: Operator, run: Run) -> int:
    """Return the bytes that `operator` takes for itself while it runs; most take none.

    Convolutions are those of oneDNN on CPUs, with weights and images in two dimensions channels last. What
    cuDNN takes on GPUs depends on the algorithm that it picks; it is not known before.
    """
    return 0


@scratch.register
def _convolution(operator: Convolution, run: Run) -> int:
    item, weight = run.node.dtype.itemsize, operator.weight.nbytes
    if _is_native(operator, run):
        # Without a kernel of its own for these, all windows are laid side by side.
        return 0 if _is_single(operator) else prod(operator.weight.shape[1:]) * run.made * item
    if _is_channels_last(operator):
        return weight
    # Images go into oneDNN's layout and back; wide kernels read few channels from where they are.
    group = _group()
    is_plain = run.read_channels < group and not _is_single(operator)
    before = 0 if is_plain else round_up(run.read_channels, group) * run.read * item
    after = round_up(run.node.features, group) * run.made * item
    return weight + max(before + after - run.made_bytes, after)


@cache
def _group() -> int:
    """Return how many channels lie together in oneDNN's own layout: as many floats as a register holds."""
    return 16 if torch.backends.cpu.get_cpu_capability().startswith("AVX512") else 8


def _is_native(operator: Convolution, run: Run) -> bool:
    """Tell whether torch computes a convolution by itself."""
    *_, height, width = operator.weight.shape
    if run.node.dtype == torch.float64:
        return True
    if _is_single(operator) and torch.get_num_threads() == 1:
        return True
    wide, grouped = height > 3 and width > 3, operator.weight.shape[1] != run.read_channels
    return not (wide or grouped) and run.read_channels * prod(run.sides[:2]) <= SMALL


@scratch.register
def _transposed(operator: TransposedConvolution, run: Run) -> int:
    if run.node.dtype == torch.float64:
        return prod(operator.weight.shape[1:]) * run.read * run.node.dtype.itemsize
    return operator.weight.nbytes + run.made_bytes * (1 if _is_channels_last(operator) else 2)


@scratch.register
def _max_pooling(operator: MaxPooling, run: Run) -> int:
    # Where each maximum was, as 64-bit integers, which nobody asked for.
    return run.made * run.node.features * 8


def _is_single(operator: Convolution) -> bool:
    return all(reach.kernel == 1 and reach.step == 1 for reach in operator.reaches)


def _is_channels_last(operator: Convolution | TransposedConvolution) -> bool:
    return len(operator.reaches) == 2
