"""Results as a run would give them, made of given labels without any network."""

from __future__ import annotations

from typing import Any

from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.run.engine.result import Report, Result


def a_result(labels: Any, tiles: int, done: int | None = None) -> Result:
    """A result of which so many tiles are done; all of them by default."""
    ndim = labels.ndim
    report = Report(
        model="none", shape=labels.shape, exact=True, method="trimmed", factor=(1,) * ndim,
        context=((0, 0),) * ndim, radius=(0,) * ndim, zone=labels.shape, tiles=tiles,
        tiles_done=tiles if done is None else done, passes=1, redundancy=1.0, near_ties=0, seconds=1.0,
        device="cpu", normalization=Normalization(), torch_version="", output_shape=labels.shape,
        stride=(1.0,) * ndim, offset=(0.0,) * ndim,
    )  # fmt: skip
    return Result(labels, None, report)
