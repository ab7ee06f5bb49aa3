"""The contract of bands: the plan alone fixes them, and nothing that chooses their order changes a byte."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from napari_exactile.geometry.interval import Box, Interval
from napari_exactile.geometry.tiling import Tiling
from napari_exactile.images.store import shards
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.door import Computed, Deliver, Engines, Known, Piece
from napari_exactile.run.engine.events import Event, TileFinished
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.schedule.engines import ENGINES
from napari_exactile.run.plan.bands import Band, Bands
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.store.stored import stored
from napari_exactile.run.task.begin import image_task
from napari_exactile.run.task.task import Task
from napari_exactile.stopping import Check
from proofs import many

pytestmark = pytest.mark.usefixtures("one_thread")


# --- geometry --------------------------------------------------------------------------------------------


@st.composite
def tilings(draw: st.DrawFn) -> tuple[Tiling, tuple[int, ...], int, int]:
    """A tiling of a region anywhere, the shape of shards, and the stride and the offset of the labels."""
    axes, stride = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 4]))
    sides = [draw(st.integers(9, 60)) for _ in range(axes)]
    starts = [draw(st.integers(0, n - 9)) for n in sides]
    region = tuple(Interval(a, draw(st.integers(a + 8, n))) for a, n in zip(starts, sides, strict=True))
    factor = tuple(draw(st.sampled_from([1, 2, 4])) for _ in sides)
    zone = tuple(f * draw(st.integers(1, 4)) for f in factor)
    shard = tuple(draw(st.integers(1, 30)) for _ in sides)
    return Tiling(tuple(sides), factor, zone, (0,) * axes, region), shard, stride, draw(st.integers(0, 3))


def part_of(region: Box, stride: int, offset: int) -> Any:
    """Labels of `stride` pixels that begin at multiples of it and an offset, from those of the region on."""

    def elements(side: Interval) -> Interval:
        return Interval(-(-(side.start - offset) // stride), -(-(side.stop - offset) // stride))

    def part(zone: Box) -> Box | None:
        found = [elements(side) for side in zone]
        first = [elements(side).start for side in region]
        box = tuple(Interval(s.start - f, s.stop - f) for s, f in zip(found, first, strict=True))
        return box if all(map(len, box)) else None

    return part


@given(tilings())
@settings(max_examples=many(60), deadline=None)
def test_each_zone_is_in_one_band_which_is_that_of_its_shard(
    case: tuple[Tiling, tuple[int, ...], int, int],
) -> None:
    """Bands partition the zones: each has those of a shard; where zones reach over shards, each is one."""
    tiling, shard, stride, offset = case
    part = part_of(tiling.region, stride, offset)
    whole = part(tiling.region)
    if whole is None:
        return
    bands = Bands(tiling, part, tuple(len(side) for side in whole), shard)
    members = [list(bands.band(number).tiles) for number in range(len(bands))]
    assert sorted(tile for tiles in members for tile in tiles) == list(range(len(tiling)))
    assert all(tiles == sorted(tiles) and tiles for tiles in members)
    assert all(bands.of_tile(tile) == number for number, tiles in enumerate(members) for tile in tiles)
    boxes = {tile.index: box for tile in tiling if (box := part(tile.zone))}
    places = {index: shards_of(box, shard) for index, box in boxes.items()}
    if any(len(found) > 1 for found in places.values()):
        assert members == [[tile.index] for tile in tiling]
    else:
        for tiles in members:
            assert len(set().union(*(places[tile] for tile in tiles if tile in places))) == 1
        assert len(members) == len(set().union(*places.values()))


def shards_of(box: Box, shard: tuple[int, ...]) -> set[tuple[int, ...]]:
    """Return the places of the shards that a box of the labels meets."""
    axes = (
        range(side.start // length, (side.stop - 1) // length + 1)
        for side, length in zip(box, shard, strict=True)
    )
    return set(product(*axes))


def test_without_shards_each_zone_is_a_band() -> None:
    """In memory there is nothing that two workers could both write."""
    tiling = Tiling((40, 30), (8, 8), (16, 8), (0, 0))
    bands = Bands(tiling, lambda zone: zone, (40, 30))
    assert [bands.band(number).tiles for number in range(len(bands))] == [(tile.index,) for tile in tiling]


# --- the same bytes --------------------------------------------------------------------------------------


class Pooled(nn.Module):
    """A network of real numbers with a size factor of 4 and labels of 2 pixels.

    With `norm`, some of its statistics are those of the whole image, so that a pass comes first.
    """

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4))
        self.norm = nn.InstanceNorm2d(4) if norm else nn.Identity()
        self.up = nn.Sequential(nn.ConvTranspose2d(4, 3, 2, stride=2), nn.Softmax(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.norm(self.down(x)))


SHAPE = (120, 136)
# On the grid of zones, and off it: there, many of them reach over the shards.
REGIONS = {"on": (Interval(8, 107), Interval(0, 130)), "off": (Interval(5, 107), Interval(9, 130))}


def task_for(name: str, grid: str) -> Task:
    torch.manual_seed(1)
    method = "whole-tile" if name == "whole tiles" else "trimmed"
    net = Pooled(norm=name == "statistics")
    pixels = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    chosen = Settings(tile=32, method=method, region=REGIONS[grid], probabilities="float32")
    return image_task(pixels, net.eval(), chosen)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_PIXELS", 20**2)


def digests(path: Path) -> dict[str, str]:
    """The SHA-256 of every chunk file of all images and levels."""
    files = [file for file in path.rglob("c/**/*") if file.is_file() and "exactile" not in file.parts]
    assert len(files) > 8
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


class ThreeWorkers:
    """An engine behind the door: three of this computer's, each in a thread, share the bands."""

    def __init__(self, task: Task, number: int, known: Known, surveyed: Callable[..., None]) -> None:
        self._workers = [LocalEngine(task, number, known, surveyed), *(LocalEngine(task) for _ in range(2))]
        self._locks = [Lock() for _ in self._workers]
        self._pending: dict[int, Future[tuple[list[Event | Computed], list[Piece]]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workers[0], name)

    def measure(self, check: Check) -> Iterator[Event]:
        for worker in self._workers:
            yield from worker.measure(check)

    def survey(self, check: Check) -> Iterator[Event]:
        for worker in self._workers:
            yield from worker.survey(check)

    @contextmanager
    def open(self) -> Iterator[None]:
        with ExitStack() as stack:
            for worker in self._workers:
                stack.enter_context(worker.open())
            self._pool = stack.enter_context(ThreadPoolExecutor(3))
            yield
        self._pending.clear()

    def submit(
        self, band: Band, upcoming: Sequence[Band], deliver: Deliver, check: Check
    ) -> Iterator[Event | Computed]:
        for one in (band, *upcoming):
            if one.number not in self._pending:
                self._pending[one.number] = self._pool.submit(self._compute, one)
        steps, pieces = self._pending.pop(band.number).result()
        left = iter(pieces)
        for step in steps:
            if isinstance(step, Computed) and self.task.in_arrays(
                self.task.plan.tiling.tile(step.index).zone
            ):
                deliver(next(left))
            yield step

    def _compute(self, band: Band) -> tuple[list[Event | Computed], list[Piece]]:
        place, pieces = band.number % 3, list[Piece]()
        with self._locks[place]:
            return list(self._workers[place].submit(band, (), pieces.append, lambda: None)), pieces


def computed(task: Task, path: Path, order: Sequence[int] = (), cuts: Sequence[int] = ()) -> dict[str, str]:
    """Run with bands in an order, cut after so many tiles again and again; return what lies in the files."""
    left = iter(cuts)
    while True:
        with stored(task, path) as kept:
            tiles = _in_order(kept.series.job.results.bands, order)
            control, stop, seen = Control(partial(iter, tiles)), next(left, None), 0
            for event in kept.series.run(control):
                seen += isinstance(event, TileFinished)
                if stop is not None and seen >= stop:
                    control.cancel()
            if kept.series.complete:
                return digests(path)


def _in_order(bands: Bands, order: Sequence[int]) -> list[int]:
    """Return a tile of each band."""
    return [bands.band(number % len(bands)).tiles[-1] for number in order]


def bands_of(task: Task, path: Path) -> int:
    """Return how many bands a store that is there has."""
    with stored(task, path) as kept:
        return len(kept.series.job.results.bands)


KINDS = ["trimmed", "statistics", "whole tiles"]


@pytest.mark.parametrize(("name", "grid"), [*((name, "on") for name in KINDS), ("trimmed", "off")])
def test_no_order_cut_or_number_of_workers_changes_a_byte(
    name: str, grid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels and probabilities, all levels: the files of one quiet run, whoever computed what when."""
    task, chance = task_for(name, grid), np.random.default_rng(3)
    quiet = computed(task, tmp_path / "quiet")
    assert (4 < bands_of(task, tmp_path / "quiet") < len(task.plan)) is (grid == "on")
    order = chance.permutation(40).tolist()
    assert computed(task, tmp_path / "ordered", order) == quiet
    assert computed(task, tmp_path / "cut", order[::-1], [1, 3, 2, 5]) == quiet
    monkeypatch.setitem(ENGINES, "local", ThreeWorkers)
    assert computed(task, tmp_path / "shared", order) == quiet
    assert computed(task, tmp_path / "both", order[::-1], [4, 2]) == quiet


@pytest.mark.prove
@given(
    st.sampled_from(KINDS), st.sampled_from([*REGIONS]), st.permutations(range(40)),
    st.lists(st.integers(1, 9), max_size=6), st.sampled_from([LocalEngine, ThreeWorkers]),
)  # fmt: skip
@settings(max_examples=many(3), deadline=None, suppress_health_check=list(HealthCheck))
def test_any_order_and_any_cut_give_the_same_bytes(
    name: str, grid: str, order: list[int], cuts: list[int], engine: Engines
) -> None:
    """As above, with orders, cuts and engines that are drawn."""
    task = task_for(name, grid)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        quiet = computed(task, Path(folder, "quiet"))
        patch.setitem(ENGINES, "local", engine)
        assert computed(task, Path(folder, "drawn"), order, cuts) == quiet
