"""Tiles are read ahead and written behind, paused and put in another order; the labels never change."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile.geometry.interval import Box
from napari_exactile.images.planes import Planes
from napari_exactile.images.source import ArraySource
from napari_exactile.network.analysis import analyse_module
from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import TileError
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.pipeline import ReadAhead, WriteBehind
from napari_exactile.run.engine.schedule.arrays import Memory
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.engine.schedule.queue import Queue
from napari_exactile.run.plan.ahead import AHEAD, BEHIND
from napari_exactile.run.plan.bands import Band
from napari_exactile.run.plan.plan import _waiting_bytes
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from napari_exactile.run.task.task import Task

pytestmark = pytest.mark.usefixtures("one_thread")
WAIT = 30


class Blur(nn.Module):
    """Two convolutions with four classes of random weights; its radius is 2 px."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.two(torch.relu(self.one(x)))
        return result


IMAGE = np.random.default_rng(0).normal(40, 10, (40, 36))
SETTINGS = Settings(tile=14, normalization="none")  # zones of 10 px: 4 x 4 tiles


@pytest.fixture(scope="module")
def model() -> ex.Model:
    return ex.load_model(Blur().eval())


@pytest.fixture(scope="module")
def expected(model: ex.Model) -> np.ndarray:
    labels = ex.segment_whole(IMAGE, model, normalization="none").labels
    assert len(np.unique(labels)) > 1
    return labels


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    """However a run ends, its threads end with it."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exactile")]


class Watched:
    """The image, with something that happens at each read."""

    def __init__(self, at_read: Callable[[int], None]) -> None:
        self._inner, self._at_read, self.reads = ArraySource(IMAGE), at_read, 0
        self.shape, self.channels = self._inner.shape, 1

    def read(self, box: Box) -> np.ndarray:
        self.reads += 1
        self._at_read(self.reads)
        return self._inner.read(box)


class Slow(np.ndarray):
    """An array that lets something happen before each write."""

    at_write: Callable[[], None]

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, tuple):
            self.at_write()
        super().__setitem__(index, value)


class SlowMemory(Memory):
    """Keeps labels where writing takes its time."""

    def __init__(self, at_write: Callable[[], None]) -> None:
        self._at_write = at_write

    def labels(self, leading: tuple[int, ...], shape: tuple[int, ...], dtype: Any, unfinished: int) -> Any:
        array = super().labels(leading, shape, dtype, unfinished).view(Slow)
        array.at_write = self._at_write
        return array


def job_of(model: ex.Model, source: Any = None, arrays: Any = None) -> Job:
    """A job whose image is known to be usable, so that each read is a tile's."""
    known = Job(image_task(IMAGE, model, SETTINGS))
    list(known.engine.measure())
    planes = Planes.single(source or ArraySource(IMAGE))
    task = Task.of(planes, known.task.model, known.task.analysis, SETTINGS)
    return Job(task, arrays=arrays, normalization=known.normalization)


def indices(happened: list[events.Event], kind: type = events.TileFinished) -> list[int]:
    return [event.index for event in happened if isinstance(event, kind)]


# --- reading ahead ---------------------------------------------------------------------------------------


