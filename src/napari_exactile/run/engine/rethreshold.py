"""Another threshold for labels whose probabilities were kept: no second run is needed."""

from __future__ import annotations

from napari_exactile.run.engine.schedule.series import Series
from napari_exactile.run.task.kinds import YesNo

NOT_KEPT = "labels can be given another threshold only where probabilities were kept: run again with these"


def rethreshold(series: Series, threshold: float) -> None:
    """Label a complete series in memory anew, as a run with this threshold would have done.

    Its report is of the new labels. Raises ValueError for a threshold that is none, and where there are no
    labels or no probabilities.
    """
    task = series.task.with_threshold(threshold)
    for job in series.jobs:
        if job.labels is None or job.probabilities is None or not isinstance(task.decision, YesNo):
            raise ValueError(NOT_KEPT)
        job.labels[...], job.results.near_ties = task.decision.again(job.probabilities)
    series.decide(task)
