"""In what order rows are made: those that are read together are made while they are warm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import islice
from math import ceil, floor, lcm, prod

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cone.demands import Demands
from napari_exactile.network.skewed.layers import Part, layers_of
from napari_exactile.network.skewed.slab import is_plain
from napari_exactile.network.skewed.turned import Turned

# What is made at once takes at most so many bytes, and at least so many rows where rows are no larger: deep,
# small tensors run ahead for several steps of the others. So much stays near the cache, and below the 32 MB
# from which on malloc maps every block afresh; kernels are slow on fewer rows.
STRIP, LEAST = 12 << 20, 24
# Of networks of many layers, less is made at once: what they all hold together should stay near, too.
TOGETHER, FEWEST = 28 * STRIP, 1 << 20


@dataclass(frozen=True, slots=True)
class Thrift:
    """How memory is weighed against time: what is made at once, in bytes and rows, and the slack of slabs.

    Slack lets slabs move what they keep to their front more rarely: once for so many kept rows.
    """

    strip: int
    least: int
    slack: float


# Where the first does not fit, the second needs a third of the memory for networks of many layers.
FAST, FRUGAL = Thrift(STRIP, LEAST, 1.0), Thrift(1 << 20, 1, 0.25)

# So many steps of a band are kept, some megabytes, instead of being found out again.
MOST = 5_000

# Each pass over an image has a course of its own, and each column: so many of the last ones are remembered.
COURSES, NO_SIDE = 64, Interval(0, 0)

# How a band is walked: which layer makes which rows, and from which row on its slab is still wanted then.
Step = tuple[int, Interval, int]


@dataclass(frozen=True, slots=True)
class Room:
    """The most rows that a slab holds at once, and the most of them that are kept for later."""

    highest: int = 0
    kept: int = 0

    def with_step(self, rows: Interval, keep: int) -> Room:
        """Return the room that is enough for another step, too."""
        return Room(max(self.highest, rows.stop - keep), max(self.kept, rows.start - keep))


class Course:
    """The order in which a band is walked along `axis` within `region`, which counts for the other axes.

    Rows of each tensor are made once, in order. Before a layer makes rows, its sources make what these need
    and they lack: depth first. Everything follows from network, shapes and the band, never from the memory
    that is free: how rows are cut can change last bits.
    """

    def __init__(
        self, bound: BoundGraph, axis: int, region: Box, results: Collection[int] = (),
        given: Collection[int] = (), thrift: Thrift = FAST,
    ) -> None:  # fmt: skip
        self.bound, self.axis, self.region = bound, axis, region
        self.results = tuple(results) or (bound.graph.output,)
        self.given = frozenset(given) | {0}
        self.layers = layers_of(bound, self.results, self.given)
        self.demands = Demands(bound, self.results, self.given)
        self.thrift = thrift
        self.strip = min(thrift.strip, max(FEWEST, TOGETHER // max(1, len(self.layers))))
        # Of a band, and of as much of it as tells what memory it needs.
        self._known_steps: Callable[[Interval], tuple[Step, ...]] = lru_cache(maxsize=2)(self._short)
        self.rooms: Callable[[Interval], dict[int, Room]] = lru_cache(maxsize=2)(self._rooms)

    @cached_property
    def across(self) -> dict[int, tuple[Interval, ...]]:
        """The intervals of each layer along the other axes; without those that nothing depends on."""
        axes = [axis for axis in range(self.bound.graph.axes) if axis != self.axis]
        found = [self.demands.of(axis, self.region[axis]) for axis in axes]
        sides = {index: [demand[index] for demand in found] for index in self.layers}
        return {index: tuple(s for s in one if s) for index, one in sides.items() if all(one)}

    @cached_property
    def row_bytes(self) -> dict[int, int]:
        """What one row of each layer takes."""
        nodes = self.bound.graph.nodes
        return {
            index: prod(map(len, sides)) * nodes[index].features * nodes[index].dtype.itemsize
            for index, sides in self.across.items()
        }

    @cached_property
    def readers(self) -> dict[int, list[tuple[int, Part, int]]]:
        """Which part of which layer reads each layer, as which of its sources."""
        found: dict[int, list[tuple[int, Part, int]]] = {index: [] for index in self.layers}
        for layer in self.layers.values():
            for part in layer.parts:
                for number, source in enumerate(part.sources):
                    found[source].append((layer.index, part, number))
        return found

    def needs(self, part: Part, number: int, rows: Interval) -> Interval:
        """Return the rows of a part's source that rows of it depend on."""
        if part.head is None:
            return rows
        length = self.length(part.sources[number])
        return self.bound.reaches[part.head][number][self.axis].inside(rows, length)

    def length(self, index: int) -> int:
        """Return the rows of a whole tensor."""
        return self.bound.graph.spatial_shape(index)[self.axis]

    @cached_property
    def window(self) -> int:
        """The rows of the image that are walked at once: what the largest tensor makes of them is a strip."""
        step = lcm(*(self.bound.strides[index][self.axis].numerator for index in self.results))
        densest = max(
            (size / self.bound.strides[index][self.axis] for index, size in self.row_bytes.items()), default=1
        )
        return max(step, floor(self.strip / densest) // step * step)

    def is_whole(self, index: int) -> bool:
        """Tell whether walks have all there is of a tensor along the other axes, if they have it at all."""
        lengths, axes = self.bound.graph.spatial_shape(index), range(self.bound.graph.axes)
        sides = tuple(Interval(0, lengths[axis]) for axis in axes if axis != self.axis)
        return self.across.get(index) == sides and is_plain(self.bound.graph.layout(index))

    def parts(self, band: Interval) -> dict[int, Interval]:
        """Return the rows of each result that belong to a band of the image, where it has any."""
        found = {index: self.bound.part(index, self.axis, band) for index in self.results}
        return {index: part for index, part in found.items() if part and index in self.across}

    def steps(self, band: Interval) -> Iterable[Step]:
        """Return the steps that make the parts of all results in a band; those of short bands are known."""
        return self._known_steps(band) or self._steps(band)

    def _short(self, band: Interval) -> tuple[Step, ...]:
        """Return the steps, none where there are too many to keep them."""
        steps = tuple(islice(self._steps(band), MOST + 1))
        return steps if len(steps) <= MOST else ()

    def _steps(self, band: Interval) -> Iterator[Step]:
        walk = _Walking(self, band)
        for start in range(band.start, band.stop, self.window):
            window = Interval(start, min(start + self.window, band.stop))
            for index, part in self.parts(window).items():
                yield from walk.pull(index, part.stop)

    def reads(self, band: Interval) -> Iterator[Box]:
        """Yield the boxes of the image that a band reads, in order, as the image lies."""
        turned = Turned(self.bound.graph.axes, self.axis)
        for index, rows, _keep in self.steps(band):
            if index == 0:
                yield turned.back((rows, *self.across[0]))

    def most(self, index: int) -> int:
        """Return the most rows of a layer that are made at once."""
        return max(1, self.strip // self.row_bytes[index])

    def at_least(self, index: int) -> int:
        """Return how many rows a layer makes at once, though fewer are wanted."""
        return min(self.thrift.least, self.most(index))

    def capacity(self, index: int, room: Room) -> int:
        """Return the rows that a slab has memory for."""
        return min(self.length(index), room.highest + ceil(self.thrift.slack * room.kept))

    def _rooms(self, band: Interval) -> dict[int, Room]:
        # How much each slab needs while a band is walked.
        rooms = {index: Room() for index in self.across}
        for index, rows, keep in self.steps(band):
            rooms[index] = rooms[index].with_step(rows, keep)
        return rooms


def course_of(
    bound: BoundGraph, axis: int, region: Box, results: tuple[int, ...] = (), given: tuple[int, ...] = (),
    thrift: Thrift = FAST,
) -> Course:  # fmt: skip
    """Return a course that is remembered with the graph: who plans a walk, and who walks, need the same."""
    known = bound.found.setdefault(Course, lru_cache(COURSES)(partial(Course, bound)))
    course: Course = known(axis, (*region[:axis], NO_SIDE, *region[axis + 1 :]), results, given, thrift)
    return course


class _Walking:
    """How far each layer has come in a band."""

    def __init__(self, course: Course, band: Interval) -> None:
        self._course = course
        demand = course.demands.of(course.axis, band)
        sides = {index: demand[index] for index in course.across}
        self._ends = {index: side.stop for index, side in sides.items() if side}
        self._front = {index: side.start for index, side in sides.items() if side}

    def pull(self, index: int, stop: int) -> Iterator[Step]:
        """Yield the steps after which a layer has rows up to `stop`; networks may be too deep to recurse."""
        stack: list[Iterator[tuple[int, int] | Step]] = [self._making(index, stop)]
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
            elif len(found) == 2:
                stack.append(self._making(*found))
            else:
                yield found

    def _making(self, index: int, stop: int) -> Iterator[tuple[int, int] | Step]:
        """Yield what must be there first, as layers and rows, and then the steps of this layer."""
        course, layer = self._course, self._course.layers[index]
        while (start := self._front.get(index, stop)) < stop:
            rows = Interval(start, self._next(index, stop))
            for part in layer.parts:
                for number, source in enumerate(part.sources):
                    yield source, course.needs(part, number, rows).stop
            keep = min([start, *self._wanted(index)])
            self._front[index] = rows.stop
            yield index, rows, keep

    def _next(self, index: int, stop: int) -> int:
        """Return up to where a layer makes rows next: in equal pieces, and more of small rows."""
        start, end = self._front[index], self._ends[index]
        least, most = self._course.at_least(index), self._course.most(index)
        missing = max(stop - start, least)
        stop = min(end, start + ceil(missing / ceil(missing / most)))
        return end if end - stop < least // 2 else stop

    def _wanted(self, index: int) -> Iterator[int]:
        """Yield the first row that each reader still wants of a layer."""
        for reader, part, number in self._course.readers[index]:
            front, end = self._front.get(reader), self._ends.get(reader)
            if front is not None and end is not None and front < end:
                yield self._first(part, number, front, end)

    def _first(self, part: Part, number: int, front: int, end: int) -> int:
        """Return the first row that is wanted for rows from `front` on, all of which are looked at: near an
        edge, what is mirrored there goes back."""
        return self._course.needs(part, number, Interval(front, end)).start
