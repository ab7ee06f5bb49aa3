"""What a check of random windows has found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_exactile.geometry.interval import Box


@dataclass(frozen=True, slots=True)
class CheckedWindow:
    """What was found in one window, which lies at `box` in the labels of its `plane` of a stack.

    Of `labels`, so many are `differing`, and of these so many are `near_ties`: both probabilities are so
    close that the last bits of the arithmetic can flip them. `rmse` and `largest` are of the probabilities of
    the run's path against the other one, over `scores` numbers; None where the run's are not at hand.
    """

    plane: tuple[int, ...]
    box: Box
    labels: int
    differing: int
    near_ties: int
    scores: int = 0
    rmse: float | None = None
    largest: float | None = None


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """Windows drawn with `seed`, and `how` they were computed again; or the `reason` why there are none.

    >>> import napari_exactile as ex
    >>> window = CheckedWindow((), (), labels=4096, differing=2, near_ties=2)
    >>> check = ex.SpotCheck(seed=1, how="one pass over a crop", windows=(window,))
    >>> check.labels, check.differing, check.agrees
    (4096, 2, True)
    """

    seed: int
    how: str = ""
    windows: tuple[CheckedWindow, ...] = ()
    reason: str = ""

    @property
    def labels(self) -> int:
        """Labels that were compared."""
        return sum(window.labels for window in self.windows)

    @property
    def differing(self) -> int:
        """Labels that differ (ME, Eq. 5)."""
        return sum(window.differing for window in self.windows)

    @property
    def near_ties(self) -> int:
        """Those of them that the last bits of the arithmetic can flip."""
        return sum(window.near_ties for window in self.windows)

    @property
    def rmse(self) -> float | None:
        """RMSE of the probabilities (Eq. 4) over all windows in which they were compared."""
        known = [window for window in self.windows if window.rmse is not None]
        count = sum(window.scores for window in known)
        squares = sum((window.rmse or 0.0) ** 2 * window.scores for window in known)
        return float(np.sqrt(squares / count)) if count else None

    @property
    def largest(self) -> float | None:
        """Largest difference of a probability."""
        return max((window.largest for window in self.windows if window.largest is not None), default=None)

    @property
    def agrees(self) -> bool:
        """Whether labels were compared and none differs but near-ties."""
        return bool(self.windows) and self.differing == self.near_ties

    @property
    def disagrees(self) -> bool:
        """Whether labels were compared and one differs that the last bits cannot have flipped."""
        return bool(self.windows) and not self.agrees
