"""Runs of 16 tiles over a small image, in which something happens at each read and at each write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import napari_exactile as ex
from napari_exactile.geometry.interval import Box
from napari_exactile.images.planes import Planes
from napari_exactile.images.source import ArraySource
from napari_exactile.run.engine import events
from napari_exactile.run.engine.schedule.arrays import Memory
from napari_exactile.run.engine.schedule.job import Job
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.task.begin import image_task
from napari_exactile.run.task.task import Task

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
SETTINGS = Settings(tile=14, normalization="none", method="trimmed")  # zones of 10 px: 4 x 4 tiles


def blur() -> ex.Model:
    return ex.load_model(Blur().eval())


def whole_labels(model: ex.Model) -> np.ndarray:
    """Return the labels of one pass over the image, of which there are several."""
    labels = ex.segment_whole(IMAGE, model, normalization="none").labels
    assert len(np.unique(labels)) > 1
    return labels


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
