"""Another threshold for labels whose probabilities were kept: no second run is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_exactile.run.engine.local.decision import thresholded
from napari_exactile.run.engine.schedule.series import Series


def rethreshold(series: Series, threshold: float) -> None:
    """Label a complete series in memory anew, as a run with this threshold would have done.

    Its report is of the new labels. Raises ValueError for a threshold that is none, and where there are no
    labels or no probabilities.
    """
    for job in series.jobs:
        if job.labels is None or job.probabilities is None:
            raise ValueError("labels can be given another threshold only where probabilities were kept")
        decision = replace(job.decision, threshold=threshold)
        chances = job.probabilities if decision.leading else job.probabilities[0]
        job.labels[...] = thresholded(chances, threshold)
        gap = np.abs(2 * (chances - np.float32(threshold)))
        job.near_ties, job.decision = int((gap < decision.near_tie).sum()), decision
