"""Tiles are read ahead of what is computed and written behind it, and each fault is that of its tile."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
import pytest
from torch import Tensor

import napari_exactile as ex
from napari_exactile.geometry.interval import Box
from napari_exactile.network.analysis import analyse_module
from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import TileError
from napari_exactile.run.engine.local.executor import Executor
from napari_exactile.run.engine.pipeline import ReadAhead, WriteBehind
from napari_exactile.run.plan.ahead import AHEAD, BEHIND
from napari_exactile.run.plan.plan import _waiting_bytes
from watched_runs import WAIT, SlowMemory, Watched, blur, indices, job_of, whole_labels

pytestmark = pytest.mark.usefixtures("one_thread", "no_threads_left")


@pytest.fixture(scope="module")
def model() -> ex.Model:
    return blur()


@pytest.fixture(scope="module")
def expected(model: ex.Model) -> np.ndarray:
    return whole_labels(model)


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
