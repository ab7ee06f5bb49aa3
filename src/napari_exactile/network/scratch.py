"""What operators take while they run, beyond their inputs and their output, as measured with torch 2.13."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from math import prod

import torch

from napari_exactile.geometry.interval import round_up
from napari_exactile.network.graph import Node
from napari_exactile.network.pooling import MaxPooling
from napari_exactile.network.rules import Operator
from napari_exactile.network.windowed import Convolution, TransposedConvolution

# oneDNN's own layout holds channels in groups of this size, on CPUs with AVX-512 sometimes of 16.
GROUP = 8
# Images of at most so many channels are not brought into that layout.
FEW = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an operator: the pixels and the channels that it reads and makes."""

    node: Node
    read: int
    read_channels: int
    made: int

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
    if run.node.dtype == torch.float64 or (len(operator.reaches) == 3 and run.read_channels <= FEW):
        # Without a kernel of its own for these, all windows are laid side by side.
        return 0 if _is_single(operator) else prod(operator.weight.shape[1:]) * run.made * item
    if _is_channels_last(operator):
        return weight
    # Images go into oneDNN's layout and back; few channels are read from where they are.
    before = round_up(run.read_channels, GROUP) * run.read * item if run.read_channels > FEW else 0
    after = round_up(run.node.features, GROUP) * run.made * item
    return weight + max(before + after - run.made_bytes, after)


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
