"""The engine of this computer: one plane of a task on one device."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any

import torch
from numpy.typing import NDArray

from napari_exactile.geometry.interval import Box
from napari_exactile.geometry.tiling import Tile
from napari_exactile.images.normalize.statistics import is_missing
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.network.analysis import require_derived
from napari_exactile.network.declared import Declared
from napari_exactile.network.skewed.memory import release
from napari_exactile.run.engine.door import Computed, Deliver, Going, Known, Piece
from napari_exactile.run.engine.events import Event, TileStarted, failure
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.local.missing import missing_in
from napari_exactile.run.engine.local.numbers import as_numbers
from napari_exactile.run.engine.local.pieces import Pieces
from napari_exactile.run.engine.local.seen import Seen
from napari_exactile.run.engine.local.tile_executor import TileExecutor
from napari_exactile.run.engine.local.walking import Made, Sharing
from napari_exactile.run.engine.passes.kept_tensors import KeptTensors
from napari_exactile.run.engine.passes.measuring import measured
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.engine.passes.survey import Survey
from napari_exactile.run.engine.pipeline import ReadAhead
from napari_exactile.run.plan.ahead import AHEAD
from napari_exactile.run.plan.bands import Band, Walked
from napari_exactile.run.plan.devices import is_out_of_memory, scratch_memory
from napari_exactile.run.task.decision import Labelled
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Check
from napari_exactile.torch_state import exact_arithmetic, exactly


class LocalEngine:
    """Computes one plane of a task on its device; nothing is read before it is asked to.

    Whatever torch is set to around it, it computes in exact arithmetic.
    """

    def __init__(
        self, task: Task, number: int = 0, known: Known | None = None,
        surveyed: Callable[[int, Statistics], None] = lambda number, values: None,
    ) -> None:  # fmt: skip
        self.task, self.source = task, task.planes.sources[number]
        self._known, self._surveyed = known or Known(), surveyed
        self.normalization = self._known.normalization
        self._pieces, self.seen = Pieces(task.plan, task.analysis, task.device), Seen(task.decision)
        self._survey = self._new_survey()
        self._computing: tuple[TileExecutor, ReadAhead[torch.Tensor]] | None = None
        self._alone: TileExecutor | None = None

    @property
    def prepared(self) -> bool:
        """Whether all is known of the whole image that its zones depend on."""
        return self.normalization is not None and self._survey.complete

    @property
    def odd(self) -> tuple[str, ...]:
        """What looks like a mistake in the results so far, in sentences."""
        return tuple(self.seen.warnings(self.task.decision.names(self.task.model.card)))

    def measure(self, check: Check = lambda: None) -> Iterator[Event]:
        """Read the whole image once, for its statistics and to find pixels that cannot be used.

        Does nothing where that has been done. Raises ValueError for such pixels, and Cancelled.
        """
        if self.normalization is None:
            self.normalization = yield from measured(self.source, self.task.model, self.task.settings, check)

    @exactly
    def survey(self, check: Check = lambda: None) -> Generator[Event, None, None]:
        """Do what is left of the passes over the image; raises TileError where a tile of a pass fails."""
        if not self._survey.complete:
            yield from self._survey.run(self.exact_executor(), self._pieces, check)

    def prepare(self, check: Check = lambda: None) -> Iterator[Event]:
        """Learn all that must be known of the whole image, for those who then use the `executor`."""
        yield from self.measure(check)
        yield from self.survey(check)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold an executor, and a thread that reads ahead for it, as long as this lasts."""
        executor = self.executor()
        with executor.reading_ahead() as ahead:
            self._computing = executor, ahead
            try:
                yield
            finally:
                self._computing = None

    @exactly
    def submit(
        self, band: Band, upcoming: Sequence[Band], deliver: Deliver, check: Check
    ) -> Generator[Event | Computed | Going, None, None]:
        """Compute a band: walked, or tile by tile, each in pieces as large as the memory allows."""
        assert self._computing is not None, "open() comes first"
        executor, ahead = self._computing
        if self.task.plan.walked is not None and isinstance(executor, Executor):
            left = yield from self._walked(self.task.plan.walked, executor, ahead, band, deliver, check)
            band = replace(band, tiles=tuple(tile.index for tile in left))
        compute = partial(self._piece, executor, deliver, check)
        expect = partial(self._expect, executor, ahead)
        following = chain(band.tiles, *(one.tiles for one in upcoming))
        tiles = list(map(self.task.plan.tiling.tile, islice(following, len(band.tiles) + AHEAD)))
        for place, tile in enumerate(tiles[: len(band.tiles)]):
            yield TileStarted(tile.index)
            ties = yield from self._pieces.compute(tile, tiles[place + 1 :][:AHEAD], compute, expect)
            yield Computed(tile.index, sum(ties))

    def _walked(
        self, walked: Walked, executor: Executor, ahead: ReadAhead[torch.Tensor], band: Band,
        deliver: Deliver, check: Check,
    ) -> Generator[Event | Computed | Going, None, list[Tile]]:  # fmt: skip
        """Walk a band; return the zones that are left where the memory was not enough."""
        tiling = self.task.plan.tiling
        box = walked.bands(tiling).tile(band.number).zone
        sharing = Sharing(
            list(map(tiling.tile, band.tiles)), self.task.analysis.part, walked.axis, self._made, deliver
        )
        yield from sharing.start()
        try:
            last = self.task.plan.schedule.last
            for _index, part, scores in executor.walk(walked, box, last, ahead, check):
                yield from sharing.take(part, scores)
                if not sharing.left:
                    break
                yield Going(sharing.begun)
        except Exception as error:
            if not is_out_of_memory(error):
                raise (failure(sharing.left[0], error) if sharing.left else error) from error
            release()
        return sharing.left

    def glimpse(self, tile: Tile, check: Check) -> Piece | None:
        """Return the results of a tile by itself; None where it has none, or the memory is not enough."""
        assert self._computing is not None, "open() comes first"
        pieces = list[Piece]()
        try:
            with exact_arithmetic():
                self._piece(self._computing[0], pieces.append, check, tile.zone)
        except Exception as error:
            if not is_out_of_memory(error):
                raise failure(tile, error) from error
        return pieces[0] if pieces else None

    def _made(self, scores: torch.Tensor, part: Box) -> Made:
        """Return what becomes of scores, in main memory."""
        result = self.decided(scores, part)
        self.seen.look(scores, result)
        labels, near = (None if one is None else one.cpu().numpy() for one in (result.labels, result.near))
        return Made(part, labels, self.numbers(result) if self.task.keeps_numbers else None, near)

    def _expect(self, executor: TileExecutor, ahead: ReadAhead[torch.Tensor], zones: Iterable[Box]) -> None:
        radius, method = self.task.plan.radius, self.task.plan.method
        boxes = (executor.reads(zone, radius, method) for zone in zones)
        ahead.expect(box for box in boxes if box is not None)

    @exactly
    def compute(
        self, zone: Box, deliver: Deliver, check: Check = lambda: None
    ) -> Generator[Event, None, None]:
        """Compute any box of the image that lies on multiples of F, by itself, in pieces as for `submit`.

        It is prepared. The scores of what was computed before are not used again.
        """
        self._alone = self._alone or self.executor()
        compute = partial(self._piece, self._alone, deliver, check)
        yield from self._pieces.compute(Tile(0, zone, zone), (), compute, lambda zones: None)

    def _piece(self, executor: TileExecutor, deliver: Deliver, check: Check, zone: Box) -> int:
        """Compute a zone, deliver its results, and return its near-ties."""
        part = self.task.analysis.part(zone)
        if part is None:
            return 0  # between two elements of the output, at the edge of what it covers
        scores = executor.scores(zone, self.task.plan.radius, self.task.plan.method, check)
        made = self._made(scores, part)
        deliver(Piece(part, made.labels, made.numbers))
        return made.near_ties

    def numbers(self, result: Labelled) -> NDArray[Any]:
        """Return probabilities or values as they are kept; raises ValueError for what does not fit."""
        return as_numbers(result.probabilities.float().cpu().numpy(), self.task.settings.number_type)

    def decided(self, scores: torch.Tensor, part: Box) -> Labelled:
        """Return what becomes of the scores of a part of the output; pixels that are left out are background.

        Raises ValueError where the network gives NaN.
        """
        result = self.task.decision.decide(scores)
        if is_missing(self.task.settings.ignore):
            missing = missing_in(self.source, self.task.analysis.grid, part)
            if missing.any():
                where = torch.from_numpy(missing).to(scores.device)
                return self.task.decision.without(result, where, self.task.model.card.background or 0)
        return result

    def executor(self) -> TileExecutor:
        """Return what computes the scores of zones of the image; RuntimeError before it is measured."""
        task = self.task
        if isinstance(task.analysis, Declared):
            return TileExecutor(self.source, self._measured, task.model.module, task.analysis, task.device)
        return self.exact_executor()

    def exact_executor(self) -> Executor:
        """Return what computes them exactly; raise NotExactError for a network that cannot be exact."""
        task, analysis = self.task, require_derived(self.task.analysis)
        return Executor(self.source, self._measured, task.model.module, analysis, task.device, self._survey)

    @property
    def _measured(self) -> Normalization:
        if self.normalization is None:
            raise RuntimeError("the image's statistics are measured first")
        return self.normalization

    def forget(self) -> None:
        """Let go of what was kept between passes over the image; for a plane that is complete."""
        self._survey.kept.keep_only(())
        self._survey = self._new_survey()

    def _new_survey(self) -> Survey:
        limit, plan = self.task.settings.scratch_limit, self.task.plan
        memory = scratch_memory() if limit is None else min(limit, scratch_memory())
        kept = KeptTensors(memory, self._known.folder)
        return Survey(plan.schedule, plan.zor, kept, self._known.passes, self._surveyed, plan.surveyed)
