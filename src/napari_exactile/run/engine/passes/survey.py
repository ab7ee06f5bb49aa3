"""Gather what whole-image operators must know, in passes over the image that can be stopped and continued."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile, Tiling
from napari_exactile.network.cone.cone import Cone
from napari_exactile.network.cost.passes import Pass, Schedule
from napari_exactile.network.derived import Derived
from napari_exactile.network.skewed.memory import release
from napari_exactile.network.traced.graph import Graph, Node
from napari_exactile.network.whole.freeze import Statistic
from napari_exactile.network.whole.reductions import Partial
from napari_exactile.run.engine import events
from napari_exactile.run.engine.events import Event, TileError, failure, words_of
from napari_exactile.run.engine.passes.kept_tensors import KeptTensors
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.engine.pipeline import ReadAhead
from napari_exactile.run.plan.ahead import AHEAD
from napari_exactile.run.plan.bands import Walked
from napari_exactile.run.plan.devices import is_out_of_memory
from napari_exactile.stopping import Check

if TYPE_CHECKING:
    import torch

R = TypeVar("R")
NO_ROOM = "what passes over the image keep cannot be written ({}): make room, or set a lower scratch limit"
# A band is so many parts, where it is told how far a pass is.
PARTS = 100


class Computing(Protocol):
    """What computes the parts of a pass on a device; an executor of what can be exact does."""

    analysis: Derived

    def cone_of(self, one: Pass, /) -> Cone:
        """Return what computes one pass, with the statistics that are known by then."""

    def compute(self, cone: Cone, zone: Box, check: Check, /) -> dict[int, torch.Tensor]:
        """Return the parts of the cone's results in a zone."""

    def walk(
        self, walked: Walked, band: Box, one: Pass, ahead: ReadAhead[torch.Tensor], check: Check, /
    ) -> Iterator[tuple[int, Box, torch.Tensor]]:
        """Yield the parts of a pass's results in a band as they are made: node, box and numbers."""

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

    `values` are float64, merged in the order in which a band is walked, and then band by band; or, where they
    are not `walked`, in the order of the tiles. `known` is what passes of an earlier run have
    found, which count as far as `kept` still has all that the rest needs; `tell` hears of each pass that is
    done, by its number from 0. It belongs to one job and its thread.
    """

    def __init__(
        self, schedule: Schedule, zone: tuple[int, ...], kept: KeptTensors,
        known: Sequence[Statistics] = (),
        tell: Callable[[int, Statistics], None] = lambda number, values: None, walked: Walked | None = None,
    ) -> None:  # fmt: skip
        self.schedule, self.kept = schedule, kept
        self.values: dict[int, Partial] = {}
        self._zone, self._known, self._tell, self._walked = zone, known, tell, walked
        self._number = 0
        self._gathered: list[dict[int, Partial]] = []
        self._done = 0

    @property
    def complete(self) -> bool:
        """Whether every statistic is known."""
        return self._number == len(self.schedule.surveys)

    def run(self, executor: Computing, pieces: InPieces, check: Check) -> Iterator[Event]:
        """Do what is left, telling how far it is; what `check` or a tile raises stops it.

        A pass that was stopped goes on after whole bands or tiles.
        """
        self._recall(executor.analysis.graph, check)
        while not self.complete:
            one = self.schedule.surveys[self._number]
            if not self._done:
                self._make_room(executor.analysis, one)
            with executor.reading_ahead() as ahead:
                if self._walked is not None:
                    yield from self._walk(self._walked, executor, one, ahead, check)
                if self._walked is None:  # or no longer, for want of memory
                    yield from self._tile(executor, one, pieces, ahead, check)
            self._finish(one)

    def _walk(
        self, walked: Walked, executor: Computing, one: Pass, ahead: ReadAhead[torch.Tensor], check: Check
    ) -> Iterator[Event]:
        """Walk what is left of a pass, band by band; not, from now on, where the memory is not enough."""
        bands = self._tiles(executor.analysis, walked.band)
        for band in bands[self._done :]:
            folded = _Folded(one.statistics)
            yield self._progress(PARTS * band.index, PARTS * len(bands))
            try:
                for index, box, tensor in executor.walk(walked, band.zone, one, ahead, check):
                    if index in one.kept:
                        self.kept.write(index, box, tensor)
                    folded.take(index, box, tensor)
                    share = box[walked.axis].stop / executor.analysis.graph.spatial_shape(index)[walked.axis]
                    yield self._progress(int(PARTS * (band.index + share)), PARTS * len(bands))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise failure(band, error) from error
                self._walked, self._gathered, self._done = None, [], 0
                release()
                return
            self._gathered.append(folded.found)
            self._done += 1

    def _tile(
        self, executor: Computing, one: Pass, pieces: InPieces, ahead: ReadAhead[torch.Tensor], check: Check
    ) -> Iterator[Event]:
        """Compute the tiles that are left of a pass."""
        tiles, cone = self._tiles(executor.analysis, self._zone), executor.cone_of(one)
        gather, expect = partial(self._gather, executor, cone, one, check), partial(_expect, ahead, cone)
        for tile in tiles[self._done :]:
            yield self._progress(self._done, len(tiles))
            check()
            upcoming = tiles[tile.index + 1 :][:AHEAD]
            self._gathered += yield from pieces.compute(tile, upcoming, gather, expect)
            self._done += 1

    def _tiles(self, analysis: Derived, size: tuple[int, ...]) -> tuple[Tile, ...]:
        """Return the tiles, or bands, of each pass: of the whole image, whatever the region of the labels."""
        shape = analysis.frame.taken
        return tuple(Tiling(shape, analysis.factor, size, (0,) * len(shape), padded_shape=shape))

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

    def _progress(self, done: int, of: int) -> Event:
        return events.Surveying(self._number + 1, len(self.schedule.surveys), done, of)

    def _make_room(self, analysis: Derived, one: Pass) -> None:
        axis = 0 if self._walked is None else self._walked.axis
        for index in one.kept:
            node = analysis.graph.nodes[index]
            try:
                self.kept.make(index, node.shape, node.dtype, axis)
            except OSError as error:
                first = self._tiles(analysis, self._zone)[0]
                raise TileError(first.index, first.zone, NO_ROOM.format(words_of(error))) from error

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
        self._gathered, self._done = [], 0
        self._number += 1

    def _total(self, statistic: Statistic) -> Partial:
        found = (piece[statistic.key] for piece in self._gathered if statistic.key in piece)
        return statistic.reduction.total(found)


class _Folded:
    """What a band gives for each statistic, merged as it is made."""

    def __init__(self, statistics: Sequence[Statistic]) -> None:
        self._statistics = statistics
        self.found: dict[int, Partial] = {}

    def take(self, index: int, box: Box, tensor: torch.Tensor) -> None:
        """Take a part of the tensor of a node."""
        for one in self._statistics:
            if one.source == index:
                part = _on_cpu(one.reduction.part(tensor, box))
                before = self.found.get(one.key)
                self.found[one.key] = part if before is None else one.reduction.merged(before, part)


def _expect(ahead: ReadAhead[torch.Tensor], cone: Cone, zones: Iterable[Box]) -> None:
    ahead.expect(box for zone in zones if (box := cone.reads_of(zone).get(0)) is not None)


def _on_cpu(partial: Partial) -> Partial:
    return tuple(tensor.cpu() for tensor in partial)