def test_the_next_tile_is_read_while_one_is_computed(
    model: ex.Model, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first tile is not left before the second is being read: without reading ahead, none would end."""
    second, original = threading.Event(), Executor._image

    def waiting(self: Executor, box: Box) -> Tensor:
        image = original(self, box)
        assert second.wait(WAIT)
        return image

    monkeypatch.setattr(Executor, "_image", waiting)
    job = job_of(model, Watched(lambda number: second.set() if number == 2 else None))
    assert indices(list(job.run())) == list(range(16))
    np.testing.assert_array_equal(job.labels, expected)


def test_at_most_two_boxes_are_read_ahead() -> None:
    """Of many that are expected, two are read beyond what was taken; what no longer is, is dropped."""
    read: list[Any] = []
    came = threading.Semaphore(0)

    def reading(box: Any) -> Any:
        read.append(box)
        came.release()
        return box

    with ReadAhead(reading) as ahead:
        ahead.expect([(n,) for n in range(9)])  # type: ignore[misc]
        for _ in range(AHEAD):
            assert came.acquire(timeout=WAIT)
        assert not came.acquire(timeout=0.05)
        assert ahead.take((0,)) == (0,)  # type: ignore[arg-type]
        assert came.acquire(timeout=WAIT)
        assert read == [(0,), (1,), (2,)]
        ahead.expect([(7,), (1,)])  # type: ignore[list-item]
        assert [ahead.take((n,)) for n in (7, 1, 5)] == [(7,), (1,), (5,)]  # type: ignore[arg-type]
    assert read == [(0,), (1,), (2,), (7,), (5,)]


def test_another_order_at_every_tile_keeps_no_more_in_memory() -> None:
    """What is read ahead for nothing is let go: besides what was taken, two boxes exist at most."""

    class Pixels:
        pass

    alive: weakref.WeakSet[Pixels] = weakref.WeakSet()
    most: list[int] = []

    def reading(_box: Any) -> Pixels:
        alive.add(read := Pixels())
        most.append(len(alive))
        return read

    order = np.random.default_rng(0)
    with ReadAhead(reading) as ahead:
        for _ in range(200):
            boxes = [(int(n),) for n in order.permutation(50)[: 1 + AHEAD]]
            ahead.expect(boxes)  # type: ignore[arg-type]
            taken = ahead.take(boxes[0])  # type: ignore[arg-type]
            assert taken in alive
            del taken
    assert len(most) > 300, "much was read for nothing"
    assert max(most) <= 1 + AHEAD


def test_each_tile_is_read_once(model: ex.Model) -> None:
    """In the plan's order, reading ahead reads nothing in vain and nothing twice."""
    source = Watched(lambda _number: None)
    list(job_of(model, source).run())
    assert source.reads == 16


def test_an_error_of_reading_is_that_of_its_tile(model: ex.Model, expected: np.ndarray) -> None:
    """Tiles before the one that cannot be read are finished; another run does the rest."""

    def broken(number: int) -> None:
        if number == 6:
            raise OSError("the disk is gone")

    job = job_of(model, Watched(broken))
    happened: list[events.Event] = []
    with pytest.raises(TileError, match=r"tile 6 .*the disk is gone") as caught:
        happened.extend(job.run())
    assert (caught.value.index, job.done) == (5, set(range(5)))
    list(job.run())
    np.testing.assert_array_equal(job.labels, expected)


def test_what_waits_counts_for_an_automatic_tile(model: ex.Model) -> None:
    """Two tiles of pixels and two zones of scores in float32 are added to what a tile takes."""
    bound = analyse_module(model.module, 1, (400, 400)).bound
    assert _waiting_bytes(bound, (10, 20), (2, 2)) == 2 * 14 * 24 * 4 + 2 * 10 * 20 * 4 * 4


# --- writing behind --------------------------------------------------------------------------------------


def test_a_tile_is_written_while_the_next_is_computed(
    model: ex.Model, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first write waits until the second tile is computed: without writing behind, none would end."""
    calls, second, original = [0], threading.Event(), Executor.scores

    def counted(self: Executor, *rest: Any) -> Tensor:
        calls[0] += 1
        if calls[0] == 2:
            second.set()
        return original(self, *rest)

    monkeypatch.setattr(Executor, "scores", counted)
    job = job_of(model, arrays=SlowMemory(lambda: _waited(second)))
    happened = list(job.run())
    assert indices(happened) == list(range(16))
    assert happened.index(events.TileStarted(1)) < happened.index(
        next(event for event in happened if isinstance(event, events.TileFinished))
    )
    np.testing.assert_array_equal(job.labels, expected)


def _waited(event: threading.Event) -> None:
    assert event.wait(WAIT)


def test_at_most_two_results_wait_to_be_written() -> None:
    """The third write is handed over only once the first is done."""
    gate, handed = threading.Event(), []
    with WriteBehind(at_once=False) as writer:

        def hand_over() -> None:
            for number in range(BEHIND + 1):
                writer.write(lambda: _waited(gate))
                handed.append(number)

        thread = threading.Thread(target=hand_over)
        thread.start()
        thread.join(0.2)
        assert handed == list(range(BEHIND))
        gate.set()
        thread.join(WAIT)
    assert len(handed) == BEHIND + 1


def test_a_tile_counts_only_once_its_labels_are_there(model: ex.Model, expected: np.ndarray) -> None:
    """Whenever a tile is told to be finished, the array holds its labels."""
    job = job_of(model, arrays=SlowMemory(lambda: None))
    for event in job.run():
        if isinstance(event, events.TileFinished):
            index = tuple(slice(side.start, side.stop) for side in event.zone)
            np.testing.assert_array_equal(job.labels[index], expected[index])


def test_an_error_of_writing_is_that_of_its_tile(model: ex.Model, expected: np.ndarray) -> None:
    """A tile that cannot be written is not done, whatever was computed after it; the next run does it."""
    calls = [0]

    def full() -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise OSError("the disk is full")

    job = job_of(model, arrays=SlowMemory(full))
    with pytest.raises(TileError, match=r"tile 4 .*the disk is full"):
        list(job.run())
    assert {0, 1, 2} <= job.done
    assert 3 not in job.done
    assert indices(list(job.run()))[0] == 3
    np.testing.assert_array_equal(job.labels, expected)


@pytest.mark.parametrize("how", ["cancelled", "closed"])
def test_what_was_computed_is_written_however_a_run_ends(model: ex.Model, how: str) -> None:
    """Cancelled, or its generator closed, a run leaves no thread, and every computed tile counts."""
    job = job_of(model, arrays=SlowMemory(lambda: None))
    stop = threading.Event()
    steps, told = job.run(Control(is_cancelled=stop.is_set)), []
    for event in steps:
        told.append(event)
        if isinstance(event, events.TileStarted) and event.index == 5:
            stop.set()
            if how == "closed":
                steps.close()
    assert job.done == set(range(5))
    if how == "cancelled":
        assert indices(told) == list(range(5))
        assert told[-1] == events.Finished(cancelled=True)


# --- pausing ---------------------------------------------------------------------------------------------


def test_a_paused_run_starts_nothing_and_goes_on(model: ex.Model, expected: np.ndarray) -> None:
    """Paused in a tile, the run ends that one, tells of the pause, and waits until it is resumed."""
    control, told = Control(), []
    job = job_of(model)
    for event in job.run(control=control):
        told.append(event)
        match event:
            case events.TileStarted(index=3):
                control.pause()
            case events.Paused():
                assert job.done == {0, 1, 2, 3}
                threading.Timer(0.05, control.resume).start()
    assert [type(event) for event in told].count(events.Paused) == 1
    assert told.index(events.Paused()) == told.index(events.TileStarted(4)) - 1
    assert control.waited > 0
    assert job.complete
    np.testing.assert_array_equal(job.labels, expected)


def test_pauses_in_quick_succession(model: ex.Model, expected: np.ndarray) -> None:
    """Paused and resumed hundreds of times within milliseconds, a run is paused when told last to be so."""
    control, job = Control(), job_of(model)
    thread = threading.Thread(target=lambda: list(job.run(control=control)))
    control.pause()
    thread.start()
    for _ in range(300):
        control.resume()
        control.pause()
    thread.join(0.3)
    assert thread.is_alive()
    done = len(job.done)
    thread.join(0.3)
    assert len(job.done) == done < 16
    control.resume()
    thread.join(WAIT)
    assert job.complete
    np.testing.assert_array_equal(job.labels, expected)


def test_cancel_ends_a_pause(model: ex.Model) -> None:
    """A paused run that is cancelled ends with what it had, without being resumed."""
    control, job = Control(), job_of(model)
    told = []
    for event in job.run(control):
        told.append(event)
        if isinstance(event, events.TileFinished):
            control.pause()
        if isinstance(event, events.Paused):
            control.cancel()
    assert told[-2:] == [events.Paused(), events.Finished(cancelled=True)]
    assert job.done == {0}


def test_measuring_is_paused_too(model: ex.Model) -> None:
    """A run that is paused from the start has read but one block when it says so."""
    control = Control()
    control.pause()
    steps = Job(image_task(IMAGE, model, Settings(tile=14))).run(control=control)
    assert isinstance(next(steps), events.Measuring)
    assert next(steps) == events.Paused()
    control.resume()
    assert list(steps)[-1] == events.Finished(cancelled=False)


# --- the order -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_labels_do_not_depend_on_the_order(model: ex.Model, expected: np.ndarray, seed: int) -> None:
    """With an order that changes at every tile, each is computed once, and the labels are the same."""
    random = np.random.default_rng(seed)
    control = Control(lambda: random.permutation(16).tolist())
    job = job_of(model)
    happened = list(job.run(control=control))
    assert indices(happened, events.TileStarted) == indices(happened)
    assert indices(happened) != list(range(16))
    assert sorted(indices(happened)) == list(range(16))
    np.testing.assert_array_equal(job.labels, expected)


def test_what_is_preferred_comes_next(model: ex.Model) -> None:
    """Tiles that are named during a run come before the others, which follow in their own order."""
    first: list[int] = []
    job, told = job_of(model), []
    for event in job.run(control=Control(lambda: tuple(first))):
        if isinstance(event, events.TileStarted):
            told.append(event.index)
            if event.index == 2:
                first[:] = [15, 1, 9]
    assert told == [0, 1, 2, 15, 9, *(n for n in range(3, 15) if n != 9)]


def test_a_queue_names_each_tile_once() -> None:
    """What is preferred comes first, if it is left at all; no tile is named twice."""
    bands = [Band(number, (number,), ()) for number in range(5)]
    queue = Queue(bands, lambda tile: (tile,), lambda: (4, 9, 4, 1))
    queue.remove(bands[1])
    assert [band.number for band in queue.first(3)] == [4, 0, 2]
    assert [band.number for band in queue.first(9)] == [4, 0, 2, 3]
