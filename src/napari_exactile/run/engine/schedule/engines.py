"""Which engine computes a task: as yet, there is that of this computer alone."""

from __future__ import annotations

from collections.abc import Callable

from napari_exactile.run.engine.door import Engine, Engines, Known
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.passes.pass_records import Statistics
from napari_exactile.run.task.task import Task

ENGINES: dict[str, Engines] = {"local": LocalEngine}


def engine_of(task: Task, number: int, known: Known, surveyed: Callable[[int, Statistics], None]) -> Engine:
    """Return what computes plane `number` of a task; see `Engines`."""
    return ENGINES["local"](task, number, known, surveyed)
