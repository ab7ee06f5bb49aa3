"""A run is paused, resumed, cancelled and put in another order at any time; the labels never change."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import napari_exactile as ex
from napari_exactile.run.engine import events
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.engine.schedule.queue import Queue
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from watched_runs import IMAGE, WAIT, blur, indices, job_of, whole_labels

pytestmark = pytest.mark.usefixtures("one_thread", "no_threads_left")


@pytest.fixture(scope="module")
def model() -> ex.Model:
    return blur()


@pytest.fixture(scope="module")
def expected(model: ex.Model) -> np.ndarray:
    return whole_labels(model)


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
    steps = Job(image_task(IMAGE, model, Settings(tile=14, method="trimmed"))).run(control=control)
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
    queue = Queue(range(5), lambda tile: tile, lambda: (4, 9, 4, 1))
    queue.remove(1)
    assert queue.first(3) == [4, 0, 2]
    assert queue.first(9) == [4, 0, 2, 3]
