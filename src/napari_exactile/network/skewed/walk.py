"""Walks along one axis of the image: every element of every tensor is computed once a band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.rules.local import Pointwise
from napari_exactile.network.rules.table import Region
from napari_exactile.network.skewed.course import Course, Room
from napari_exactile.network.skewed.kernels import Kernel, Rows, kernel_of
from napari_exactile.network.skewed.layers import Layer, Part
from napari_exactile.network.skewed.slab import Slab
from napari_exactile.network.skewed.steps import StepCall, step_of
from napari_exactile.network.skewed.turned import Turned
from napari_exactile.stopping import Check

# Gives the part in a box, as the image lies, of node 0, the image, or of another tensor that is given.
Read = Callable[[int, Box], torch.Tensor]


class Walk:
    """Walks bands of one course; its slabs stay, so that bands of one length need no memory anew.

    `bound` is the course's graph with its constants on `device`; `whole` are tensors (1, channels, *space)
    there that are given, or made, as a whole: they are read, or written, where they lie. One thread at a
    time.
    """

    def __init__(
        self, course: Course, device: torch.device, bound: BoundGraph | None = None,
        whole: Mapping[int, torch.Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.course, self._bound = course, bound or course.bound
        self._graph, self._device = self._bound.graph, device
        self._turned = Turned(self._graph.axes, course.axis)
        self._slabs: dict[int, Slab] = {}
        self._whole = {
            index: Slab.over(self._graph.layout(index), self._turned, tensor)
            for index, tensor in (whole or {}).items()
            if course.is_whole(index)
        }
        self._kernels: dict[int, Kernel] = {}
        self._steps: dict[int, StepCall] = {}

    def run(self, band: Interval, read: Read, check: Check) -> Iterator[tuple[int, Box, torch.Tensor]]:
        """Yield the parts of the results in a band as they are made: node, box, (batch, channels, *box).

        Boxes lie in the whole tensors; each tensor is a view that changes with the next one. `check` is
        called before every step and may raise to stop. To be run in exact arithmetic, without gradients.
        """
        parts = self.course.parts(band)
        self._prepare(self.course.rooms(band))
        for index, rows, keep in self.course.steps(band):
            check()
            slab, layer = self._slabs[index], self.course.layers[index]
            slab.make_room(rows, keep)
            self._fill(layer, slab, rows, read)
            if index in parts and rows.start < parts[index].stop and rows.stop > parts[index].start:
                yield self._result(index, slab, rows.clip(parts[index]))

    def _prepare(self, rooms: Mapping[int, Room]) -> None:
        self._slabs |= self._whole
        for index, room in rooms.items():
            if index in self._whole:
                continue
            capacity = self.course.capacity(index, room)
            slab = self._slabs.get(index)
            if slab is None or len(slab.memory) < capacity:
                slab = self._slabs[index] = self._new_slab(index, capacity)
            slab.first = 0

    def _new_slab(self, index: int, capacity: int) -> Slab:
        node = self._graph.nodes[index]
        across = [len(side) for side in self.course.across[index]]
        return Slab.new(self._graph.layout(index), self._turned, across, capacity, node.dtype, self._device)

    def _fill(self, layer: Layer, slab: Slab, rows: Interval, read: Read) -> None:
        """Make rows of a layer in its slab."""
        if not layer.parts and layer.index in self._whole:
            return  # they are there
        room, box = slab.room(rows), self._box(layer.index, rows)
        if not layer.parts:
            given = read(layer.index, self._turned.back(box))
            given = self._turned.tensor(given) if slab.plain else given.reshape(room.shape)
            room.copy_(given, non_blocking=True)
        for part in layer.parts:
            out = room
            if len(layer.parts) > 1:
                channels = self._channels(part)
                out = room[:, part.channel : part.channel + channels]
            self._make(part, rows, box, out)
        for step in layer.steps:
            self._step(step)(box, room, room)

    def _make(self, part: Part, rows: Interval, box: Box, out: torch.Tensor) -> None:
        """Make rows of a part in `out`, into which one of the steps writes them; the others work in place."""
        inputs = [self._input(part, number, rows) for number in range(len(part.sources))]
        steps = [partial(self._step(step), box) for step in part.steps]
        if part.head is None:
            made, is_own = self._cropped(part.sources[0], inputs[0], box), False
        else:
            made = self._kernel(part.head)(box, inputs, out)
            is_own = _is_own(made, inputs)
        # What others read stays as it is; memory of its own is still warm until the last step.
        place = len(steps) - 1 if is_own else 0
        for step in steps[:place]:
            step(made, made)
        if not steps and made is not out:
            out.copy_(made.reshape(out.shape))
        for step in steps[place:]:
            step(made, out)
            made = out

    def _cropped(self, index: int, rows: Rows, box: Box) -> torch.Tensor:
        """Return a part of rows: others may depend on more of them than is wanted here."""
        layout = self._graph.layout(index)
        if self._slabs[index].plain:
            return Region(rows.tensor, rows.box).crop(box)
        there = Region(rows.tensor, self._turned.back(rows.box), layout.dims)
        return there.crop(self._turned.back(box))

    def _input(self, part: Part, number: int, rows: Interval) -> Rows:
        source = part.sources[number]
        wanted = self.course.needs(part, number, rows)
        return Rows(self._slabs[source].rows(wanted), self._box(source, wanted))

    def _box(self, index: int, rows: Interval) -> Box:
        """Return the box of rows, in the turned order."""
        return (rows, *self.course.across[index])

    def _channels(self, part: Part) -> int:
        last = part.steps[-1] if part.steps else part.head if part.head is not None else part.sources[0]
        return self._graph.nodes[last].shape[1]

    def _result(self, index: int, slab: Slab, rows: Interval) -> tuple[int, Box, torch.Tensor]:
        tensor = slab.rows(rows)
        box = self._turned.back(self._box(index, rows))
        return index, box, self._turned.tensor_back(tensor) if slab.plain else tensor

    def _kernel(self, index: int) -> Kernel:
        if index not in self._kernels:
            node, operator = self._graph.nodes[index], self._bound.operators[index]
            assert operator is not None, "only the image has none"
            self._kernels[index] = kernel_of(node, operator, self._graph, self._turned)
        return self._kernels[index]

    def _step(self, index: int) -> StepCall:
        if index not in self._steps:
            operator = self._bound.operators[index]
            assert isinstance(operator, Pointwise), "only such are steps"
            self._steps[index] = step_of(operator, self._graph, self._turned)
        return self._steps[index]


def _is_own(made: torch.Tensor, inputs: list[Rows]) -> bool:
    """Tell whether what was made lies in memory of its own, so that it may be changed in place."""
    place = made.untyped_storage().data_ptr()
    return all(one.tensor.untyped_storage().data_ptr() != place for one in inputs)
