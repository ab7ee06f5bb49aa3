"""Gather what whole-image operators must know, in passes over the image that can be stopped and continued."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile, Tiling
from napari_exactile.network.cone.bound import BoundGraph
from napari_exactile.network.cone.cone import Cone
from napari_exactile.network.cost.passes import Pass, Schedule
from napari_exactile.network.derived import Derived
from napari_exactile.network.traced.graph import Graph, Node
from napari_exactile.network.whole.freeze import Statistic
from napari_exactile.network.whole.reductions import Partial
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event
from napari_exactile.run.engine.passes.kept_tensors import KeptTensors
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.engine.pipeline import ReadAhead
from napari_exactile.run.plan.ahead import AHEAD
from napari_exactile.stopping import Check

if TYPE_CHECKING:
    import torch

R = TypeVar("R")


class Computing(Protocol):
    """What computes the parts of a pass on a device; an executor of what can be exact does."""

    analysis: Derived

    def cone_of(self, one: Pass, /) -> Cone:
        """Return what computes one pass, with the statistics that are known by then."""

    def compute(self, cone: Cone, zone: Box, check: Check, /) -> dict[int, torch.Tensor]:
        """Return the parts of the cone's results in a zone."""

    def reading_ahead(self) -> AbstractContextManager[ReadAhead[torch.Tensor]]:
        """Let another thread read what is expected, as long as this lasts."""


class InPieces(Protocol):
    """What computes tiles in pieces as large as the memory allows."""

    def compute(
        self, tile: Tile, upcoming: Sequence[Tile], compute: Callable[[Box], R],
        expect: Callable[[Iterable[Box]], None], /,
    ) -> Generator[Event, None, list[R]]:  # fmt: skip
        """Return what `compute` gives for each piece; `expect` hears which zones come next."""


class Survey:
    """The state of the passes: the statistics that are known, the tensors that are kept.

    `values` are float64, merged in the order of the tiles. `known` is what passes of an earlier run have
    found, which count as far as `kept` still has all that the rest needs; `tell` hears of each pass that is
    done, by its number from 0. It belongs to one job and its thread.
    """

    def __init__(
        self, schedule: Schedule, zone: tuple[int, ...], kept: KeptTensors,
        known: Sequence[Statistics] = (),
        tell: Callable[[int, Statistics], None] = lambda number, values: None,
    ) -> None:  # fmt: skip
        self.schedule, self.kept = schedule, kept
        self.values: dict[int, Partial] = {}
        self._zone, self._known, self._tell = zone, known, tell
        self._number = 0
        self._gathered: list[dict[int, Partial]] = []
        self._tiles_done = 0

    @property
    def complete(self) -> bool:
        """Whether every statistic is known."""
        return self._number == len(self.schedule.surveys)

    def run(self, executor: Computing, pieces: InPieces, check: Check) -> Iterator[Event]:
        """Do what is left, telling each tile; what `check` or a tile raises stops it, after whole tiles."""
        tiles = self._tiles(executor.analysis)
        self._recall(executor.analysis.graph, check)
        while not self.complete:
            one = self.schedule.surveys[self._number]
            cone = executor.cone_of(one)
            if not self._tiles_done:
                self._make_room(executor.analysis.bound, one, tiles[0].zone)
            gather = partial(self._gather, executor, cone, one, check)
            with executor.reading_ahead() as ahead:
                expect = partial(_expect, ahead, cone)
                for tile in tiles[self._tiles_done :]:
                    yield self._progress(len(tiles))
                    check()
                    upcoming = tiles[tile.index + 1 :][:AHEAD]
                    self._gathered += yield from pieces.compute(tile, upcoming, gather, expect)
                    self._tiles_done += 1
            self._finish(one)

    def _tiles(self, analysis: Derived) -> tuple[Tile, ...]:
        """Return the tiles of each pass: of the whole image, whatever the region of the labels."""
        shape = analysis.frame.taken
        return tuple(Tiling(shape, analysis.factor, self._zone, (0,) * len(shape), padded_shape=shape))

    def _recall(self, graph: Graph, check: Check) -> None:
        """Begin after as many passes of an earlier run as can be built upon."""
        if not self._known:
            return
        given = [one.given for one in self.schedule.passes]
        counts = range(len(self._known), -1, -1)
        self._number = next(
            n for n in counts if all(self._is_kept(graph.nodes[index], check) for index in given[n])
        )
        for values in self._known[: self._number]:
            self.values |= values
        self.kept.keep_only(given[self._number])
        self._known = ()

    def _is_kept(self, node: Node, check: Check) -> bool:
        return self.kept.recall(node.index, node.shape, node.dtype, check)

    def _progress(self, tiles: int) -> Event:
        return events.Surveying(self._number + 1, len(self.schedule.surveys), self._tiles_done, tiles)

    def _make_room(self, bound: BoundGraph, one: Pass, first: Box) -> None:
        for index in one.kept:
            node = bound.graph.nodes[index]
            sides = [bound.part(index, axis, side) for axis, side in enumerate(first)]
            chunk = [len(side) if side else 1 for side in sides]
            self.kept.make(index, node.shape, node.dtype, chunk)

    def _gather(
        self, executor: Computing, cone: Cone, one: Pass, check: Check, zone: Box
    ) -> dict[int, Partial]:
        """Return what one piece gives for each statistic; write its part of what is kept."""
        results = executor.compute(cone, zone, check)
        parts = cone.parts(zone)
        for index in one.kept:
            if index in results:
                self.kept.write(index, parts[index], results[index])
        return {
            statistic.key: _on_cpu(
                statistic.reduction.part(results[statistic.source], parts[statistic.source])
            )
            for statistic in one.statistics
            if statistic.source in results
        }

    def _finish(self, one: Pass) -> None:
        values = {statistic.key: self._total(statistic) for statistic in one.statistics}
        self.values |= values
        for index in one.kept:
            self.kept.complete(index)
        # What the pass began with goes last: killed before it is known of, the pass is done again.
        self._tell(self._number, values)
        for index in one.forgotten:
            self.kept.forget(index)
        self._gathered, self._tiles_done = [], 0
        self._number += 1

    def _total(self, statistic: Statistic) -> Partial:
        found = (piece[statistic.key] for piece in self._gathered if statistic.key in piece)
        return statistic.reduction.total(found)


def _expect(ahead: ReadAhead[torch.Tensor], cone: Cone, zones: Iterable[Box]) -> None:
    ahead.expect(box for zone in zones if (box := cone.reads_of(zone).get(0)) is not None)


def _on_cpu(partial: Partial) -> Partial:
    return tuple(tensor.cpu() for tensor in partial)
