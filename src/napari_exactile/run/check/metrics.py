"""How far one result is from another: RMSE of the softmax and ME, as the papers measure them.

M. Majurski and P. Bajcsy (2020): Eq. 4 is the root mean square difference of the softmax, Eq. 5 the number of
misclassified pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_exactile.run.task.decision import NEAR_TIE

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between a result and its reference, over some pixels; differences of parts add up.

    `squares` and `absolute` are sums over the pixels of the squared and absolute difference of the
    probabilities, each averaged over the classes. `near_ties` are the misclassified pixels whose two best
    probabilities are so close in the reference that the last bits of the arithmetic can flip them.
    """

    pixels: int
    squares: float
    absolute: float
    max_abs_difference: float
    misclassified: int
    near_ties: int

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            self.pixels + other.pixels, self.squares + other.squares, self.absolute + other.absolute,
            max(self.max_abs_difference, other.max_abs_difference),
            self.misclassified + other.misclassified, self.near_ties + other.near_ties,
        )  # fmt: skip

    @property
    def rmse(self) -> float:
        """Return Eq. 4 for one image: the root of the mean squared difference over pixels and classes."""
        return float(np.sqrt(self.squares / self.pixels))

    @property
    def mean_abs_difference(self) -> float:
        """Return the mean difference of the probabilities over pixels and classes."""
        return self.absolute / self.pixels

    @property
    def rate(self) -> float:
        """Return the share of the pixels that are misclassified."""
        return self.misclassified / self.pixels

    @property
    def last_bits_only(self) -> bool:
        """Tell whether every misclassified pixel is a near-tie: no error of the geometry shows in labels."""
        return self.misclassified == self.near_ties


def difference(
    labels: Array, probabilities: Array, reference: Array, chances: Array, near_tie: float = NEAR_TIE
) -> Difference:
    """Compare `labels` and `probabilities` (classes, *spatial) to those of a reference of the same shape.

    Closer than `near_tie`, two best probabilities of the reference are a near-tie.
    """
    apart = np.abs(probabilities.astype(np.float64) - chances)
    differs = labels != reference
    return Difference(
        pixels=labels.size,
        squares=float(np.square(apart).mean(axis=0).sum()),
        absolute=float(apart.mean(axis=0).sum()),
        max_abs_difference=float(apart.max()),
        misclassified=int(differs.sum()),
        near_ties=int((gap(chances[:, differs]) < near_tie).sum()),
    )


def gap(chances: Array) -> Array:
    """Return by how much the best probability (classes first) leads; of one channel, yes and no compete."""
    if len(chances) == 1:
        led: Array = np.abs(2 * chances[0] - 1)
        return led
    best = np.partition(chances, -2, axis=0)[-2:]
    lead: Array = best[1] - best[0]
    return lead
