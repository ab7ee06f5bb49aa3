"""What is walked shows a tile of each view at once, and what it keeps does not depend on that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from torch import nn

import napari_exactile as ex
from integer_runs import pixels, unet
from napari_exactile.geometry.interval import Box, slices
from napari_exactile.network.skewed.course import Thrift
from napari_exactile.run.engine.control import Control
from napari_exactile.run.engine.events import Advanced, TileFinished, TileShown, TileStarted
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task

pytestmark = pytest.mark.usefixtures("one_thread")
IMAGE = pixels(400, 150)


def job_of(tile: int = 60, **more: Any) -> Job:
    """A job of 400 x 150 pixels, walked in one band unless another method is asked for."""
    return Job(image_task(IMAGE, unet(), Settings(tile=tile, stream=True, **more)))


class View:
    """What somebody looks at, and what has been shown to them; `heard` are the events of a run."""

    def __init__(self, tiles: Iterable[int]) -> None:
        self.tiles = tuple(tiles)
        self.shown: list[tuple[Box, Any]] = []
        self.control = Control(
            lambda: self.tiles, show=lambda box, labels, _: self.shown.append((box, labels))
        )

    def run(self, job: Job) -> Iterator[Any]:
        return job.run(self.control)


def shown(events: Iterable[Any]) -> list[int]:
    return [event.index for event in events if isinstance(event, TileShown)]


def test_the_tile_in_the_middle_of_a_view_is_shown_first_and_done_later() -> None:
    """Before anything is done; its labels are those of one pass, and results are those without a view."""
    job = job_of()
    last = len(job.task.plan) - 1
    view = View([last, last - 1])
    heard = list(view.run(job))
    assert shown(heard) == [last]
    done = [event.index for event in heard if isinstance(event, TileFinished)]
    assert heard.index(TileShown(last, job.task.plan.tiling.tile(last).zone)) < heard.index(
        next(event for event in heard if isinstance(event, TileFinished))
    )
    assert sorted(done) == list(range(last + 1))
    whole = ex.segment_whole(IMAGE, unet()).labels
    [(box, labels)] = view.shown
    np.testing.assert_array_equal(labels, whole[slices(box)])
    alone = job_of()
    list(alone.run())
    np.testing.assert_array_equal(job.labels, alone.labels)
    assert job.near_ties == alone.near_ties


def test_each_view_without_labels_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the view moves while a band is walked, to what is not done yet; nowhere else, and never twice."""
    monkeypatch.setattr("napari_exactile.run.plan.bands.FAST", Thrift(20000, 8, 1.0))
    job = job_of()
    tiles = len(job.task.plan)
    view, heard = View([tiles - 1]), []
    for event in view.run(job):
        heard.append(event)
        if isinstance(event, Advanced) and len(shown(heard)) == 1:
            view.tiles = (tiles - 3, tiles - 4)
        elif isinstance(event, TileFinished) and event.index == 0:
            view.tiles = (tiles - 6, 0)
        elif isinstance(event, TileFinished) and event.index == 3:
            view.tiles = (tiles - 4, tiles - 3)
    assert shown(heard) == [tiles - 1, tiles - 3]
    assert job.complete


@pytest.mark.parametrize(
    ("more", "show"), [({}, False), ({"method": "trimmed"}, True), ({"tile": 400}, True)],
    ids=["nobody is shown", "not walked", "as much work as its band"],
)  # fmt: skip
def test_no_tile_is_shown_in_vain(more: dict[str, Any], show: bool) -> None:
    """Where nobody asks, where tiles come one by one anyway, and where it would take too long."""
    view, job = View([0]), job_of(**more)
    if not show:
        view.control.show = None
    assert not shown(view.run(job))
    assert not view.shown
    assert job.complete


def test_without_memory_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk needs what there is: a run goes on without a glimpse."""

    def full(*_anything: Any) -> int:
        raise MemoryError

    monkeypatch.setattr(LocalEngine, "_piece", full)
    view, job = View([3]), job_of()
    assert not shown(view.run(job))
    assert job.complete


def test_a_walk_tells_how_far_its_row_is() -> None:
    """Between two rows of tiles, what is done grows, and never beyond what is done then."""
    image = np.zeros((1024, 8192), np.float32)
    model = ex.load_model(nn.Conv2d(1, 2, 1).eval())
    job = Job(image_task(image, model, Settings(tile=2048, method="skewed")))
    far, begun, done = [0.0], 0, 0
    for event in job.run():
        begun += isinstance(event, TileStarted)
        done += isinstance(event, TileFinished)
        if isinstance(event, Advanced):
            far.append(event.tiles)
            assert done <= event.tiles <= begun
    assert far == sorted(far)
    assert len(far) > 4
    assert any(0 < each % 1 < 1 for each in far)
