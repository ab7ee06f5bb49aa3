"""Another threshold for labels in memory, from the probabilities that their run has kept."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_exactile.run.engine.schedule.series import Series
    from napari_exactile.run.task.decision import Decision
    from napari_exactile.widget.run.result_layers import ResultLayers


class Threshold:
    """The threshold that labels have, or are about to have: `value`; they are locked until they have it.

    All methods but `write` belong to the GUI thread.
    """

    def __init__(self, series: Callable[[], Series], decision: Decision, layers: ResultLayers) -> None:
        self._series, self._layers = series, layers
        self.value = decision.threshold
        self._writing = Lock()

    @property
    def can_change(self) -> bool:
        """Whether labels that are complete can get another one: their probabilities were kept."""
        series = self._series()
        chosen = series.task.decision.chosen_threshold
        return series.probabilities is not None and chosen is not None and series.complete

    def expect(self, value: float) -> None:
        """Lock the labels, which are about to get another one by `write`, until `unlock`."""
        self.value = value
        self._layers.lock(True)

    def write(self) -> Any:
        """Write the labels anew, in a thread; return what tells them from edited ones."""
        from napari_exactile.run.engine.edited import fingerprint
        from napari_exactile.run.engine.rethreshold import rethreshold

        with self._writing:
            rethreshold(self._series(), self.value)
            return fingerprint(self._series())

    def unlock(self) -> None:
        """Let labels be painted on, which are those of the threshold that was written last."""
        self.value = self._series().task.decision.threshold
        self._layers.lock(False)
