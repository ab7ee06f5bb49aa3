"""The reference that tiling must reproduce: one pass of the unchanged network over the whole image."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from napari_exactile.geometry.interval import full_box
from napari_exactile.images.read.underlying import look_for_gaps
from napari_exactile.run.engine.local.engine import LocalEngine
from napari_exactile.run.engine.result import Result, planned
from napari_exactile.run.task.task import Task
from napari_exactile.torch_state import exact_arithmetic


@exact_arithmetic()
def one_pass(task: Task) -> Result:
    """Return what one pass over the first plane of a task gives.

    Raises ValueError for pixels that cannot be used.
    """
    started, engine = time.perf_counter(), LocalEngine(task)
    look_for_gaps(engine.source)
    for _event in engine.measure():
        pass
    scores = engine.executor().whole()
    found, labels = engine.decided(scores, full_box(task.analysis.grid.shape)), None
    engine.seen.look(scores, found)
    if found.labels is not None:
        labels = found.labels.cpu().numpy().astype(np.min_scalar_type(task.unfinished))
    assert engine.normalization is not None, "it has been measured"
    report = replace(
        planned(task, engine.source, engine.normalization), shape=engine.source.shape, exact=True,
        method="one pass", tiles=1, tiles_done=1, passes=1, redundancy=1.0, near_ties=found.near_ties,
        seconds=time.perf_counter() - started, output_shape=tuple(scores.shape[2:]), reason="",
        warnings=engine.odd,
    )  # fmt: skip
    return Result(labels, engine.numbers(found), report)
